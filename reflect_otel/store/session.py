"""One DuckDB connection as the rest of the store uses it: registered statements, bound parameters, our errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import duckdb

from reflect_otel.errors import StoreError, StoreRefused
from reflect_otel.store.columns import Columns, storable_text
from reflect_otel.store.statements import expand_lists, load_statements

Row: TypeAlias = tuple[Any, ...]

_CHUNK_ROWS = 256
"""Rows taken at a time: DuckDB lets no other thread run while it makes Python objects of them."""
_MOST_PARSED = 512
"""Statements kept as parsed; one with an ``in`` list is another for every length of it."""


_OF_THE_VALUE = (
    duckdb.DataError,
    duckdb.IntegrityError,
    duckdb.InvalidInputException,
    duckdb.InvalidTypeException,
    duckdb.NotSupportedError,
)
"""What DuckDB says of a value that it cannot hold."""


class DatabaseStopped(StoreError):
    """DuckDB has given the open file up, as it does when a checkpoint fails; what is committed is safe in it."""


class Session:
    """Runs registered statements on a connection of its own. Not for use by two threads at a time.

    Tuple parameters become ``in`` lists, list parameters become DuckDB lists, everything else is bound as it is.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._statements = load_statements()
        self._parsed: dict[str, duckdb.Statement] = {}

    def execute(self, name: str, /, **parameters: Any) -> None:
        """Run a statement. Raises StoreError."""
        self._run(name, parameters)

    def fetch(self, name: str, /, **parameters: Any) -> list[Row]:
        """Run a query and return its rows. Raises StoreError."""
        return list(self.iter_rows(name, **parameters))

    def iter_rows(self, name: str, /, **parameters: Any) -> Iterator[Row]:
        """Run a query and return its rows piece by piece. Raises StoreError."""
        cursor = self._run(name, parameters)
        while True:
            with translated_errors():
                rows = cursor.fetchmany(_CHUNK_ROWS)
            yield from rows
            if len(rows) < _CHUNK_ROWS:
                return

    def insert(self, name: str, columns: Columns) -> None:
        """Run an insert that selects from ``incoming``: these columns. Raises StoreError."""
        with translated_errors():
            self._connection.register("incoming", dict(columns))
            self._connection.execute(self._parse(self._statements[name]))
            self._connection.unregister("incoming")

    def run_script(self, script: str) -> None:
        """Run DDL. Raises StoreError."""
        with translated_errors():
            self._connection.execute(script)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or roll it back when an exception leaves it."""
        self._run_text("begin transaction", {})
        try:
            yield
        except BaseException:
            self._rollback()
            raise
        self._run_text("commit", {})

    def interrupt(self) -> None:
        """End the statement that another thread runs on this connection; it raises StoreError there."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the connection. Raises StoreError while a statement runs on it."""
        with translated_errors():
            self._connection.close()

    def close_when_free(self) -> bool:
        """Close the connection; False, and nothing is done, while a statement runs on it."""
        try:
            self._connection.close()
        except duckdb.Error:
            return False
        return True

    def _parse(self, statement: str) -> duckdb.Statement:
        """The statement as DuckDB understands it; kept, because reading it is a fifth of what a small one costs."""
        parsed = self._parsed.get(statement)
        if parsed is None:
            if len(self._parsed) >= _MOST_PARSED:
                self._parsed.clear()
            (parsed,) = self._connection.extract_statements(statement)
            self._parsed[statement] = parsed
        return parsed

    def _rollback(self) -> None:
        try:
            self._connection.execute("rollback")
        except duckdb.Error:
            return  # the transaction was already given up; the error that led here is the one to tell

    def _run(self, name: str, parameters: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        return self._run_text(*expand_lists(self._statements[name], parameters))

    def _run_text(self, text: str, flat: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        with translated_errors():
            statement = self._parse(text)
            try:
                return self._connection.execute(statement, flat)
            except duckdb.InvalidInputException as error:
                if "surrogate" not in str(error):
                    raise
                return self._connection.execute(statement, {key: _storable(value) for key, value in flat.items()})


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise StoreError for DuckDB's own errors."""
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.FatalException) or "invalidated" in str(error):
            raise DatabaseStopped(
                f"the database stopped ({_first_line(error)}); free disk space or repair the disk"
            ) from error
        if isinstance(error, duckdb.InterruptException | duckdb.ConnectionException):
            raise StoreError("the database was closed under this statement; open it again") from error
        if isinstance(error, duckdb.IOException):
            raise StoreError(
                f"the database file cannot be used ({_first_line(error)}); repair the disk, or restore the file from "
                "a backup"
            ) from error
        if isinstance(error, _OF_THE_VALUE):
            raise StoreRefused(
                f"the database cannot hold a value ({_first_line(error)}); send it without, or shorter"
            ) from error
        raise StoreError(f"the database refused a statement: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    return [_storable(item) for item in value] if isinstance(value, list) else value
