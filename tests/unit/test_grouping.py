"""Which spans and logs are one run."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.model.spans import LogRecord, Run, SpanLink, SpanRecord
from reflect_otel.runs.grouping import group_runs, is_agent_span, run_id_of, select_run

FIRST, SECOND = b"1" * 16, b"2" * 16


def span(
    number: int, run_id: str | None = None, *, trace: bytes = FIRST, parent: int | None = None, **facts: Any
) -> SpanRecord:
    attributes: dict[str, Any] = {"gen_ai.operation.name": "chat", **facts.pop("attributes", {})}
    if run_id:
        attributes["reflect.run.id"] = run_id
    return SpanRecord(
        trace_id=trace,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else None,
        start_ns=number,
        attributes=attributes,
        **facts,
    )


def numbers(runs: list[Run]) -> dict[str, list[int]]:
    return {run.run_id: [int.from_bytes(member.span_id, "big") for member in run.spans] for run in runs}


def test_without_a_run_id_the_trace_id_is_the_key() -> None:
    assert numbers(group_runs([span(1), span(2, trace=SECOND), span(3)], [])) == {
        FIRST.hex(): [1, 3],
        SECOND.hex(): [2],
    }


def test_a_run_id_on_any_span_holds_for_its_whole_trace() -> None:
    assert numbers(group_runs([span(1), span(2, "run", parent=1), span(3)], [])) == {"run": [1, 2, 3]}


def test_traces_with_one_run_id_are_one_run() -> None:
    runs = group_runs([span(1, "run"), span(2, "run", trace=SECOND), span(3, trace=SECOND)], [])
    assert numbers(runs) == {"run": [1, 2, 3]}
    assert runs[0].trace_ids == (FIRST.hex(), SECOND.hex())


@pytest.mark.parametrize("run_id", ["", "x" * 201, "two\nlines", "nul\0", "\ud800", 7, True, ["run"], None])
def test_a_run_id_that_no_call_could_ask_for_leaves_the_run_to_its_trace_id(run_id: Any) -> None:
    assert list(numbers(group_runs([span(1, attributes={"reflect.run.id": run_id})], []))) == [FIRST.hex()]


def test_a_deep_trace_with_several_run_ids_is_grouped_in_one_walk() -> None:
    looked_up = 0

    class Counted(bytes):
        """A span id that counts how often it is looked up."""

        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal looked_up
            looked_up += 1
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            return super().__eq__(other)

    deep = [span(number, trace=FIRST, parent=number - 1) for number in range(3, 2_003)]
    deep = [replace(item, parent_span_id=Counted(item.parent_span_id or b"")) for item in deep]
    runs = group_runs([span(1, "a"), span(2, "b", parent=1), *reversed(deep)], [])
    assert {run_id: len(members) for run_id, members in numbers(runs).items()} == {"a": 1, "b": 2_001}
    assert looked_up < 20 * len(deep)


def test_ancestors_that_go_round_in_a_circle_end_in_the_earliest_run() -> None:
    spans = [span(1, "a"), span(2, "b"), span(3, parent=5), span(4, parent=3), span(5, parent=4), span(6, parent=99)]
    assert numbers(group_runs(spans, [])) == {"a": [1, 3, 4, 5, 6], "b": [2]}


def test_with_several_run_ids_a_span_follows_its_nearest_ancestor_else_the_earliest() -> None:
    spans = [span(1), span(2, "a", parent=1), span(3, parent=2), span(4, "b", parent=1), span(5, parent=4)]
    assert numbers(group_runs(spans, [])) == {"a": [1, 2, 3], "b": [4, 5]}


def test_a_circle_of_parents_ends_at_the_earliest_run() -> None:
    spans = [span(1, "a"), span(2, "b"), span(3, parent=4), span(4, parent=3)]
    assert numbers(group_runs(spans, [])) == {"a": [1, 3, 4], "b": [2]}


def test_a_span_that_arrives_twice_counts_once_in_its_first_place() -> None:
    assert numbers(group_runs([span(1), span(2), span(1)], [])) == {FIRST.hex(): [1, 2]}


def test_logs_follow_their_span_else_their_trace_else_their_own_run_id() -> None:
    spans = [span(1, "a"), span(2, "b")]
    logs = [
        LogRecord(trace_id=FIRST, span_id=(2).to_bytes(8, "big"), event_name="of b"),
        LogRecord(trace_id=FIRST, event_name="of the trace"),
        LogRecord(attributes={"reflect.run.id": "b"}, event_name="named"),
        LogRecord(trace_id=SECOND, event_name="of nobody"),
        LogRecord(event_name="lost"),
    ]
    runs = group_runs(spans, logs)
    assert {run.run_id: [log.event_name for log in run.logs] for run in runs} == {
        "a": ["of the trace"],
        "b": ["of b", "named"],
    }


def test_traces_without_agent_work_are_no_runs() -> None:
    web = SpanRecord(trace_id=SECOND, span_id=b"8" * 8, name="GET /", attributes={"http.request.method": "GET"})
    set_up = span(3, trace=b"3" * 16, attributes={"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "a"})
    verdict = SpanRecord(trace_id=b"4" * 16, span_id=b"4" * 8, attributes={"reflect.review.result": "pass"})
    assert numbers(group_runs([web, span(1), set_up, verdict], [])) == {FIRST.hex(): [1]}
    assert [is_agent_span(record) for record in (web, set_up, verdict)] == [False, False, False]


LINK = (SpanLink(trace_id=FIRST, span_id=bytes(8)),)


def test_trace_whose_root_links_into_a_run_is_part_of_it() -> None:
    worker = span(5, trace=SECOND, attributes={"gen_ai.operation.name": "chat"}, links=LINK)
    assert numbers(group_runs([worker, span(1, "r"), span(6, trace=SECOND, parent=5)], [])) == {"r": [5, 1, 6]}


def test_agents_root_that_links_back_begins_a_run() -> None:
    turn = span(5, trace=SECOND, attributes={"gen_ai.operation.name": "invoke_agent"}, links=LINK)
    assert numbers(group_runs([span(1), turn], [])) == {FIRST.hex(): [1], SECOND.hex(): [5]}


def test_link_to_a_trace_that_is_no_run_joins_nothing() -> None:
    producer = SpanRecord(trace_id=FIRST, span_id=bytes(7) + b"1", attributes={"http.route": "/"})
    worker = span(5, trace=SECOND, links=LINK)
    assert numbers(group_runs([producer, worker], [])) == {SECOND.hex(): [5]}


def test_traces_that_link_in_a_circle_are_runs() -> None:
    circle = [span(1, links=(SpanLink(trace_id=SECOND, span_id=bytes(8)),)), span(5, trace=SECOND, links=LINK)]
    assert sum(len(run.spans) for run in group_runs(circle, [])) == 2


def test_other_spans_of_an_agents_trace_stay_with_it() -> None:
    web = SpanRecord(trace_id=FIRST, span_id=b"8" * 8, name="GET /")
    assert len(group_runs([web, span(1)], [])[0].spans) == 2


def test_one_run_is_selected_from_the_telemetry_of_its_traces() -> None:
    telemetry = Run(run_id="b", spans=[span(1, "a"), span(2, "b"), span(3, parent=2)])
    assert numbers([select_run(telemetry, "b")]) == {"b": [2, 3]}
    assert select_run(telemetry, "other").spans == ()


def test_only_text_is_a_run_id() -> None:
    assert run_id_of(SpanRecord(trace_id=FIRST, span_id=b"1" * 8, attributes={"reflect.run.id": 7})) is None
    assert run_id_of(SpanRecord(trace_id=FIRST, span_id=b"1" * 8, attributes={"reflect.run.id": ""})) is None


SPANS = st.lists(
    st.builds(
        span,
        st.integers(1, 9),
        st.sampled_from([None, "a", "b"]),
        trace=st.sampled_from([FIRST, SECOND]),
        parent=st.none() | st.integers(1, 9),
    )
)


@given(SPANS)
def test_every_distinct_span_is_in_exactly_one_run(spans: list[SpanRecord]) -> None:
    grouped = [(member.trace_id, member.span_id) for run in group_runs(spans, []) for member in run.spans]
    assert sorted(grouped) == sorted({(member.trace_id, member.span_id) for member in spans})


@given(SPANS)
def test_every_run_can_be_selected_from_the_whole(spans: list[SpanRecord]) -> None:
    for run in group_runs(spans, []):
        assert list(select_run(Run(run_id=run.run_id, spans=spans), run.run_id).spans) == list(run.spans)
