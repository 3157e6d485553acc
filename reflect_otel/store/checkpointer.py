"""Writes the log back into the database file in the background, so that no commit has to."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reflect_otel.errors import StoreError

_LONG_LOG_BYTES: Final = 32 * 1024**2
_IDLE_SECONDS: Final = 2.0
_ROOM_FACTOR: Final = 3
"""Free disk space that a checkpoint wants, in lengths of the log: one that fails for space stops the database."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """Checkpoints when the log is long, and when nothing has been committed for a while.

    A failed attempt is tried again later, and its cause logged once; what is committed is safe in the log meanwhile.

    Args:
        checkpoint: does it; raises StoreError.
        log_path: the database's log.
    """

    def __init__(self, checkpoint: Callable[[], None], log_path: Path) -> None:
        self._checkpoint = checkpoint
        self._log_path = log_path
        self._wake = threading.Event()
        self._stopping = False
        self._dirty = False
        self._told = ""
        self._last_commit_seconds = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="reflect-checkpoint", daemon=True)
        self._thread.start()

    def note_commit(self) -> None:
        """Tell that something was committed."""
        self._last_commit_seconds = time.monotonic()
        self._dirty = True
        if self._log_bytes() >= _LONG_LOG_BYTES:
            self._wake.set()

    def close(self) -> None:
        """Stop, after a checkpoint under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            is_long = self._wake.wait(_IDLE_SECONDS)
            self._wake.clear()
            is_idle = time.monotonic() - self._last_commit_seconds >= _IDLE_SECONDS
            if self._dirty and not self._stopping and (is_long or is_idle):
                obstacle = self._find_obstacle() or self._try_checkpoint()
                if obstacle and obstacle != self._told:
                    _log.warning("checkpoint put off: %s", obstacle)
                self._told = obstacle

    def _find_obstacle(self) -> str:
        try:
            free_bytes = shutil.disk_usage(self._log_path.parent).free
        except OSError as error:
            return f"cannot tell the free space beside {self._log_path} ({error.strerror}); check the disk"
        if free_bytes >= _ROOM_FACTOR * self._log_bytes():
            return ""
        return f"the disk of {self._log_path} has too little room for it; free disk space"

    def _try_checkpoint(self) -> str:
        """Why it failed, or an empty text."""
        self._dirty = False
        try:
            self._checkpoint()
        except StoreError as error:
            self._dirty = True
            return str(error)
        return ""

    def _log_bytes(self) -> int:
        try:
            return self._log_path.stat().st_size
        except OSError:
            return 0
