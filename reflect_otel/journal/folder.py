"""The segment files of one journal as one sequence of records, and the position up to which they are given up."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reflect_otel.errors import StoreError
from reflect_otel.journal.record import Draft, JournalRecord
from reflect_otel.journal.segment import SUFFIX, Segment, read_first_sequence
from reflect_otel.lockfile import LockFile

_log = logging.getLogger(__name__)


class SegmentFolder:
    """Opens a journal folder, locks it, and keeps its segments. The caller serialises writers and readers.

    Args:
        path: created when missing.
        segment_bytes: a new file is begun beyond this size.
        start_after: the consumer's own position, which counts more than the one written here; numbers continue
            behind it even when the files are gone. ``None`` = it has none.

    Attributes:
        trimmed: records up to here are given up.
        found_position: the position that was written here before.

    Raises:
        StoreLocked: another process has the journal; names its PID.
        StoreError: the folder cannot be used, or acknowledged records in it are damaged.
    """

    def __init__(self, path: Path, *, segment_bytes: int, start_after: int | None) -> None:
        self._path = path
        self._segment_bytes = segment_bytes
        self._begin_new = False
        self._segments: list[Segment] = []
        self._position: int | None = None
        self._lock: LockFile | None = None
        self.trimmed = 0
        self.found_position = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = LockFile(path / "lock", f"journal {path}")
            self._open(start_after)
        except OSError as error:
            self.close()
            raise StoreError(
                f"cannot open journal {path} ({error.strerror}); give a folder this user can write, on a sound disk"
            ) from error
        except StoreError:
            self.close()
            raise

    @property
    def last_sequence(self) -> int:
        """The newest durable record; 0 while there never was one."""
        return self._segments[-1].last_sequence

    def append(self, drafts: Sequence[Draft]) -> int:
        """Make the drafts durable; returns the sequence number of the first. Raises OSError; then none counts."""
        newest = self._segments[-1]
        try:
            if newest.size_bytes and (self._begin_new or newest.size_bytes >= self._segment_bytes):
                newest = Segment.create(self._path, newest.last_sequence + 1)
                self._segments.append(newest)
            self._begin_new = False
            first = newest.last_sequence + 1
            newest.append(drafts)
        except OSError:
            self._recover()
            raise
        return first

    def iter_records(self, after_sequence: int) -> Iterator[tuple[int, JournalRecord]]:
        """(bytes on disk, record) of the durable records behind ``after_sequence``; raises StoreError on damage."""
        for segment in tuple(self._segments):
            for sequence in range(max(after_sequence + 1, segment.first_sequence), segment.last_sequence + 1):
                yield segment.record_bytes(sequence), segment.read(sequence)

    def trim(self, up_to_sequence: int) -> None:
        """Give up records; files whose records have all gone are deleted. Raises OSError."""
        self.trimmed = max(self.trimmed, min(up_to_sequence, self.last_sequence))
        while len(self._segments) > 1 and self._segments[0].last_sequence <= self.trimmed:
            segment = self._segments.pop(0)
            segment.close()
            segment.path.unlink(missing_ok=True)
        newest = self._segments[-1]
        if newest.last_sequence == self.trimmed and newest.size_bytes > self._segment_bytes // 4:
            self._begin_new = True
        if self._position is not None:
            os.pwrite(self._position, b"%020d\n" % self.trimmed, 0)

    def count_bytes(self) -> int:
        """Bytes of the durable records not given up."""
        return sum(segment.count_bytes(self.trimmed) for segment in tuple(self._segments))

    def close(self) -> None:
        """Release the files. A forked child calls it too: it closes its copies and leaves the lock alone."""
        for segment in self._segments:
            segment.close()
        self._segments.clear()
        if self._position is not None:
            os.close(self._position)
            self._position = None
        if self._lock is not None:
            self._lock.release()

    def _open(self, start_after: int | None) -> None:
        paths = sorted(self._path.glob(f"*{SUFFIX}"))
        firsts = [read_first_sequence(path) for path in paths]
        for path, successor in zip(paths, [*firsts[1:], None], strict=False):
            self._segments.append(Segment.open(path, successor))
        if not self._segments or self.last_sequence < (start_after or 0):
            self._segments.append(Segment.create(self._path, (start_after or 0) + 1))
        position_path = self._path / "position"
        written = position_path.read_bytes()[:20] if position_path.exists() else b""
        self.found_position = int(written) if written.isdigit() else 0
        position = self.found_position if start_after is None else start_after
        self.trim(max(position, self._segments[0].first_sequence - 1))
        # opened last, so that not the opening but the next trim writes it
        self._position = os.open(position_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _recover(self) -> None:
        """After a failed write: drop its bytes. What a failed fsync left behind is unknown, so begin a new file."""
        try:
            self._segments[-1].cut_back()
        except OSError:
            _log.exception("journal %s: a failed write could not be cut off", self._path)
        self._begin_new = True
