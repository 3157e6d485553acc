"""How a record lies on disk: a 48-byte header, the project id, the body.

::

    0  magic            4 bytes "RFJ1"
    4  header checksum  CRC-32 of bytes 8..48
    8  sequence         position in the journal, from 1
   16  durable          every record up to this sequence was on disk before this one was written
   24  received         Unix nanoseconds
   32  kind             the caller's own tag
   36  project length   bytes of UTF-8
   40  body length      bytes
   44  content checksum CRC-32 of project id and body

``durable`` tells a torn tail from damage: what a crash may tear was never acknowledged, and nothing is written
behind it; a readable record that calls a torn one durable proves that the disk lost data.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"RFJ1"
HEADER_BYTES: Final = 48
MAX_BODY_BYTES: Final = 1 << 30
_FIELDS: Final = struct.Struct(">QQqIIII")
_PREFIX: Final = struct.Struct(">4sI")


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One record as it was appended. ``received_ns`` is Unix time in nanoseconds, ``kind`` the caller's tag."""

    sequence: int
    kind: int
    project_id: str
    received_ns: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A record before it has a sequence number. ``checksum`` covers project and body."""

    kind: int
    project: bytes
    received_ns: int
    body: bytes
    checksum: int

    @property
    def size_bytes(self) -> int:
        """Bytes it takes on disk."""
        return HEADER_BYTES + len(self.project) + len(self.body)


@dataclass(frozen=True, slots=True)
class Header:
    """The fixed part of a stored record."""

    sequence: int
    durable: int
    received_ns: int
    kind: int
    project_bytes: int
    body_bytes: int
    checksum: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole record on disk."""
        return HEADER_BYTES + self.project_bytes + self.body_bytes


def build_draft(kind: int, project_id: str, received_ns: int, body: bytes) -> Draft:
    """Prepare a record; the checksum is made here, on the caller's thread, so that callers share the work."""
    project = project_id.encode("utf-8", "surrogatepass")
    return Draft(kind, project, received_ns, body, zlib.crc32(body, zlib.crc32(project)))


def build_header(draft: Draft, sequence: int, durable: int) -> bytes:
    """The header bytes of a record."""
    fields = _FIELDS.pack(
        sequence, durable, draft.received_ns, draft.kind, len(draft.project), len(draft.body), draft.checksum
    )
    return _PREFIX.pack(MAGIC, zlib.crc32(fields)) + fields


def read_header(raw: bytes) -> Header | None:
    """Read a header; ``None`` when the bytes are not an intact one."""
    if len(raw) < HEADER_BYTES:
        return None
    magic, checksum = _PREFIX.unpack_from(raw)
    fields = raw[_PREFIX.size : HEADER_BYTES]
    if magic != MAGIC or checksum != zlib.crc32(fields):
        return None
    return Header(*_FIELDS.unpack(fields))


def read_record(header: Header, content: bytes) -> JournalRecord | None:
    """Build the record from the bytes behind its header; ``None`` when they are not what was written."""
    if len(content) != header.project_bytes + header.body_bytes or zlib.crc32(content) != header.checksum:
        return None
    project = content[: header.project_bytes].decode("utf-8", "surrogatepass")
    return JournalRecord(header.sequence, header.kind, project, header.received_ns, content[header.project_bytes :])
