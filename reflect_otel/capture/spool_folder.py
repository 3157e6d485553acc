"""The spool on disk: one folder for all targets, in it one per target, in that a compartment per process.

::

    ROOT/                                    REFLECT_SPOOL_DIR
      localhost-4317-3fa9c1d2e4b5a697/       one receiver and project
        01790000000000000000-4711-9f3a0c11/  what process 4711 could not deliver: a journal

A compartment is locked as long as its process lives; only that process appends to it. Whoever gets the lock of
another one knows its process to be dead, and may read it, trim it and remove it.
"""

import contextlib
import logging
import os
import secrets
import time
from pathlib import Path
from typing import Final

from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.errors import StoreError, StoreLocked
from reflect_otel.journal import Journal, JournalRecord

_READ_BYTES: Final = 1024 * 1024
"""Receivers refuse gRPC messages above 4 MiB unless configured otherwise."""

_READ_RECORDS: Final = 1_000
_SEGMENTS: Final = 16
_MIN_SEGMENT_BYTES: Final = 64 * 1024
_BEING_MADE_SECONDS: Final = 60.0
"""A folder without a journal may be that of a process which is just making it."""

_log: Final = LimitedLog(logging.getLogger(__name__))


class Compartment:
    """The journal of one process, read from its oldest record. Locked from construction to ``close``.

    Args:
        folder: a compartment's folder.
        capacity_bytes: most bytes it may ever hold.

    Raises:
        StoreLocked: its process lives.
        StoreError: it cannot be opened.
    """

    def __init__(self, folder: Path, capacity_bytes: int) -> None:
        self._segment_bytes = max(_MIN_SEGMENT_BYTES, capacity_bytes // _SEGMENTS)
        self.folder = folder
        self._journal = Journal(folder, capacity_bytes=capacity_bytes, segment_bytes=self._segment_bytes)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in it."""
        return self._journal.pending_count == 0

    @property
    def oldest_sequence(self) -> int:
        """Of the records that wait."""
        return self._journal.trimmed_sequence + 1

    @property
    def waiting_bytes(self) -> int:
        """Of the records that wait."""
        return self._journal.pending_bytes

    def append(self, kind: int, body: bytes) -> int:
        """Make a record durable; its sequence number. Raises StoreError."""
        return self._journal.append(kind, "", time.time_ns(), body)

    def read(self, max_records: int = _READ_RECORDS, max_bytes: int = _READ_BYTES) -> list[JournalRecord]:
        """The oldest waiting records; damaged ones before them are given up."""
        for sequence in range(self.oldest_sequence, self._journal.last_sequence + 1):
            try:
                return self._read(sequence - 1, max_records, max_bytes)
            except (StoreError, OSError) as error:
                _log.warn("damage", "A damaged record of the spool is given up: %s", error)
                self.trim(sequence)
        return []

    def read_some(self) -> list[JournalRecord]:
        """A few of the oldest waiting records: giving them up frees a file, or a part of what keeps one."""
        return self.read(max_bytes=min(self._segment_bytes // 4, _READ_BYTES))

    def _read(self, after_sequence: int, max_records: int, max_bytes: int) -> list[JournalRecord]:
        try:
            return self._journal.read(after_sequence, max_records, max_bytes)
        except StoreError:
            return self._journal.read(after_sequence, 1, max_bytes)

    def trim(self, up_to_sequence: int) -> None:
        """Give up the records up to and including this one."""
        try:
            self._journal.trim(up_to_sequence)
        except StoreError as error:
            _log.warn("trim", "Spooled telemetry may be sent twice: %s", error)

    def close(self) -> None:
        """Unlock it; removed if nothing waits in it, else left for the next process."""
        is_empty = self.is_empty
        self._journal.close()
        if is_empty:
            _remove(self.folder)


class SpoolFolder:
    """Finds and makes compartments.

    Args:
        root: the folder of all targets.
        identity: names the target.
        capacity_bytes: most bytes of all compartments of all targets.
    """

    def __init__(self, root: Path, identity: str, capacity_bytes: int) -> None:
        self._root = root
        self._target = root / identity
        self._capacity_bytes = capacity_bytes

    def create(self) -> Compartment:
        """A compartment for this process, readable by this user only. Raises StoreError."""
        folder = self._target / f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._target.mkdir(mode=0o700, exist_ok=True)
            self._target.chmod(0o700)  # fails for a folder that somebody else put here
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise StoreError(
                f"cannot keep undelivered telemetry in {self._target} ({error.strerror}); let REFLECT_SPOOL_DIR name "
                "a folder that this user can write, or set REFLECT_SPOOL_BYTES=0 to switch the spool off"
            ) from error
        return Compartment(folder, self._capacity_bytes)

    def has_compartments(self) -> bool:
        """Whether there is any of this target, whoever has it."""
        return bool(_list(self._target))

    def find_orphan(self) -> Compartment | None:
        """The oldest compartment of this target that a dead process left something in."""
        return self._adopt(_list(self._target))

    def find_any_orphan(self) -> Compartment | None:
        """The oldest compartment of whatever target that a dead process left something in."""
        return self._adopt([folder for target in _list(self._root) for folder in _list(target)])

    def count_bytes(self) -> int:
        """What all compartments of all targets take on disk."""
        compartments = [folder for target in _list(self._root) for folder in _list(target)]
        return sum(_measure_bytes(file) for folder in compartments for file in _list_journals(folder))

    def _adopt(self, folders: list[Path]) -> Compartment | None:
        for folder in sorted(folders, key=lambda folder: folder.name):
            if not _list_journals(folder):
                _remove_leftover(folder)
                continue
            try:
                found = Compartment(folder, self._capacity_bytes)
            except StoreLocked:
                continue
            except StoreError as error:
                _log.warn("orphan", "Spooled telemetry of an earlier process cannot be delivered: %s", error)
                continue
            if not found.is_empty:
                return found
            found.close()
        return None


def _list(folder: Path) -> list[Path]:
    """What is in it; nothing when it is gone or closed to us."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _list_journals(folder: Path) -> list[Path]:
    return sorted(path for path in _list(folder) if path.suffix == ".journal")


def _measure_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _remove_leftover(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - folder.stat().st_mtime > _BEING_MADE_SECONDS:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Delete a compartment's files, the records first: what says that they are delivered goes after them."""
    with contextlib.suppress(OSError):
        for file in (*_list_journals(folder), folder / "position", folder / "lock"):
            file.unlink(missing_ok=True)
        folder.rmdir()
