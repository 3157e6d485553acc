"""One owner for a folder or file: an advisory lock that says who holds it.

``flock`` on a file of its own, because it also keeps out a second opener in the same process, is released by the
kernel however the owner dies, and is not lost when some other descriptor of the file is closed (POSIX locks are).
"""

import contextlib
import fcntl
import os
import weakref
from pathlib import Path

from reflect_otel.errors import StoreError, StoreLocked

_open_locks: "weakref.WeakSet[LockFile]" = weakref.WeakSet()


class LockFile:
    """Holds ``path`` locked from construction to ``release``; the file stays and carries the holder's PID.

    A forked child drops its copy of the lock at once, so that the lock lives exactly as long as the process
    that took it.

    Args:
        path: the lock file; its folder must exist.
        guarded: what it protects, for the error message.

    Raises:
        StoreLocked: naming the PID of the process that holds it.
        StoreError: when the lock file cannot be created, locked or written.
    """

    def __init__(self, path: Path, guarded: str) -> None:
        self._owner_pid = os.getpid()
        try:
            self._descriptor: int | None = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot create {path} ({error.strerror}); give a folder this user can write") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self.abandon()
            raise StoreLocked(
                f"{guarded} is in use by process {holder}; stop that process, talk to it over its address, "
                "or choose another folder"
            ) from error
        except OSError as error:
            self.abandon()
            raise StoreError(f"cannot lock {path} ({error.strerror}); give a folder whose disk has locks") from error
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError as error:
            self.release()
            raise StoreError(f"cannot write {path} ({error.strerror}); free disk space") from error
        _open_locks.add(self)

    def abandon(self) -> None:
        """Close this process's descriptor; the lock itself ends when no process has one."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def release(self) -> None:
        """Unlock. Calling it again, or in a forked child, unlocks nothing."""
        if self._descriptor is not None and os.getpid() == self._owner_pid:
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.abandon()


def _abandon_in_child() -> None:
    for lock in list(_open_locks):
        lock.abandon()


os.register_at_fork(after_in_child=_abandon_in_child)
