"""The ``RunStore`` suite, but for reviews."""

from dataclasses import replace

import pytest

from reflect_otel.errors import NotFound
from reflect_otel.model.memory import Served
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Message, Role, Step, ToolCall, ToolResponse
from reflect_otel.ports import RunFilter, Store
from reflect_otel.testing.conformance.store_case import (
    OTHER_PROJECT,
    OTHER_TRACE,
    PROJECT,
    TRACE,
    StoreCase,
    build_batch,
    build_review,
    build_run,
    build_span,
    build_trajectory,
    claim,
    reopened,
    write_run,
)

_FULL_RUN = RunRecord(
    project_id=PROJECT,
    run_id="full",
    trace_ids=(TRACE.hex(), OTHER_TRACE.hex()),
    state=RunState.CLOSED,
    closed_by=ClosedBy.IDLE_TIMEOUT,
    task="Tisch für zwei",
    agent="waiter",
    model="model-1",
    session_id="",
    final_response="done",
    reference_context="the menu",
    metadata={"branch": "main"},
    served_memory_ids=("m2", "m1"),
    steps=1,
    llm_calls=2,
    llm_errors=3,
    tool_calls=4,
    tool_errors=5,
    input_tokens=6,
    output_tokens=7,
    span_count=8,
    late_spans=9,
    started_ns=2**64 - 1,
    ended_ns=11,
    first_seen_ns=12,
    last_seen_ns=13,
    inferred=True,
    last_error="",
)


class RunStoreConformance(StoreCase):
    """Run rows, conversations, listings, deletion."""

    def test_a_run_row_comes_back_as_it_was_written(self, store: Store) -> None:
        """Every field survives, and a later row replaces all of it."""
        store.write_runs([(_FULL_RUN, None)])
        found = store.find_run(PROJECT, "full")
        assert found is not None
        assert found.record == _FULL_RUN
        bare = build_run("full")
        store.write_runs([(bare, None)])
        replaced = store.find_run(PROJECT, "full")
        assert replaced is not None
        assert replaced.record == bare

    def test_a_run_is_found_by_its_id_or_by_a_trace_id_of_either_case(self, store: Store) -> None:
        """A run id that looks like a trace id goes first; other projects find nothing."""
        record = write_run(store, "named")
        for identifier in ("named", TRACE.hex(), TRACE.hex().upper()):
            found = store.find_run(PROJECT, identifier)
            assert found is not None, identifier
            assert found.record == record
        assert store.find_run(OTHER_PROJECT, "named") is None
        assert store.find_run(PROJECT, "no such run") is None

    def test_runs_are_listed_newest_first_in_pages(self, store: Store) -> None:
        """Equal times are ordered by id; a page continues behind the last one of the page before."""
        records = [build_run(f"r{at}", first_seen_ns=at // 2) for at in range(5)]
        for record in records:
            store.write_runs([(record, None)])
        first = store.find_runs(PROJECT, RunFilter(), 2)
        last = first[-1].record
        rest = store.find_runs(PROJECT, RunFilter(before=(last.first_seen_ns, last.run_id)), 9)
        assert [detail.record.run_id for detail in (*first, *rest)] == ["r4", "r3", "r2", "r1", "r0"]
        assert store.find_runs(OTHER_PROJECT, RunFilter(), 9) == []

    def test_runs_are_filtered(self, store: Store) -> None:
        """By agent, session, and whether their reviews have been learned from."""
        store.write_runs([(build_run("a", agent="cook", session_id="s"), None)])
        store.write_runs([(build_run("b", agent="waiter"), None)])
        store.write_review(PROJECT, "a", build_review())
        for only, expected in (
            (RunFilter(agent="cook"), ["a"]),
            (RunFilter(session_id="s"), ["a"]),
            (RunFilter(review_status="pending"), ["b", "a"]),
            (RunFilter(review_status="reviewed"), []),
        ):
            assert [detail.record.run_id for detail in store.find_runs(PROJECT, only, 9)] == expected

    def test_unclosed_runs_of_all_projects_are_found(self, store: Store) -> None:
        """What the assembler resumes after a restart."""
        open_run = reopened(build_run("open"))
        settling = replace(open_run, project_id=OTHER_PROJECT, run_id="settling", state=RunState.SETTLING)
        for record in (open_run, settling, build_run("closed")):
            store.write_runs([(record, None)])
        assert {run.run_id: run for run in store.find_unclosed_runs()} == {"open": open_run, "settling": settling}

    def test_a_trajectory_comes_back_equal(self, store: Store) -> None:
        """Also one whose steps saw a history that was rewritten on the way, with arbitrary JSON in its tools."""
        call = ToolCall(name="search", arguments={"q": ["x", {"$bytes": 1}], "n": float("inf")}, id="c1")
        answer = ToolResponse(id="c1", name="search", response={"rows": [1, None]}, error="")
        messages = (
            Message(role=Role.USER, content="find 🎉 \ud800"),
            Message(role=Role.ASSISTANT, tool_calls=(call,), usage={"input_tokens": 3}, reasoning="hm"),
            Message(role=Role.TOOL, tool_response=answer),
        )
        summary = Message(role=Role.SYSTEM, content="summary of what was said")
        steps = (Step(messages=messages[:2]), Step(messages=(summary, messages[2]), info={"span": "01"}))
        trajectory = replace(build_trajectory("r", []), messages=messages, steps=steps, error="", agent="a")
        store.write_runs([(build_run("r"), trajectory)])
        assert store.get_trajectory(PROJECT, "r") == trajectory

    def test_a_longer_reading_of_a_run_replaces_the_shorter_one(self, store: Store) -> None:
        """Also a shorter or a different one."""
        for texts in (["a", "b"], ["a", "b", "c", "d"], ["a"], ["z", "b"], []):
            trajectory = build_trajectory("r", texts)
            store.write_runs([(build_run("r"), trajectory)])
            assert store.get_trajectory(PROJECT, "r") == trajectory

    def test_runs_that_share_a_history_do_not_disturb_each_other(self, store: Store) -> None:
        """Deleting or re-reading one leaves the conversations of the others whole."""
        texts = {"one": "a b c d", "two": "a b c d e f", "fork": "a b x", "same": "a b c d"}
        trajectories = {run_id: build_trajectory(run_id, text.split()) for run_id, text in texts.items()}
        for run_id, trajectory in trajectories.items():
            store.write_runs([(build_run(run_id), trajectory)])
        for gone in ("one", "fork", "two"):
            assert store.delete_runs(PROJECT, [gone]) == 1
            del trajectories[gone]
            assert {run_id: store.get_trajectory(PROJECT, run_id) for run_id in trajectories} == trajectories

    def test_trajectories_come_together_in_the_order_asked_for(self, store: Store) -> None:
        """Whatever they share, and whichever of them is longest."""
        texts = {"one": "a b", "two": "a b c d", "fork": "a b x", "late": "a b c d e", "other": "y", "none": ""}
        trajectories = {run_id: build_trajectory(run_id, text.split()) for run_id, text in texts.items()}
        store.write_runs([(build_run(run_id), trajectories[run_id]) for run_id in texts])
        for run_ids in (list(texts), list(reversed(texts))):
            asked = ["unknown", *run_ids]
            found = list(store.iter_trajectories(PROJECT, asked))
            assert found == [(run_id, trajectories[run_id]) for run_id in run_ids]

    def test_a_run_that_has_not_been_read_has_no_trajectory(self, store: Store) -> None:
        """Nor has an unknown one, or one of another project."""
        write_run(store, "r")
        store.write_runs([(build_run("read"), build_trajectory("read", ["a"]))])
        for project_id, run_id in ((PROJECT, "r"), (PROJECT, "none"), (OTHER_PROJECT, "read")):
            with pytest.raises(NotFound):
                store.get_trajectory(project_id, run_id)
            assert list(store.iter_trajectories(project_id, [run_id])) == []

    def test_served_memories_are_found_by_run_and_by_trace(self, store: Store) -> None:
        """Those of the run's own row come last; each counts once, only in its project; the withheld do not count."""
        record = build_run("r", served_memory_ids=("m3", "m1"))
        served = [
            (PROJECT, Served(memory_id="m1", trace_id=TRACE, served_ns=1)),
            (PROJECT, Served(memory_id="m2", run_id="r", served_ns=2)),
            (PROJECT, Served(memory_id="m1", run_id="r", served_ns=3)),
            (OTHER_PROJECT, Served(memory_id="m9", trace_id=TRACE, run_id="r", served_ns=4)),
            (PROJECT, Served(memory_id="m8", trace_id=OTHER_TRACE, served_ns=5)),
            (PROJECT, Served(memory_id="m7", run_id="r", served_ns=6, withheld=True)),
        ]
        store.write_telemetry(build_batch(1, served=served))
        store.write_telemetry(build_batch(2, spans=[build_span(1)], joined=[(TRACE, "r")], runs=[record]))
        found = store.find_run(PROJECT, "r")
        assert found is not None
        assert tuple(found.served) == ("m1", "m2", "m3")

    def test_what_a_named_run_was_served_is_not_another_runs_of_its_trace(self, store: Store) -> None:
        """A run inside another shares its trace; a name that no run has counts as the trace's."""
        served = [
            (PROJECT, Served(memory_id="m1", trace_id=TRACE, run_id="outer", served_ns=1)),
            (PROJECT, Served(memory_id="m2", trace_id=TRACE, run_id="inner", served_ns=2)),
            (PROJECT, Served(memory_id="m3", trace_id=TRACE, run_id="unknown", served_ns=3)),
            (PROJECT, Served(memory_id="m4", trace_id=TRACE, served_ns=4)),
        ]
        joined = [(TRACE, "outer"), (TRACE, "inner")]
        runs = [build_run("outer"), build_run("inner")]
        store.write_telemetry(build_batch(1, served=served, spans=[build_span(1)], joined=joined, runs=runs))
        found = [store.find_run(PROJECT, name) for name in ("outer", "inner")]
        assert [detail and tuple(detail.served) for detail in found] == [("m1", "m3", "m4"), ("m2", "m3", "m4")]

    def test_servings_follow_a_trace_into_its_named_run(self, store: Store) -> None:
        """Also when they named the default run."""
        write_run(store)
        served = [(PROJECT, Served(memory_id="m", run_id=TRACE.hex(), served_ns=1))]
        store.write_telemetry(build_batch(5, served=served))
        store.write_telemetry(build_batch(6, joined=[(TRACE, "named")], runs=[build_run("named")]))
        found = store.find_run(PROJECT, "named")
        assert found is not None
        assert tuple(found.served) == ("m",)

    def test_deleted_runs_are_gone_with_all_that_belongs_to_them(self, store: Store) -> None:
        """Telemetry that another run shares stays; unknown ids are not counted."""
        write_run(store, "r")
        write_run(store, "other", OTHER_TRACE)
        store.write_runs([(build_run("r"), build_trajectory("r", ["a"]))])
        store.write_review(PROJECT, "r", build_review())
        assert store.delete_runs(PROJECT, ["r", "r", "none"]) == 1
        assert store.delete_runs(OTHER_PROJECT, ["other"]) == 0
        assert store.find_run(PROJECT, "r") is None
        assert store.find_run(PROJECT, TRACE.hex()) is None
        assert claim(store) is None
        assert store.count_spans() == 1
        write_run(store, "r")
        found = store.find_run(PROJECT, "r")
        assert found is not None
        assert (found.reviews, found.served, store.count_spans()) == ((), (), 2)
