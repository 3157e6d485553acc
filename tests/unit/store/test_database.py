"""The database file: who may open it, what damage and other releases do, what a kill and a full disk leave."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from reflect_otel.errors import SchemaMismatch, StoreError, StoreLocked
from reflect_otel.model.lift import LiftScope
from reflect_otel.store import checkpointer, schema
from reflect_otel.store.database import CATALOG, Database
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.store.statements import TABLES
from reflect_otel.testing.conformance.store_case import PROJECT, TRACE, build_batch, build_run, build_span
from tests.disk import file_bytes
from tests.waiting import wait_until

KILLS = 10

WRITER = """
import os, sys
from reflect_otel.store import checkpointer
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.testing.conformance.store_case import build_batch, build_run, build_span
checkpointer._LONG_LOG_BYTES = 300_000  # so that some kills fall into a checkpoint
store = DuckDBStore(sys.argv[1])
offset = store.journal_offset()
while True:
    offset += 1
    trace_id = offset.to_bytes(16, "big")
    store.write_telemetry(
        build_batch(
            offset,
            spans=[
                build_span(at, trace_id=trace_id, attributes={"text": os.urandom(6_000).hex()}) for at in range(1, 5)
            ],
            joined=[(trace_id, trace_id.hex())],
            runs=[build_run(trace_id.hex(), trace_ids=(trace_id.hex(),))],
        )
    )
    os.write(1, f"{offset}\\n".encode())
"""

HOLDER = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "reflect.duckdb"


GOVERNED = ("quarantines", "quarantine_members")


def fill(path, offset=1):
    store = DuckDBStore(path)
    store.write_telemetry(
        build_batch(
            offset,
            spans=[build_span(at) for at in range(1, 4)],
            joined=[(TRACE, TRACE.hex())],
            runs=[build_run()],
        )
    )
    store.close()


def run_sql(path, *statements):
    with duckdb.connect(str(path)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements]


def test_the_stopped_file_is_a_plain_duckdb_database(path):
    fill(path)
    assert run_sql(path, "select count(*) from spans") == [[(3,)]]
    (found,) = run_sql(path, "select table_name from duckdb_tables()")
    added = {"project_settings", "memory_heirs", "reflections", "model_calls", "run_verdicts"}
    assert {name for (name,) in found} == {*TABLES, *added, *GOVERNED}
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["reflect.duckdb", "reflect.duckdb.lock"]


def test_a_second_opener_in_this_process_is_refused(path):
    store = DuckDBStore(path)
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        DuckDBStore(path)
    store.close()
    DuckDBStore(path).close()


def test_a_foreign_program_that_holds_the_file_is_named(path):
    fill(path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreLocked, match=f"process {holder.pid}; stop that process"):
            DuckDBStore(path)
        holder.stdin.close()
    DuckDBStore(path).close()


@pytest.mark.parametrize("damage", ["garbage", "empty", "not a database", "gone but for its log"])
def test_a_damaged_file_is_refused_and_nothing_is_created_beside_it(path, damage):
    fill(path)
    whole = path.read_bytes()
    if damage == "gone but for its log":
        path.rename(path.with_name("reflect.duckdb.wal"))
    else:
        path.write_bytes(
            {
                "garbage": os.urandom(len(whole)),
                "empty": b"",
                "not a database": b"select 1;" * 5_000,
            }[damage]
        )
    before = {entry.name: entry.read_bytes() for entry in path.parent.iterdir() if entry.suffix != ".lock"}
    with pytest.raises(StoreError, match="restore it from a backup"):
        DuckDBStore(path)
    assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir() if entry.suffix != ".lock"} == before


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_lost_its_end_is_told_and_never_read_as_less(path, share):
    store = DuckDBStore(path)
    source = random.Random(3)
    spans = [build_span(at, attributes={"text": source.randbytes(3_000).hex()}) for at in range(1, 600)]
    store.write_telemetry(build_batch(1, spans=spans, joined=[(TRACE, "r")]))
    store.close()
    os.truncate(path, int(path.stat().st_size * share))

    def read():
        opened = DuckDBStore(path)
        try:
            return opened.find_telemetry(PROJECT, ["r"])["r"]
        finally:
            opened.close()

    with pytest.raises(StoreError, match="from a backup"):
        read()


def test_a_database_of_a_newer_release_is_refused_untouched(path):
    fill(path)
    run_sql(path, f"insert into schema_version values ({schema.NEWEST_VERSION + 1}, 0)", "drop table servings")
    before = path.read_bytes()
    with pytest.raises(SchemaMismatch, match="install the release that wrote it"):
        DuckDBStore(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused(path):
    path.parent.mkdir()
    run_sql(path, "create table spans (a integer)")
    with pytest.raises(StoreError, match="not one of reflect-otel"):
        DuckDBStore(path)


def test_an_older_database_is_brought_up_and_a_failed_step_is_rolled_back(path):
    newer = {**schema.MIGRATIONS, schema.NEWEST_VERSION + 1: ("create table extra (a integer)", "no such statement")}
    fill(path)
    database = Database(path, lambda: 7)
    with database.write() as session:
        session.run_script("rollback")  # a migration makes its own transactions
        with pytest.raises(StoreError):
            schema.migrate(session, CATALOG, lambda: 7, newer)
        session.run_script("begin transaction")
    with database.read() as session:
        assert schema.read_version(session, CATALOG) == schema.NEWEST_VERSION
        assert ("extra",) not in session.fetch("find_tables", catalog=CATALOG)
    database.close()
    store = DuckDBStore(path)
    assert store.count_spans() == 3
    store.close()


def test_the_vectors_of_a_database_of_schema_version_2_are_kept(path):
    path.parent.mkdir(exist_ok=True)
    first_scripts = [script for version in (1, 2) for script in schema.MIGRATIONS[version]]
    run_sql(
        path,
        *first_scripts,
        "insert into schema_version values (2, 0)",
        "insert into memories (project_id, memory_id, task, reflection, kind, utility, uses, passes, created_from,"
        " created_ns, status, metadata) values ('p', 'm', 't', 'r', 'strategy', 0.5, 0, 0, '', 1, 'active', '{}')",
        "insert into memory_vectors values ('p', 'm', 'task', 'old@1', '\\x00\\x00\\x80\\x3F'::blob)",
    )
    for _ in range(2):  # once more from the migrated file
        store = DuckDBStore(path)
        (found,) = store.find_vectors()
        assert (found.embedder_id, list(found.task_vector), found.memory.id) == ("old@1", [1.0], "m")
        store.close()


def test_what_was_served_before_there_was_a_control_group_is_not_compared(path):
    path.parent.mkdir(exist_ok=True)
    run_sql(
        path,
        *(script for version in range(1, 5) for script in schema.MIGRATIONS[version]),
        "insert into schema_version values (4, 0)",
        f"insert into servings values ('{PROJECT}', 'm', null, 'r', 1, 0.5, 0.5, 0.5, 7, 1, false)",
    )
    store = DuckDBStore(path)
    store.write_runs([(build_run("r"), None)])
    assert list(store.find_run(PROJECT, "r").served) == ["m"]
    assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == []
    store.close()


def test_an_interrupted_creation_leaves_nothing_that_is_taken_for_a_database(path):
    fill(path)
    whole = path.read_bytes()
    path.rename(path.with_name("reflect.duckdb.new"))
    path.with_name("reflect.duckdb.new").write_bytes(whole[: len(whole) // 3])
    store = DuckDBStore(path)
    assert store.count_spans() == 0
    store.close()
    assert not path.with_name("reflect.duckdb.new").exists()


def test_statements_cannot_reach_files_or_settings(path):
    database = Database(path, lambda: 0)
    for statement in (
        "select * from read_text('/etc/hostname')",
        "copy spans to 'out.csv'",
        "attach 'other.duckdb'",
        "set enable_external_access = true",
    ):
        with pytest.raises(StoreError), database.read() as session:
            session.run_script(statement)
    database.close()


def test_a_failed_write_leaves_nothing_of_itself(path):
    database = Database(path, lambda: 0)

    def write_and_fail():
        with database.write() as session:
            session.execute("update_journal_offset", sequence=9)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with database.read() as session:
        assert session.fetch("find_journal_offset") == [(0,)]
    database.close()


def test_a_closed_store_says_so_and_may_be_closed_again(path):
    store = DuckDBStore(path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="open it again"):
        store.count_spans()


def test_a_forked_child_touches_nothing_of_its_parents_database(path):
    code = """
import os, pathlib, sys
from reflect_otel.errors import StoreError
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.testing.conformance.store_case import build_batch
store = DuckDBStore(pathlib.Path(sys.argv[1]))
store.write_telemetry(build_batch(1))
log = pathlib.Path(sys.argv[1] + ".wal")
before = log.stat().st_size
child = os.fork()
if child == 0:
    write = lambda: store.write_telemetry(build_batch(2))
    for call in (store.journal_offset, write, lambda: DuckDBStore(sys.argv[1])):
        try:
            call()
        except StoreError as error:
            print(type(error).__name__, flush=True)
    store.close()
    sys.exit()
os.waitpid(child, 0)
print(log.stat().st_size == before, store.journal_offset(), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split("\n")[:4] == ["StoreError", "StoreError", "StoreLocked", "True 1"]
    again = DuckDBStore(path)
    assert again.journal_offset() == 1
    again.close()


def test_the_log_is_written_back_when_nothing_happens(path, monkeypatch):
    monkeypatch.setattr("reflect_otel.store.checkpointer._IDLE_SECONDS", 0.01)
    store = DuckDBStore(path)
    store.write_telemetry(build_batch(1, spans=[build_span(1)]))
    log = path.with_name(path.name + ".wal")
    wait_until(lambda: file_bytes(log) == 0)
    assert store.count_spans() == 1
    store.close()


def test_a_disk_that_cannot_be_asked_puts_checkpoints_off_and_is_told_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("reflect_otel.store.checkpointer._IDLE_SECONDS", 0.01)
    done = threading.Event()
    folder = tmp_path / "disk"
    background = checkpointer.Checkpointer(done.set, folder / "log")
    background.note_commit()
    wait_until(lambda: caplog.records)
    assert not done.wait(0.1)
    assert [record.message.split(" beside ")[0] for record in caplog.records] == [
        "checkpoint put off: cannot tell the free space"
    ]
    folder.mkdir()
    assert done.wait(20)
    background.close()


def test_a_checkpoint_waits_for_the_transaction_that_writes(path):
    database = Database(path, lambda: 1)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            session.execute("update_journal_offset", sequence=1)
            checkpoint = pool.submit(database._checkpoint)
            wait_until(checkpoint.running)
        checkpoint.result(20)  # DuckDB would have refused it beside the transaction
    database.close()


def test_a_full_disk_refuses_writes_keeps_reads_and_heals_without_a_restart(path, monkeypatch):
    monkeypatch.setattr("reflect_otel.store.checkpointer._LONG_LOG_BYTES", 1_000_000)
    store = DuckDBStore(path)
    text = {"text": "".join(random.Random(1).choices("abcdefgh ", k=200_000))}
    store.write_telemetry(build_batch(1, spans=[build_span(1)], joined=[(TRACE, "r")]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(path.stat().st_size, 1_300_000), hard))
    try:
        batches = [build_batch(at, spans=[build_span(at, attributes=text)]) for at in range(2, 30)]
        with pytest.raises(StoreError):
            list(map(store.write_telemetry, batches))
        committed = wait_until(lambda: _count_or_none(store))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.write_telemetry(build_batch(99, spans=[build_span(99, attributes=text)]))
    assert store.count_spans() == committed + 1
    assert store.find_telemetry(PROJECT, ["r"])["r"].spans[-1].attributes == text
    store.close()


def test_no_acknowledged_batch_is_lost_torn_or_doubled_by_a_kill(path, capsys):
    acknowledged = 0
    for round_number in range(KILLS):
        acknowledged = max(acknowledged, _write_until_killed(path, round_number))
        store = DuckDBStore(path)
        offset, spans = store.journal_offset(), store.count_spans()
        store.close()
        assert offset >= acknowledged
        assert spans == 4 * offset
    (runs, distinct, traces) = (
        rows[0][0]
        for rows in run_sql(
            path,
            "select count(*) from runs",
            "select count(distinct (trace_id, span_id)) from spans",
            "select count(*) from run_traces",
        )
    )
    assert (runs, distinct, traces) == (offset, 4 * offset, offset)
    with capsys.disabled():
        print(f"\nstore: 0 of {acknowledged} acknowledged batches lost in {KILLS} kills")


def _count_or_none(store):
    try:
        return store.count_spans()
    except StoreError:
        return None


def _write_until_killed(path, round_number):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    with writer:
        first = writer.stdout.readline()
        delay = random.Random(round_number).uniform(0.01, 0.25)
        killer = threading.Timer(delay, writer.send_signal, (signal.SIGKILL,))
        killer.start()
        rest = writer.stdout.read()
        killer.join()
    return int((first + rest).split("\n")[-2])
