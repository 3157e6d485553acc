"""What the port does not see: the tables themselves, what is stored once, what reads and writes beside each other."""

import threading
from dataclasses import replace

import duckdb
import pytest

from reflect_otel.attributes import GEN_AI_RESPONSE_ID, REFLECT_RUN_ID
from reflect_otel.errors import StoreRefused
from reflect_otel.model.memory import Served, UtilityEvent
from reflect_otel.model.review import ReviewSignal
from reflect_otel.model.spans import LogRecord
from reflect_otel.ports import LearningOutcome, RunFilter
from reflect_otel.store import reviews
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.store.schema import NEWEST_VERSION
from reflect_otel.store.statements import TABLES
from reflect_otel.testing.conformance.store_case import (
    OTHER_TRACE,
    PROJECT,
    TRACE,
    build_batch,
    build_memory,
    build_review,
    build_run,
    build_span,
    build_trajectory,
    claim,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reflect.duckdb"


@pytest.fixture
def store(path):
    opened = DuckDBStore(path)
    yield opened
    opened.close()


def dump(path):
    """Every row of every table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {table: sorted(map(repr, connection.execute(f"from {table}").fetchall())) for table in TABLES}


def count(store, table):
    with store._database.read() as session:
        return session._connection.execute(f"select count(*) from {table}").fetchone()[0]


def test_the_same_batch_twice_changes_no_row_of_any_table(path):
    batch = build_batch(
        1,
        spans=[build_span(at, attributes={GEN_AI_RESPONSE_ID: f"r{at}"}) for at in range(1, 4)],
        logs=[LogRecord(trace_id=TRACE, event_name="e", time_ns=4), LogRecord(body="untraced")],
        joined=[(TRACE, "r")],
        runs=[build_run("r")],
        signals=[
            ReviewSignal(review=build_review(created_ns=1), response_id="r2"),
            ReviewSignal(review=build_review(created_ns=2, name="tone"), run_id="r"),
        ],
        served=[(PROJECT, Served(memory_id="m", trace_id=TRACE)), (PROJECT, Served(memory_id="m", run_id="r"))],
    )
    dumps = []
    for _ in range(3):
        store = DuckDBStore(path)
        store.write_telemetry(batch)
        store.close()
        dumps.append(dump(path))
    assert {table: len(rows) for table, rows in dumps[0].items()} == {
        **dict.fromkeys(TABLES, 0),
        "schema_version": NEWEST_VERSION,
        "journal_offset": 1,
        "spans": 3,
        "logs": 2,
        "trace_extents": 1,
        "runs": 1,
        "run_traces": 1,
        "reviews": 2,
        "servings": 2,
        "learning_jobs": 1,
    }
    assert dumps[0] == dumps[1] == dumps[2]


def test_a_value_that_the_database_can_never_hold_is_told_apart_and_nothing_of_its_batch_is_kept(store):
    with pytest.raises(StoreRefused, match="cannot hold"):
        store.write_telemetry(replace(build_batch(1, spans=[build_span(1)]), journal_offset=2**70))
    assert (count(store, "spans"), store.journal_offset()) == (0, 0)
    store.write_telemetry(build_batch(1, spans=[build_span(1)]))
    assert count(store, "spans") == 1


def test_an_unresolved_review_sent_again_waits_once(store):
    signal = ReviewSignal(review=build_review(), response_id="unknown")
    for offset in (1, 2):
        store.write_telemetry(build_batch(offset, signals=[signal, signal]))
    assert count(store, "review_signals") == 1


def test_of_very_many_reviews_that_wait_the_oldest_make_room(store, monkeypatch):
    monkeypatch.setattr(reviews, "MAX_WAITING_FOR_ONE", 3)
    monkeypatch.setattr(reviews, "MAX_WAITING", 5)

    def wait(offset, run_id, *numbers):
        signals = [ReviewSignal(review=build_review(identifier=f"{number}"), run_id=run_id) for number in numbers]
        store.write_telemetry(build_batch(offset, signals=signals))

    wait(1, "gone", *range(2))
    wait(2, "r", *range(5))
    assert count(store, "review_signals") == 5
    wait(3, "late", 1)
    assert count(store, "review_signals") == 5
    store.write_telemetry(build_batch(4, joined=[(TRACE, "r")], runs=[build_run("r")]))
    assert [review.identifier for review in store.find_run(PROJECT, "r").reviews] == ["2", "3", "4"]
    store.write_telemetry(build_batch(5, joined=[(OTHER_TRACE, "gone")], runs=[build_run("gone")]))
    assert [review.identifier for review in store.find_run(PROJECT, "gone").reviews] == ["1"]


def test_a_history_that_is_sent_again_adds_only_its_new_tail(store):
    texts = [f"message {at}" for at in range(40)]
    for turn in range(2, 41, 2):
        store.write_runs([(build_run(f"r{turn}"), build_trajectory(f"r{turn}", texts[:turn]))])
    assert count(store, "messages") == 40
    assert count(store, "trajectories") == 20
    store.write_runs([(build_run("r40"), build_trajectory("r40", texts))])
    assert count(store, "messages") == 40
    store.delete_runs(PROJECT, ["r40", "r38"])
    assert count(store, "messages") == 36
    store.delete_runs(PROJECT, [f"r{turn}" for turn in range(2, 41, 2)])
    assert count(store, "messages") == 0


def test_a_run_of_many_messages_is_read_back_from_many_pieces(store):
    texts = [f"message {at}" for at in range(2_000)]
    for end in (100, 1_000, 2_000):
        store.write_runs([(build_run("r"), build_trajectory("r", texts[:end]))])
    assert store.get_trajectory(PROJECT, "r") == build_trajectory("r", texts)
    assert count(store, "messages") == 2_000


def test_an_answer_in_a_trace_of_several_runs_is_reviewed_in_its_own(store):
    span = build_span(1, attributes={GEN_AI_RESPONSE_ID: "resp", REFLECT_RUN_ID: "second"})
    store.write_telemetry(
        build_batch(
            1,
            spans=[span],
            joined=[(TRACE, "first"), (TRACE, "second")],
            runs=[build_run("first"), build_run("second")],
            signals=[ReviewSignal(review=build_review(), response_id="resp")],
        )
    )
    assert store.find_run(PROJECT, "second").reviews == (build_review(),)
    assert store.find_run(PROJECT, "first").reviews == ()


def test_what_was_learned_from_a_default_run_moves_to_the_named_one(store):
    store.write_telemetry(build_batch(1, spans=[build_span(1)], joined=[(TRACE, TRACE.hex())], runs=[build_run()]))
    store.write_runs([(build_run(), build_trajectory(TRACE.hex(), ["a", "b"]))])
    store.write_review(PROJECT, TRACE.hex(), build_review())
    event = UtilityEvent(memory_id="used", run_id=TRACE.hex(), reward=1.0)
    memory = build_memory("drawn", created_from=TRACE.hex())
    assert store.write_learning(
        LearningOutcome(job=claim(store), memory=memory, task_vector=(1.0,), embedder_id="e", events=[event])
    )
    store.write_telemetry(build_batch(2, joined=[(TRACE, "named")]))
    assert store.find_memory(PROJECT, "drawn").created_from == "named"
    assert store.find_utility_events(PROJECT, run_id="named") == [replace(event, run_id="named")]
    detail = store.find_run(PROJECT, "named")
    assert (detail.record, detail.created_memory_id) == (build_run("named"), "drawn")
    assert claim(store).run_id == "named"
    assert count(store, "trajectories") == 0
    assert count(store, "messages") == 0


def test_a_run_over_many_traces_and_a_batch_of_many_runs_fit_one_transaction(store):
    traces = [at.to_bytes(16, "big") for at in range(1, 1_201)]
    runs = [replace(build_run(f"r{at}"), agent=None if at < 1_100 else "late") for at in range(1_200)]
    store.write_telemetry(
        build_batch(
            1,
            spans=[build_span(1, trace_id=trace_id) for trace_id in traces],
            joined=[(trace_id, "wide") for trace_id in traces],
            runs=[*runs, build_run("wide", trace_ids=tuple(trace.hex() for trace in traces))],
        )
    )
    assert [span.trace_id for span in store.find_telemetry(PROJECT, ["wide"])["wide"].spans] == traces
    assert len(store.find_run_ids(PROJECT, traces)) == 1_200
    assert len(store.find_runs(PROJECT, RunFilter(agent="late"), 500)) == 100
    assert store.delete_runs(PROJECT, [f"r{at}" for at in range(1_200)]) == 1_200
    assert store.count_spans() == 1_200


def test_numbers_out_of_range_are_stored_as_the_nearest(store):
    span = build_span(1, start_ns=2**70, end_ns=-5, kind=2**40, flags=2**70)
    store.write_telemetry(build_batch(1, spans=[span], joined=[(TRACE, "r")], runs=[build_run("r", ended_ns=2**64)]))
    (found,) = store.find_telemetry(PROJECT, ["r"])["r"].spans
    assert (found.start_ns, found.end_ns, found.kind, found.flags) == (2**64 - 1, 0, 2**31 - 1, 2**63 - 1)


def test_names_that_utf8_cannot_hold_are_found_again_as_they_were_sent(store):
    run_id, review = "r\udfff", build_review(name="n\ud800", feedback="\ud800")
    record = build_run(run_id, task="t\ud800", metadata={"\ud800": "v"})
    for offset in (1, 2):
        store.write_telemetry(build_batch(offset, spans=[build_span(1)], joined=[(TRACE, run_id)], runs=[record]))
    assert store.write_review(PROJECT, run_id, review)
    assert not store.write_review(PROJECT, run_id, review)
    detail = store.find_run(PROJECT, run_id)
    assert detail.record.metadata == {"\ud800": "v"}
    assert len(store.find_telemetry(PROJECT, [run_id])[run_id].spans) == 1
    assert (count(store, "runs"), count(store, "run_traces")) == (1, 1)


def test_readers_see_whole_batches_while_one_writes(store):
    faults = []
    done = threading.Event()

    def read():
        while not done.is_set():
            found = store.count_spans()
            if found % 3:
                faults.append(found)
            detail = store.find_run(PROJECT, OTHER_TRACE.hex())
            run = store.find_telemetry(PROJECT, [OTHER_TRACE.hex()]).get(OTHER_TRACE.hex())
            if detail and len(run.spans) < detail.record.span_count:
                faults.append(detail)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for offset in range(1, 21):
        spans = [build_span(3 * offset + at, trace_id=OTHER_TRACE) for at in range(3)]
        record = build_run(OTHER_TRACE.hex(), span_count=3 * offset)
        store.write_telemetry(
            build_batch(offset, spans=spans, joined=[(OTHER_TRACE, OTHER_TRACE.hex())], runs=[record])
        )
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []
