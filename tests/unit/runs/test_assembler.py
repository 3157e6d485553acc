"""The assembler decides which run a span belongs to and when a run is complete."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.model.spans import FLAG_PARENT_IS_REMOTE, ClosedBy, LogRecord, RunState, SpanLink, SpanRecord
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import Settings
from reflect_otel.runs.assembler import RunAssembler

SECOND = 1_000_000_000
TRACE = bytes.fromhex("11" * 16)
OTHER_TRACE = bytes.fromhex("22" * 16)
CHAT = {"gen_ai.operation.name": "chat"}


def span(number=1, *, trace=TRACE, parent=None, attributes=CHAT, **fields):
    return SpanRecord(
        trace_id=trace,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else None,
        attributes=attributes,
        **fields,
    )


class Closed:
    """What the store knows of earlier runs."""

    def __init__(self):
        self.records = {}
        self.traces = {}

    def assembler(self, settings=Settings(), unclosed=(), now_ns=0):  # noqa: B008 - frozen
        return RunAssembler(
            settings,
            lambda _project, ids: {i: self.traces[i] for i in ids if i in self.traces},
            lambda _project, run_id: self.records.get(run_id),
            unclosed,
            now_ns,
        )

    def keep(self, record):
        self.records[record.run_id] = record
        for trace_id in record.trace_ids:
            self.traces.setdefault(bytes.fromhex(trace_id), []).append(record.run_id)


@pytest.fixture
def closed():
    return Closed()


def due(assembler, at_seconds):
    return [run_id for _, run_id in assembler.find_due(int(at_seconds * SECOND), 100)]


def test_run_without_run_id_has_its_trace_id_as_key(closed):
    assembler = closed.assembler()
    assembler.add_spans("p", [span()], 0, 100)
    assert [record.run_id for record in assembler.take_changes().runs] == [TRACE.hex()]


def test_run_closes_after_its_root_ended_and_settled(closed):
    assembler = closed.assembler(Settings(settle_seconds=2, idle_seconds=60))
    assembler.add_spans("p", [span(2, parent=1)], 1 * SECOND, 100)
    assert due(assembler, 30) == []
    assembler.add_spans("p", [span(1)], 30 * SECOND, 100)
    assert due(assembler, 31.9) == []
    assert due(assembler, 32) == [TRACE.hex()]
    record = assembler.close("p", TRACE.hex())
    assert (record.closed_by, record.state, record.span_count) == (ClosedBy.ROOT_ENDED, RunState.CLOSED, 2)


def test_span_whose_parent_is_in_another_process_counts_as_root(closed):
    assembler = closed.assembler(Settings(settle_seconds=2))
    assembler.add_spans("p", [span(2, parent=1, flags=FLAG_PARENT_IS_REMOTE | 0x100)], 0, 100)
    assert due(assembler, 2) == [TRACE.hex()]


def test_run_without_ended_root_closes_when_idle(closed):
    assembler = closed.assembler(Settings(idle_seconds=60))
    assembler.add_spans("p", [span(2, parent=1)], 0, 100)
    assembler.add_spans("p", [span(3, parent=1)], 50 * SECOND, 100)
    assert due(assembler, 109) == []
    assert due(assembler, 110) == [TRACE.hex()]
    assert assembler.close("p", TRACE.hex()).closed_by is ClosedBy.IDLE_TIMEOUT


def test_late_children_extend_the_settling(closed):
    assembler = closed.assembler(Settings(settle_seconds=2))
    assembler.add_spans("p", [span(1)], 0, 100)
    assembler.add_spans("p", [span(2, parent=1)], 1 * SECOND, 100)
    assert due(assembler, 2) == []
    assert due(assembler, 3) == [TRACE.hex()]
    assert assembler.close("p", TRACE.hex()).closed_by is ClosedBy.ROOT_ENDED


@pytest.mark.parametrize(
    ("settings", "reason"),
    [(Settings(max_run_spans=3), ClosedBy.SPAN_CAP), (Settings(max_run_bytes=300), ClosedBy.BYTE_CAP)],
)
def test_run_over_its_cap_closes_at_once(closed, settings, reason):
    assembler = closed.assembler(settings)
    assembler.add_spans("p", [span(n, parent=9) for n in (1, 2, 3)], 0, 100)
    assert due(assembler, 0) == [TRACE.hex()]
    assert assembler.close("p", TRACE.hex()).closed_by is reason


def test_complete_marker_closes_at_once(closed):
    assembler = closed.assembler()
    assembler.add_spans("p", [span(attributes={**CHAT, "reflect.run.complete": True})], 0, 100)
    assert due(assembler, 0) == [TRACE.hex()]
    assert assembler.close("p", TRACE.hex()).closed_by is ClosedBy.EXPLICIT_END


def test_late_span_is_appended_and_flagged(closed):
    assembler = closed.assembler(Settings(settle_seconds=2))
    assembler.add_spans("p", [span(1)], 0, 100)
    assembler.take_changes()
    closed.keep(assembler.close("p", TRACE.hex()))
    assembler.add_spans("p", [span(2, parent=1)], 100 * SECOND, 100)
    assert due(assembler, 102) == [TRACE.hex()]
    record = assembler.close("p", TRACE.hex())
    assert (record.late_spans, record.span_count, record.closed_by) == (1, 2, ClosedBy.ROOT_ENDED)


def test_late_span_after_a_restart_finds_its_run_in_the_store(closed):
    closed.keep(
        RunRecord(project_id="p", run_id="r", trace_ids=(TRACE.hex(),), closed_by=ClosedBy.ROOT_ENDED, span_count=4)
    )
    assembler = closed.assembler()
    assembler.add_spans("p", [span(2, parent=1)], 0, 100)
    record = assembler.close("p", "r")
    assert (record.late_spans, record.span_count, record.closed_by) == (1, 5, ClosedBy.ROOT_ENDED)


def test_run_id_on_any_span_spreads_over_its_whole_trace(closed):
    assembler = closed.assembler()
    assembler.add_spans("p", [span(2, parent=1)], 0, 100)
    assembler.take_changes()
    assembler.add_spans("p", [span(3, parent=1, attributes={**CHAT, "reflect.run.id": "r"})], 0, 100)
    assembler.add_spans("p", [span(4, parent=1)], 0, 100)
    changes = assembler.take_changes()
    assert changes.joined == [("p", TRACE, "r")]
    assert [(r.run_id, r.span_count) for r in changes.runs] == [("r", 3)]


def test_one_run_id_over_two_traces_is_one_run(closed):
    assembler = closed.assembler()
    named = {**CHAT, "reflect.run.id": "r"}
    assembler.add_spans("p", [span(1, attributes=named), span(1, trace=OTHER_TRACE, attributes=named)], 0, 100)
    (record,) = assembler.take_changes().runs
    assert record.trace_ids == (TRACE.hex(), OTHER_TRACE.hex())


LINK = (SpanLink(trace_id=TRACE, span_id=bytes(7) + b"\x01"),)


def worker(**fields):
    return span(1, trace=OTHER_TRACE, attributes={"messaging.operation.type": "process"}, links=LINK, **fields)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0), (0, 2, 1), (1, 0, 2)])
def test_trace_whose_root_links_into_a_run_is_part_of_it_in_any_order(closed, order):
    spans = [span(2, parent=1), span(2, trace=OTHER_TRACE, parent=1), worker()]
    assembler = closed.assembler(Settings(settle_seconds=2, idle_seconds=60))
    for index in order:
        assembler.add_spans("p", [spans[index]], 0, 100)
    assert assembler.find_due(60 * SECOND, 100) == [("p", TRACE.hex())]
    record = assembler.close("p", TRACE.hex())
    assert (set(record.trace_ids), record.span_count) == ({TRACE.hex(), OTHER_TRACE.hex()}, 3)


def test_agent_root_that_links_back_to_an_earlier_turn_is_a_run_of_its_own(closed):
    turn = span(1, trace=OTHER_TRACE, attributes={"gen_ai.operation.name": "invoke_agent"}, links=LINK)
    assembler = closed.assembler()
    assembler.add_spans("p", [span(), turn], 0, 100)
    assert len(assembler) == 2


def test_root_that_ended_before_the_first_agent_span_came_still_settles_the_run(closed):
    assembler = closed.assembler(Settings(settle_seconds=2, idle_seconds=60))
    assembler.add_spans("p", [span(1, attributes={"http.request.method": "POST"})], 0, 100)
    assembler.add_spans("p", [span(2, parent=1)], 0, 100)
    assert due(assembler, 2) == [TRACE.hex()]


def test_two_run_ids_in_one_trace_are_two_runs(closed):
    assembler = closed.assembler()
    spans = [span(n, parent=9, attributes={**CHAT, "reflect.run.id": name}) for n, name in ((1, "a"), (2, "b"))]
    assembler.add_spans("p", spans, 0, 100)
    changes = assembler.take_changes()
    assert {r.run_id for r in changes.runs} == {"a", "b"}
    assert set(changes.joined) == {("p", TRACE, "a"), ("p", TRACE, "b")}


def test_equal_ids_in_two_projects_are_two_runs(closed):
    assembler = closed.assembler()
    assembler.add_spans("p", [span()], 0, 100)
    assembler.add_spans("q", [span()], 0, 100)
    assert {(r.project_id, r.run_id) for r in assembler.take_changes().runs} == {
        ("p", TRACE.hex()),
        ("q", TRACE.hex()),
    }


def test_trace_without_agent_spans_is_no_run_until_one_comes(closed):
    assembler = closed.assembler()
    assembler.add_spans("p", [span(2, parent=1, attributes={"http.request.method": "GET"})], 0, 100)
    assert assembler.take_changes().runs == []
    assembler.add_spans("p", [span(3, parent=1)], 0, 100)
    (record,) = assembler.take_changes().runs
    assert record.span_count == 2


def test_span_that_only_reviews_another_run_is_no_run(closed):
    assembler = closed.assembler()
    review = {"reflect.review.run_id": "r", "reflect.review.result": "pass"}
    assembler.add_spans("p", [span(attributes=review)], 0, 100)
    assert assembler.take_changes().runs == []


def test_unclosed_run_of_the_last_process_is_closed_by_this_one(closed):
    record = RunRecord(project_id="p", run_id="r", trace_ids=(TRACE.hex(),), state=RunState.SETTLING, span_count=3)
    assembler = closed.assembler(Settings(settle_seconds=2), unclosed=[record], now_ns=10 * SECOND)
    assert due(assembler, 12) == ["r"]
    assert assembler.close("p", "r") == replace(record, state=RunState.CLOSED, closed_by=ClosedBy.ROOT_ENDED)


def test_log_event_of_a_closed_run_makes_it_be_read_again(closed):
    closed.keep(
        RunRecord(project_id="p", run_id=TRACE.hex(), trace_ids=(TRACE.hex(),), closed_by=ClosedBy.ROOT_ENDED)
    )
    assembler = closed.assembler(Settings(settle_seconds=2))
    assembler.add_logs("p", [LogRecord(trace_id=TRACE, event_name="gen_ai.choice")], 0)
    assert due(assembler, 2) == [TRACE.hex()]


def test_evaluation_event_changes_no_conversation(closed):
    closed.keep(
        RunRecord(project_id="p", run_id=TRACE.hex(), trace_ids=(TRACE.hex(),), closed_by=ClosedBy.ROOT_ENDED)
    )
    assembler = closed.assembler()
    assembler.add_logs("p", [LogRecord(trace_id=TRACE, event_name="gen_ai.evaluation.result")], 0)
    assert len(assembler) == 0


def test_deleted_run_is_forgotten(closed):
    assembler = closed.assembler()
    assembler.add_spans("p", [span()], 0, 100)
    assembler.forget("p", [TRACE.hex()])
    assert len(assembler) == 0
    assert assembler.take_changes().runs == []


def test_a_run_taken_back_is_due_again_and_keeps_the_reason_it_was_closed_for(closed):
    assembler = closed.assembler(Settings(settle_seconds=2, idle_seconds=60))
    assembler.add_spans("p", [span(2, parent=1)], 0, 100)
    assert due(assembler, 60) == [TRACE.hex()]
    record = assembler.close("p", TRACE.hex())
    assembler.reopen([record], 60 * SECOND)
    assert (assembler.is_unclosed("p", TRACE.hex()), due(assembler, 61), due(assembler, 62)) == (
        True,
        [],
        [TRACE.hex()],
    )
    assert assembler.close("p", TRACE.hex()) == record


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["", "a", "b"]), st.booleans(), st.integers(0, 100)), max_size=30
    )
)
def test_every_agent_span_is_counted_in_exactly_one_run(arrivals):
    assembler = Closed().assembler(Settings(settle_seconds=1000, idle_seconds=1000))
    for number, (trace, name, root, at) in enumerate(arrivals, 1):
        attributes = {**CHAT, **({"reflect.run.id": name} if name else {})}
        one = span(number, trace=bytes([trace]) * 16, parent=None if root else 999, attributes=attributes)
        assembler.add_spans("p", [one], at * SECOND, 100)
    counted = sum(assembler.close(*key).span_count for key in assembler.find_due(10_000 * SECOND, 100))
    assert counted == len(arrivals)
