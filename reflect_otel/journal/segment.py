"""One file of the journal: records in sequence, named after the first one, deleted as a whole."""

import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reflect_otel.errors import StoreError
from reflect_otel.journal.record import (
    HEADER_BYTES,
    MAGIC,
    Draft,
    JournalRecord,
    build_header,
    read_header,
    read_record,
)

SUFFIX: Final = ".journal"
_NAME_DIGITS: Final = 20
_WRITE_BYTES: Final = 256 * 1024
"""One write call. Larger ones were measured slower: up to 2.5 times for 2.4 MB bodies on ext4."""


class Segment:
    """A segment file, open for reading and, while it is the newest, for appending.

    ``offsets`` holds where each record begins and, last, where the next one will: the end of what is durable.
    Not thread-safe by itself, but reads of durable records may run beside an append.
    """

    def __init__(self, path: Path, first_sequence: int, offsets: "array[int]") -> None:
        self.path = path
        self.first_sequence = first_sequence
        self._offsets = offsets
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @classmethod
    def create(cls, folder: Path, first_sequence: int) -> "Segment":
        """Start a new file; its name is durable on return. Raises OSError."""
        segment = cls(folder / f"{first_sequence:0{_NAME_DIGITS}d}{SUFFIX}", first_sequence, array("Q", [0]))
        try:
            os.ftruncate(segment._descriptor, 0)
            sync_folder(folder)
        except OSError:
            segment.close()
            raise
        return segment

    @classmethod
    def open(cls, path: Path, successor: int | None) -> "Segment":
        """Open an existing file and find its records.

        Args:
            path: the file.
            successor: first sequence of the next segment, ``None`` for the newest. Only the newest may end in a
                record that a crash has torn; it is cut off there.

        Raises:
            StoreError: when acknowledged records are damaged.
        """
        segment = cls(path, read_first_sequence(path), array("Q", [0]))
        try:
            segment._scan(successor)
        except (OSError, StoreError):
            segment.close()
            raise
        return segment

    @property
    def last_sequence(self) -> int:
        """The newest durable record here; ``first_sequence - 1`` while there is none."""
        return self.first_sequence + len(self._offsets) - 2

    @property
    def size_bytes(self) -> int:
        """Bytes of durable records."""
        return self._offsets[-1]

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write the drafts and wait until the disk has them. Raises OSError; then none of them counts."""
        first = self.last_sequence + 1
        parts: list[bytes] = []
        ends = array("Q")
        end = self.size_bytes
        for sequence, draft in enumerate(drafts, first):
            parts += (build_header(draft, sequence, first - 1), draft.project, draft.body)
            end += draft.size_bytes
            ends.append(end)
        self._write(parts)
        os.fdatasync(self._descriptor)
        self._offsets.extend(ends)

    def cut_back(self) -> None:
        """Forget bytes of a failed append. Raises OSError."""
        os.ftruncate(self._descriptor, self.size_bytes)

    def read(self, sequence: int) -> JournalRecord:
        """One durable record. Raises StoreError when its bytes are not what was written."""
        index = sequence - self.first_sequence
        start, end = self._offsets[index], self._offsets[index + 1]
        raw = os.pread(self._descriptor, end - start, start)
        header = read_header(raw[:HEADER_BYTES])
        record = read_record(header, raw[HEADER_BYTES:]) if header else None
        if record is None or record.sequence != sequence:
            raise self._damaged(sequence)
        return record

    def record_bytes(self, sequence: int) -> int:
        """Size of one durable record on disk."""
        index = sequence - self.first_sequence
        return self._offsets[index + 1] - self._offsets[index]

    def count_bytes(self, after_sequence: int) -> int:
        """Bytes of the durable records behind ``after_sequence``."""
        index = min(max(after_sequence + 1 - self.first_sequence, 0), len(self._offsets) - 1)
        return self._offsets[-1] - self._offsets[index]

    def close(self) -> None:
        """Close the file. A forked child calls it too: the parent's descriptor stays open."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _write(self, parts: Sequence[bytes]) -> None:
        os.lseek(self._descriptor, self.size_bytes, os.SEEK_SET)
        small: list[bytes] = []
        for part in parts:
            if len(part) < _WRITE_BYTES // 8:
                small.append(part)
                continue
            self._write_all(b"".join(small))
            small.clear()
            self._write_all(part)
        self._write_all(b"".join(small))

    def _write_all(self, part: bytes) -> None:
        view = memoryview(part)
        while view:
            view = view[os.write(self._descriptor, view[:_WRITE_BYTES]) :]

    def _scan(self, successor: int | None) -> None:
        size = os.fstat(self._descriptor).st_size
        while successor is None or self.last_sequence + 1 < successor:
            end = self._find_end(size, verify=successor is None)
            if end is None:
                break
            self._offsets.append(end)
        if self.size_bytes == size or self.last_sequence + 1 == successor:
            return
        if successor is not None or self._is_called_durable(self.last_sequence + 1, size):
            raise self._damaged(self.last_sequence + 1)
        self.cut_back()
        os.fsync(self._descriptor)

    def _find_end(self, size: int, *, verify: bool) -> int | None:
        """Where the next record ends, ``None`` when there is no intact one. ``verify`` reads its content too."""
        start = self.size_bytes
        header = read_header(os.pread(self._descriptor, HEADER_BYTES, start))
        if header is None or header.sequence != self.last_sequence + 1 or start + header.size_bytes > size:
            return None
        content_bytes = header.size_bytes - HEADER_BYTES
        if verify and read_record(header, os.pread(self._descriptor, content_bytes, start + HEADER_BYTES)) is None:
            return None
        return start + header.size_bytes

    def _is_called_durable(self, sequence: int, size: int) -> bool:
        """Whether an intact header behind the torn record says that the record had reached the disk."""
        tail = os.pread(self._descriptor, size - self.size_bytes, self.size_bytes)
        at = tail.find(MAGIC)
        while at >= 0:
            header = read_header(tail[at : at + HEADER_BYTES])
            if header and header.sequence > sequence and header.durable >= sequence:
                return True
            at = tail.find(MAGIC, at + 1)
        return False

    def _damaged(self, sequence: int) -> StoreError:
        return StoreError(
            f"journal file {self.path} is damaged at record {sequence}; restore the folder from a backup, or move "
            "this file away to go on without the records in it"
        )


def read_first_sequence(path: Path) -> int:
    """The first sequence of a segment file, by its name. Raises StoreError when that is no name of ours."""
    digits = path.name.removesuffix(SUFFIX)
    if len(digits) != _NAME_DIGITS or not digits.isascii() or not digits.isdigit():
        raise StoreError(
            f"{path} is no file of a journal by its name; move it out of the folder, or give it its own name back"
        )
    return int(digits)


def sync_folder(folder: Path) -> None:
    """Make created and deleted names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
