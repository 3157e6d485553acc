"""Closing a database that is being read: readers finish, or are ended; the file is free afterwards either way."""

import threading
import time

import duckdb
import pytest

from reflect_otel.errors import StoreError
from reflect_otel.store.database import Database
from reflect_otel.store.readers import Readers
from reflect_otel.store.session import Session
from tests.waiting import wait_until

ENDLESS = "select count(*) from range(1000000) a, range(1000000) b where hash(a.range, b.range) = 0"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reflect.duckdb"


@pytest.fixture
def connection():
    with duckdb.connect(":memory:") as connection:
        yield connection


def readers_of(connection):
    return Readers(lambda: Session(connection.cursor()))


def in_thread(work):
    """Run it; the errors it ends with, filled in when it has ended, and its thread."""
    errors = []

    def run():
        try:
            work()
        except StoreError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    return errors, thread


def test_a_session_that_came_back_is_lent_again_and_one_that_failed_is_not(connection):
    readers = readers_of(connection)
    with readers.borrow() as first:
        pass
    with readers.borrow() as again, readers.borrow() as beside:
        assert again is first
        assert beside is not first
    with pytest.raises(StoreError, match="no_such_table"), readers.borrow() as broken:
        broken.run_script("select * from no_such_table")
    with readers.borrow() as one, readers.borrow() as two:
        assert broken not in (one, two)


def test_readers_that_finish_in_time_are_waited_for(connection):
    readers, may_go_on, is_reading = readers_of(connection), threading.Event(), threading.Event()

    def read():
        with readers.borrow() as session:
            is_reading.set()
            assert may_go_on.wait(10)
            session.run_script("select 1")

    errors, thread = in_thread(read)
    assert is_reading.wait(10)
    closing, closer = in_thread(lambda: readers.close(10.0))
    with pytest.raises(StoreError, match="being closed"):
        wait_until(lambda: _borrow_once(readers))
    assert closer.is_alive()
    may_go_on.set()
    thread.join(10)
    closer.join(10)
    assert (errors, closing, closer.is_alive()) == ([], [], False)


def _borrow_once(readers):
    with readers.borrow():
        return False


def test_a_statement_that_does_not_end_is_interrupted_and_says_why(connection):
    readers, is_reading = readers_of(connection), threading.Event()

    def read():
        with readers.borrow() as session:
            is_reading.set()
            session.run_script(ENDLESS)

    errors, thread = in_thread(read)
    assert is_reading.wait(10)
    began = time.monotonic()
    readers.close(0.1)
    thread.join(10)
    assert (errors, thread.is_alive()) == (["the database was closed under this statement; open it again"], False)
    assert time.monotonic() - began < 5
    connection.close()


def test_who_holds_a_view_and_asks_nothing_does_not_hold_up_the_close(connection):
    readers = readers_of(connection)
    errors, thread = in_thread(lambda: _ask_after_the_close(readers))
    thread.join(10)
    assert (errors, thread.is_alive()) == (["the database was closed under this statement; open it again"], False)
    connection.close()


def _ask_after_the_close(readers):
    with readers.borrow() as session:
        readers.close(0.05)
        session.run_script("select 1")


def test_a_database_closes_under_many_readers_and_its_file_is_free(path):
    """Every reader gets its rows or a StoreError, and nothing else is raised anywhere."""
    for _ in range(10):
        database = Database(path, lambda: 1)
        started = threading.Barrier(9)

        def read(database=database, started=started):
            started.wait(10)
            while True:
                with database.read() as session:
                    assert session.fetch("find_counters")

        threads = [in_thread(read) for _ in range(8)]
        started.wait(10)
        database.close()
        for errors, thread in threads:
            thread.join(10)
            assert not thread.is_alive()
            assert "closed" in errors[0]
        duckdb.connect(str(path)).close()
