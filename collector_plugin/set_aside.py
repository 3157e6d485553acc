"""What was accepted and can never be stored: kept as files beside the database, so that it holds up nothing else."""

import logging
import os
from pathlib import Path
from typing import Final

from collector_plugin.arrivals import RecordKind
from reflect_otel.errors import StoreRefused
from reflect_otel.journal import JournalRecord

MAX_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Most bytes that are kept; what comes beyond is logged only."""

_log: Final = logging.getLogger(__name__)


_DRAFT: Final = ".new"

_OF_THE_VALUE: Final = (
    StoreRefused,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)


def is_lasting(error: Exception) -> bool:
    """Whether the error comes of what was to be written, so that the store will refuse the same again.

    Anything else, such as a full disk, a lock, or an outage behind a store from a plug-in, may pass.
    """
    return isinstance(error, _OF_THE_VALUE)


class SetAside:
    """A folder of accepted requests that cannot be stored, as they were sent. For one thread.

    Args:
        folder: created with the first of them.
        max_bytes: most bytes that are kept.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        kept = [path for path in folder.iterdir() if path.suffix != _DRAFT] if folder.is_dir() else []
        self._kept_bytes = sum(path.stat().st_size for path in kept)
        self._last_sequence = 0
        self.count = len(kept)

    def keep(self, record: JournalRecord, error: Exception) -> None:
        """Keep the record's body and log why. Again, it changes nothing.

        Raises:
            OSError: the disk does not take it now.
        """
        path = self._folder / f"{record.received_ns}-{record.sequence}.{_name_kind(record.kind)}"
        if path.exists() or record.sequence == self._last_sequence:
            return
        is_kept = self._kept_bytes + len(record.body) <= self._max_bytes
        if is_kept:
            self._write(path, record.body)
            self._kept_bytes += len(record.body)
        self._last_sequence = record.sequence
        self.count += 1
        place = f"kept as {path}" if is_kept else f"dropped, {self._folder} is full; empty it"
        _log.error("a request for project %r cannot be stored and is %s", record.project_id, place, exc_info=error)

    def _write(self, path: Path, body: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_suffix(_DRAFT)
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)


def _name_kind(kind: int) -> str:
    return RecordKind(kind).name.lower() if kind in set(RecordKind) else "unknown"
