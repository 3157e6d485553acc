"""The database file: opened by one process, written by one thread at a time, checkpointed in the background."""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from reflect_otel import exit_order
from reflect_otel.errors import StoreError, StoreLocked
from reflect_otel.lockfile import LockFile
from reflect_otel.ports import Clock
from reflect_otel.store.checkpointer import Checkpointer
from reflect_otel.store.readers import Readers
from reflect_otel.store.schema import migrate
from reflect_otel.store.session import DatabaseStopped, Session, translated_errors

CATALOG: Final = "reflect"

_ROW_GROUP_ROWS: Final = 2048
"""Rows per row group. A checkpoint rewrites groups that are not full yet; with DuckDB's own 122,880 rows of 4 kB
text that is half a gigabyte and stalls commits for seconds, with 2048 it stays below 0.3 s."""

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

_READERS_SECONDS: Final = 2.0
"""How long readers may take to finish before they are interrupted; most take milliseconds."""

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
        self._is_closed = False
        self._is_stopped = False
        self._owner_pid = os.getpid()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create {path.parent} ({error.strerror}); choose a writable folder") from error
        self._lock = LockFile(path.with_name(path.name + ".lock"), f"database {path}")
        try:
            self._create_when_missing()
            self._open()
        except BaseException:
            self._lock.release()
            raise
        try:
            migrate(self._writer, CATALOG, clock)
        except BaseException:
            self._connection.close()
            self._lock.release()
            raise
        self._checkpointer = Checkpointer(self._checkpoint, _log_path(path))
        exit_order.register(self.close)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction of the one writer; commits on leaving, rolls back on an exception. Raises StoreError."""
        self._require_owner()  # first: in a forked child the lock may be held by a thread that is not there
        with self._write_lock, self._usable(), self._writer.transaction():
            yield self._writer
        self._checkpointer.note_commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view on a cursor of its own; runs beside the writer. Raises StoreError."""
        with self.read_once() as session, session.transaction():
            yield session

    @contextmanager
    def read_once(self) -> Iterator[Session]:
        """The same for a single statement, which is consistent by itself and needs no transaction around it."""
        self._require_owner()
        with self._usable(), self._readers.borrow() as session:
            yield session

    def close(self) -> None:
        """Let readers finish, checkpoint and release the file. Again, or in a forked child, it does nothing.

        Raises:
            StoreError: a reader does not end; the file stays locked until this process ends.
        """
        if os.getpid() != self._owner_pid:
            return
        with self._write_lock:
            if self._is_closed:
                return
            self._is_closed = True
        exit_order.unregister(self.close)
        self._checkpointer.close()
        with self._write_lock:
            self._readers.close(_READERS_SECONDS)
            with contextlib.suppress(duckdb.Error):
                self._connection.execute(f"checkpoint {CATALOG}")
            self._connection.close()
            self._lock.release()

    def _require_owner(self) -> None:
        if os.getpid() != self._owner_pid:
            raise StoreError(
                f"database {self._path} was opened by process {self._owner_pid} before a fork; open a database in a "
                "folder of its own in this process"
            )

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Open the file anew when DuckDB has given it up, and notice when it does."""
        if self._is_closed:
            raise StoreError(f"database {self._path} is closed; open it again")
        if self._is_stopped:
            self._reopen()
        try:
            yield
        except DatabaseStopped:
            self._is_stopped = True
            raise

    def _reopen(self) -> None:
        with self._write_lock, translated_errors():  # a statement that another thread still runs refuses the closing
            if self._is_stopped:
                self._readers.close(_READERS_SECONDS)
                self._writer.close()
                self._connection.close()
                self._open()
                self._is_stopped = False
                _log.warning("database %s was opened again", self._path)

    def _open(self) -> None:
        self._connection = _attach(self._path)
        self._readers = Readers(self._new_session)
        self._writer = self._new_session()

    def _checkpoint(self) -> None:
        with self._write_lock, self._usable():  # DuckDB refuses while a transaction writes, and lets none begin
            session = self._new_session()
            try:
                session.run_script(f"checkpoint {CATALOG}")
            finally:
                session.close()

    def _new_session(self) -> Session:
        with translated_errors():
            cursor = self._connection.cursor()
            cursor.execute(f"use {CATALOG}")
            return Session(cursor)

    def _create_when_missing(self) -> None:
        """Build a new database under another name first, so that a file of ours is never half made."""
        log_path = _log_path(self._path)
        if self._path.exists():
            if self._path.stat().st_size == 0:
                raise _unreadable(self._path, "the file is empty")
            return
        if log_path.exists():
            raise _unreadable(self._path, f"the file is missing beside its log {log_path.name}")
        draft = self._path.with_name(self._path.name + ".new")
        for leftover in (draft, _log_path(draft)):
            leftover.unlink(missing_ok=True)
        with contextlib.closing(_attach(draft)) as connection:
            connection.execute(f"use {CATALOG}")
            migrate(Session(connection), CATALOG, self._clock)
            connection.execute(f"checkpoint {CATALOG}")
        draft.rename(self._path)


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


def _log_path(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _unreadable(path: Path, why: str) -> StoreError:
    return StoreError(
        f"database {path} cannot be read ({why}); restore it from a backup, or move it and its .wal file away to "
        "start an empty one"
    )
