"""The database file: opened by one process, written by one thread at a time, checkpointed in the background."""

import atexit
import contextlib
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from reflect_otel.errors import StoreError, StoreLocked
from reflect_otel.lockfile import LockFile
from reflect_otel.ports import Clock
from reflect_otel.store.schema import migrate
from reflect_otel.store.session import Session

CATALOG: Final = "reflect"

_ROW_GROUP_ROWS: Final = 2048
"""Rows per row group. A checkpoint rewrites groups that are not full yet; with DuckDB's own 122,880 rows of 4 kB
text that is half a gigabyte and stalls commits for seconds, with 2048 it stays below 0.3 s."""

_CHECKPOINT_WAL_BYTES: Final = 32 * 1024**2
_IDLE_SECONDS: Final = 2.0

_SETTINGS: Final = (
    "set checkpoint_threshold = '16GB'",  # never inside a commit: the checkpointer does it
    "set auto_checkpoint_skip_wal_threshold = 100000000000",
    "set memory_limit = '1GB'",
    "set preserve_insertion_order = true",
    "set autoinstall_known_extensions = false",
    "set autoload_known_extensions = false",
    "set enable_external_access = false",
    "set lock_configuration = true",
)

_HOLDER: Final = re.compile(r"\(PID (\d+)\)")

_log = logging.getLogger(__name__)


class Database:
    """Opens (or creates) a database file and hands out sessions.

    Args:
        path: the file; its folder is created when missing.
        clock: stamps the schema version.

    Raises:
        StoreLocked: another process has it; names its PID.
        SchemaMismatch: it was written by a newer release.
        StoreError: it is damaged or not ours. Nothing is ever created beside a bad file.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._write_lock = threading.RLock()
        self._idle_readers: list[Session] = []
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create {path.parent} ({error.strerror}); choose a writable folder") from error
        self._lock = LockFile(path.with_name(path.name + ".lock"), f"database {path}")
        try:
            self._create_when_missing()
            self._connection = _attach(path)
            self._writer = self._new_session()
            migrate(self._writer, CATALOG, clock)
        except BaseException:
            self._lock.release()
            raise
        atexit.register(self.close)
        self._checkpointer = _Checkpointer(self._new_session(), path.with_name(path.name + ".wal"))

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction of the one writer; commits on leaving, rolls back on an exception. Raises StoreError."""
        with self._write_lock:
            self._check_open()
            with self._writer.transaction():
                yield self._writer
        self._checkpointer.note_commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view on a cursor of its own; runs beside the writer. Raises StoreError."""
        self._check_open()
        try:
            session = self._idle_readers.pop()
        except IndexError:
            session = self._new_session()
        try:
            with session.transaction():
                yield session
        except BaseException:
            session.close()
            raise
        self._idle_readers.append(session)

    def close(self) -> None:
        """Checkpoint and release the file. Calling it again does nothing."""
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            atexit.unregister(self.close)
            self._checkpointer.close()
            with contextlib.suppress(duckdb.Error):
                self._connection.execute(f"checkpoint {CATALOG}")
            self._connection.close()
            self._lock.release()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"database {self._path} is closed; open it again")

    def _new_session(self) -> Session:
        cursor = self._connection.cursor()
        cursor.execute(f"use {CATALOG}")
        return Session(cursor)

    def _create_when_missing(self) -> None:
        """Build a new database under another name first, so that a file of ours is never half made."""
        wal = self._path.with_name(self._path.name + ".wal")
        if self._path.exists():
            if self._path.stat().st_size == 0:
                raise _unreadable(self._path, "the file is empty")
            return
        if wal.exists():
            raise _unreadable(self._path, f"the file is missing beside its log {wal.name}")
        draft = self._path.with_name(self._path.name + ".new")
        for leftover in (draft, draft.with_name(draft.name + ".wal")):
            leftover.unlink(missing_ok=True)
        connection = _attach(draft)
        connection.execute(f"use {CATALOG}")
        migrate(Session(connection), CATALOG, self._clock)
        connection.execute(f"checkpoint {CATALOG}")
        connection.close()
        draft.rename(self._path)


class _Checkpointer:
    """Writes the log back into the database file in the background: when it is long, and when nothing happens.

    A failed attempt (a transaction that cannot be waited for, a full disk) is logged and tried again later; what is
    committed is safe in the log meanwhile.
    """

    def __init__(self, session: Session, wal: Path) -> None:
        self._session = session
        self._wal = wal
        self._wake = threading.Event()
        self._stopping = False
        self._last_commit_seconds = time.monotonic()
        self._dirty = False
        self._thread = threading.Thread(target=self._run, name="reflect-checkpoint", daemon=True)
        self._thread.start()

    def note_commit(self) -> None:
        """Tell that something was committed."""
        self._last_commit_seconds = time.monotonic()
        self._dirty = True
        if self._wal_bytes() >= _CHECKPOINT_WAL_BYTES:
            self._wake.set()

    def close(self) -> None:
        """Stop, after a checkpoint under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._session.close()

    def _run(self) -> None:
        while not self._stopping:
            long_log = self._wake.wait(_IDLE_SECONDS)
            self._wake.clear()
            idle = time.monotonic() - self._last_commit_seconds >= _IDLE_SECONDS
            if not self._stopping and self._dirty and (long_log or idle):
                self._checkpoint()

    def _checkpoint(self) -> None:
        self._dirty = False
        try:
            self._session.run_script(f"checkpoint {CATALOG}")
        except StoreError as error:
            self._dirty = True
            _log.warning("checkpoint put off: %s", error)

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0


def _attach(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file as ``CATALOG``; through ATTACH, because only there the row group size can be told."""
    connection = duckdb.connect(":memory:", config={"temp_directory": f"{path}.tmp"})
    try:
        quoted = str(path).replace("'", "''")
        connection.execute(f"attach '{quoted}' as {CATALOG} (row_group_size {_ROW_GROUP_ROWS})")
    except duckdb.Error as error:
        connection.close()
        message = str(error).partition("\n")[0]
        if "lock" in message.lower():
            holder = _HOLDER.search(message)
            raise StoreLocked(
                f"database {path} is in use by process {holder[1] if holder else 'unknown'}; stop that process, "
                "talk to it over its address, or choose another data folder"
            ) from error
        raise _unreadable(path, message[:200]) from error
    for setting in _SETTINGS:
        connection.execute(setting)
    return connection


def _unreadable(path: Path, why: str) -> StoreError:
    return StoreError(
        f"database {path} cannot be read ({why}); restore it from a backup, or move it and its .wal file away to "
        "start an empty one"
    )
