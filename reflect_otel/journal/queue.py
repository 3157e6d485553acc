"""The queue over the segments: callers hand in records, one writer thread makes them durable in groups."""

import logging
import os
import threading
import weakref
from collections import deque
from pathlib import Path
from typing import Final

from reflect_otel.errors import InvalidArgument, JournalFull, StoreError
from reflect_otel.journal.folder import SegmentFolder
from reflect_otel.journal.record import MAX_BODY_BYTES, Draft, JournalRecord, build_draft

DEFAULT_CAPACITY_BYTES: Final = 4 * 1024**3
DEFAULT_SEGMENT_BYTES: Final = 64 * 1024**2
_GROUP_BYTES: Final = 16 * 1024**2

_log = logging.getLogger(__name__)
_open_journals: "weakref.WeakSet[Journal]" = weakref.WeakSet()


class _Entry:
    """A queued draft and its outcome, once ``done`` is set."""

    __slots__ = ("done", "draft", "error", "sequence")

    def __init__(self, draft: Draft, done: threading.Event | None) -> None:
        self.draft = draft
        self.done = done
        self.sequence = 0
        self.error = ""


class Journal:
    """A bounded, durable, at-least-once queue of byte records in a folder of its own.

    Any thread may append; records are committed in groups by one writer thread. Sequence numbers strictly
    increase and are never used twice, also not after ``trim`` or a restart. After a fork the child must open a
    journal of its own: every call on the inherited one raises StoreError and touches nothing.

    Args:
        folder: created when missing; holds segment files, ``position`` and ``lock``.
        capacity_bytes: most untrimmed bytes; more are refused with JournalFull.
        segment_bytes: a new file is begun beyond this size; trimming frees whole files.
        start_after: the consumer's own position, if it has one: it counts more than the journal's, and numbers
            continue behind it even when the files are gone.

    Raises:
        StoreLocked: another process has the journal; names its PID.
        StoreError: the folder cannot be used, or acknowledged records in it are damaged.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        capacity_bytes: int = DEFAULT_CAPACITY_BYTES,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        start_after: int | None = None,
    ) -> None:
        self._path = Path(folder)
        self._capacity_bytes = capacity_bytes
        self._owner_pid = os.getpid()
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._writing_bytes = 0
        self._queued_count = 0
        self._ended_count = 0
        self._lost_count = 0
        self._closed = False
        self._changed = threading.Condition()
        self._reading = threading.Lock()
        self._folder = SegmentFolder(self._path, segment_bytes=segment_bytes, start_after=start_after)
        self._last_sequence = self._folder.last_sequence
        self._stored_bytes = self._folder.count_bytes()
        self._writing = threading.Lock()
        self._writer = self._start_writer()
        _open_journals.add(self)

    # --- appending

    def append(self, kind: int, project_id: str, received_ns: int, body: bytes) -> int:
        """Append a record and return its sequence number once it is on disk.

        Args:
            kind: the caller's own tag, 0 to 2**32 - 1.
            project_id: stored beside the body.
            received_ns: Unix time in nanoseconds.
            body: at most 1 GiB.

        Raises:
            JournalFull: the capacity is used up.
            StoreError: the disk refused this record, or the journal is closed.
        """
        done = threading.Event()
        entry = _Entry(build_draft(kind, project_id, received_ns, body), done)
        self._enqueue(entry)
        self._write_without_writer()
        done.wait()
        if entry.error:
            raise StoreError(entry.error)
        return entry.sequence

    def append_nowait(self, kind: int, project_id: str, received_ns: int, body: bytes) -> None:
        """Append a record that becomes durable with the next group commit; see ``flush``.

        A record that the disk then refuses is logged and counted in ``lost_count``.

        Raises:
            JournalFull: the capacity is used up.
            StoreError: the journal is closed.
        """
        self._enqueue(_Entry(build_draft(kind, project_id, received_ns, body), None))
        self._write_without_writer()

    def flush(self, timeout_seconds: float) -> int:
        """Wait until all that was appended before is on disk; returns ``last_sequence``.

        Raises:
            StoreError: time ran out, or the journal is closed.
        """
        self._check_usable()
        with self._changed:
            target = self._queued_count  # not an empty queue: under steady load that never comes
            if not self._changed.wait_for(lambda: self._ended_count >= target, timeout_seconds):
                raise StoreError(f"journal {self._path}: not on disk after {timeout_seconds} s; check the disk")
            return self._last_sequence

    # --- consuming

    def read(self, after_sequence: int, max_records: int, max_bytes: int) -> list[JournalRecord]:
        """Durable records behind ``after_sequence``, in order; at least one when there is any.

        Args:
            after_sequence: the last one already seen.
            max_records: most records.
            max_bytes: stop before they exceed this on disk, but never before the first.

        Raises:
            StoreError: a record is damaged; the message names the file.
        """
        self._check_usable()
        records: list[JournalRecord] = []
        total_bytes = 0
        with self._reading:
            for size_bytes, record in self._folder.iter_records(after_sequence):
                total_bytes += size_bytes
                if records and total_bytes > max_bytes:
                    break
                records.append(record)
                if len(records) >= max_records:  # before the next one is read: it may be damaged
                    break
        return records

    def wait(self, after_sequence: int, timeout_seconds: float) -> bool:
        """Wait for a durable record behind ``after_sequence``; False when time ran out or the journal closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._last_sequence > after_sequence, timeout_seconds)
            return self._last_sequence > after_sequence

    def trim(self, up_to_sequence: int) -> None:
        """Give up the records up to and including this one. Files go when all their records have gone.

        The position survives the process; after a crash of the machine some records may come again.
        """
        self._check_usable()
        with self._reading:
            try:
                self._folder.trim(min(up_to_sequence, self._last_sequence))
            except OSError as error:
                message = f"journal {self._path} cannot be trimmed ({error.strerror}); check the disk"
                raise StoreError(message) from error
        with self._changed:
            self._stored_bytes = self._folder.count_bytes()

    # --- state

    @property
    def last_sequence(self) -> int:
        """The newest durable record; 0 while there never was one."""
        return self._last_sequence

    @property
    def trimmed_sequence(self) -> int:
        """Records up to here have been given up: where a consumer without a position of its own begins."""
        return self._folder.trimmed

    @property
    def found_sequence(self) -> int:
        """The position that the last process left behind: up to here, records had been given up before."""
        return self._folder.found_position

    @property
    def pending_count(self) -> int:
        """Durable records not trimmed yet."""
        return self._last_sequence - self._folder.trimmed

    @property
    def pending_bytes(self) -> int:
        """Bytes of the records not trimmed yet, those on their way to the disk included."""
        return self._stored_bytes + self._queued_bytes + self._writing_bytes

    @property
    def lost_count(self) -> int:
        """Records of ``append_nowait`` that the disk refused."""
        return self._lost_count

    def close(self) -> None:
        """Make what is queued durable and release the folder. Calling it again does nothing."""
        if self._closed or os.getpid() != self._owner_pid:
            return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()
        with self._reading:
            self._folder.close()

    # --- the writer thread

    def _start_writer(self) -> threading.Thread | None:
        """``None`` at the end of the interpreter, where threads cannot be started: callers then write themselves."""
        writer = threading.Thread(target=self._write_groups, name="reflect-journal", daemon=True)
        try:
            writer.start()
        except RuntimeError:
            return None
        return writer

    def _write_groups(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
            self._write_next_group()

    def _write_without_writer(self) -> None:
        if self._writer is None:
            with self._writing:
                while self._queue:
                    self._write_next_group()

    def _write_next_group(self) -> None:
        with self._changed:
            group = self._take_group()
        error = self._write_group(group)
        with self._changed:
            self._last_sequence = self._folder.last_sequence
            self._stored_bytes = self._folder.count_bytes()
            self._writing_bytes = 0
            self._ended_count += len(group)
            if error:
                self._lost_count += sum(entry.done is None for entry in group)
            self._changed.notify_all()
        for entry in group:
            entry.error = error
            if entry.done is not None:
                entry.done.set()
            elif error:
                _log.error("%s", error)

    def _take_group(self) -> list[_Entry]:
        group = [self._queue.popleft()]
        size_bytes = group[0].draft.size_bytes
        while self._queue and size_bytes + self._queue[0].draft.size_bytes <= _GROUP_BYTES:
            group.append(self._queue.popleft())
            size_bytes += group[-1].draft.size_bytes
        self._queued_bytes -= size_bytes
        self._writing_bytes = size_bytes
        return group

    def _write_group(self, group: list[_Entry]) -> str:
        try:
            first = self._folder.append([entry.draft for entry in group])
        except OSError as error:
            return (
                f"journal {self._path} cannot be written ({error.strerror or error}); free disk space or repair "
                "the disk, then send again"
            )
        for sequence, entry in enumerate(group, first):
            entry.sequence = sequence
        return ""

    # --- helpers

    def _enqueue(self, entry: _Entry) -> None:
        size_bytes = entry.draft.size_bytes
        if len(entry.draft.body) > MAX_BODY_BYTES:
            raise InvalidArgument(f"a record of {size_bytes} bytes; the most is {MAX_BODY_BYTES}", field="body")
        self._check_usable()
        with self._changed:
            self._check_usable()
            if self.pending_bytes + size_bytes > self._capacity_bytes:
                raise JournalFull(
                    f"journal {self._path} holds {self.pending_bytes} of {self._capacity_bytes} bytes; "
                    "try again later, or raise its capacity"
                )
            self._queue.append(entry)
            self._queued_count += 1
            self._queued_bytes += size_bytes
            self._changed.notify_all()

    def _check_usable(self) -> None:
        if os.getpid() != self._owner_pid:
            raise StoreError(
                f"journal {self._path} was opened by process {self._owner_pid} before a fork; "
                "open a journal in a folder of its own in this process"
            )
        if self._closed:
            raise StoreError(f"journal {self._path} is closed; open it again")

    def _leave_to_parent(self) -> None:
        """In a forked child: drop the inherited files without touching a lock that may be held by no thread."""
        self._closed = True
        self._folder.close()


def _leave_inherited_journals() -> None:
    for journal in list(_open_journals):
        journal._leave_to_parent()  # noqa: SLF001 - same module


os.register_at_fork(after_in_child=_leave_inherited_journals)
