"""The ``ModelCallLedger`` suite: budgets, reflections and what a judge may look at."""

from dataclasses import replace
from typing import Final

import pytest

from reflect_otel.model.model_call import CallPurpose, ModelCall, Spending
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import LearningOutcome, Store
from reflect_otel.testing.conformance.store_case import (
    OTHER_PROJECT,
    PROJECT,
    TRACE,
    StoreCase,
    build_batch,
    build_memory,
    build_review,
    build_run,
    build_span,
    build_stored,
    claim,
    write_run,
)

_CALL: Final = ModelCall(
    call_id="c1",
    run_id="r",
    purpose=CallPurpose.REFLECTION,
    model="gpt",
    input_tokens=100,
    output_tokens=50,
    cost_usd=0.25,
    error="under way",
    started_ns=1_000,
)
_RECORD: Final = ReflectionRecord(
    run_id="r",
    memory_id="m",
    reflector="openai",
    model="gpt",
    note="because",
    evidence_steps=(0, 3),
    contrasted_with="failed",
    prompt_hash="abcd",
    raw_output='{"kind": "contrast"} 🎉',
    created_ns=7,
)


class ModelCallLedgerConformance(StoreCase):
    """What was asked, what it cost, and what is left to be judged."""

    def test_spending_is_summed_by_project_from_a_moment_on(self, store: Store) -> None:
        """A call written again, once its real tokens are known, counts once."""
        store.write_model_call(PROJECT, _CALL)
        store.write_model_call(PROJECT, replace(_CALL, input_tokens=80, output_tokens=20, cost_usd=0.5, error=""))
        store.write_model_call(PROJECT, replace(_CALL, call_id="c2", started_ns=2_000))
        store.write_model_call(OTHER_PROJECT, replace(_CALL, call_id="c3"))
        assert store.read_spending(PROJECT, 0) == Spending(calls=2, tokens=250, cost_usd=0.75)
        assert store.read_spending(PROJECT, 1_001) == Spending(calls=1, tokens=150, cost_usd=0.25)
        assert store.read_spending(PROJECT, 3_000) == Spending()

    def test_a_reflection_is_kept_with_its_run_and_replaced_by_the_next(self, store: Store) -> None:
        """The run shows it without the raw answer, also when no memory came of it; it goes with the run."""
        _learn(store, _RECORD)
        assert store.find_reflection(PROJECT, "r") == _RECORD
        assert store.find_reflection(OTHER_PROJECT, "r") is None
        detail = store.find_run(PROJECT, "r")
        assert detail is not None
        assert detail.reflection == replace(_RECORD, raw_output="")
        nothing = ReflectionRecord(run_id="r", note="nothing to learn", created_ns=8)
        _learn(store, nothing, "again")
        assert store.find_reflection(PROJECT, "r") == nothing
        store.delete_runs(PROJECT, ["r"])
        assert store.find_reflection(PROJECT, "r") is None

    def test_a_contrast_is_drawn_anew_when_its_failed_run_is_learned_from_again(self, store: Store) -> None:
        """Its run is queued with the outcome that may have changed what it was drawn against."""
        for number, run_id in enumerate(("failed", "passed")):
            write_run(store, run_id, bytes([number + 1]) * 16)
            store.write_review(PROJECT, run_id, build_review())
        memory = build_memory("c", created_from="passed", contrasted_with="failed")
        for drawn in (None, memory):
            job = claim(store)
            assert job is not None
            assert store.write_learning(LearningOutcome(job=job, memory=drawn))
        assert claim(store) is None
        store.write_withdrawal(PROJECT, "failed", build_review().key)
        for run_id in ("failed", "passed"):
            job = claim(store)
            assert job is not None
            assert (job.run_id, store.write_learning(LearningOutcome(job=job))) == (run_id, True)
        assert claim(store) is None

    def test_a_renamed_run_stays_the_other_half_of_its_contrast(self, store: Store) -> None:
        """The failed run may get its name after the contrast was drawn."""
        run = build_run()
        store.write_telemetry(build_batch(1, spans=[build_span(1)], joined=[(TRACE, run.run_id)], runs=[run]))
        store.write_memory(PROJECT, build_stored(build_memory("m", contrasted_with=run.run_id)))
        store.write_telemetry(build_batch(2, joined=[(TRACE, "named")]))
        memory = store.find_memory(PROJECT, "m")
        assert memory is not None
        assert memory.contrasted_with == "named"

    @pytest.mark.parametrize(
        ("record", "is_found"),
        [
            (build_run("r", last_seen_ns=500), True),
            (build_run("r", last_seen_ns=99), False),
            (build_run("r", last_seen_ns=900), False),
            (build_run("r", last_seen_ns=500, state=RunState.OPEN), False),
            (build_run("r", last_seen_ns=500, last_error="cannot be read"), False),
        ],
    )
    def test_closed_readable_runs_of_the_time_wait_for_a_judge(
        self, store: Store, record: RunRecord, is_found: bool
    ) -> None:
        """Others do not."""
        store.write_runs([(record, None)])
        assert [run.run_id for run in store.find_unjudged_runs(100, 900, 3, 9)] == (["r"] if is_found else [])

    def test_a_run_is_judged_once_and_tried_a_few_times(self, store: Store) -> None:
        """A review by anybody ends it too."""
        store.write_runs([(build_run(run_id, last_seen_ns=500 + at), None) for at, run_id in enumerate("abcd")])
        judging = replace(_CALL, purpose=CallPurpose.JUDGEMENT)
        store.write_model_call(PROJECT, replace(judging, run_id="a", error=""))
        store.write_model_call(PROJECT, replace(judging, call_id="c2", run_id="b"))
        store.write_model_call(PROJECT, replace(judging, call_id="c3", run_id="b"))
        store.write_model_call(PROJECT, replace(judging, call_id="c4", run_id="c"))
        store.write_model_call(PROJECT, replace(_CALL, call_id="c5", run_id="c", error=""))
        store.write_review(PROJECT, "d", build_review())
        assert [run.run_id for run in store.find_unjudged_runs(100, 900, 2, 9)] == ["c"]
        assert [run.run_id for run in store.find_unjudged_runs(100, 900, 3, 9)] == ["b", "c"]
        assert [run.run_id for run in store.find_unjudged_runs(100, 900, 3, 1)] == ["b"]


def _learn(store: Store, record: ReflectionRecord, feedback: str = "first") -> None:
    store.write_runs([(build_run("r"), None)])
    store.write_review(PROJECT, "r", build_review(feedback=feedback))
    job = claim(store)
    assert job is not None
    assert store.write_learning(LearningOutcome(job=job, reflection=record))
