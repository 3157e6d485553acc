"""The ``LiftStore`` suite."""

from typing import Final

from reflect_otel.model.lift import ArmCount, LiftScope
from reflect_otel.model.memory import MemoryStatus, Served
from reflect_otel.model.review import ReviewResult
from reflect_otel.ports import LearningOutcome, Store, Succession
from reflect_otel.testing.conformance.store_case import (
    OTHER_PROJECT,
    OTHER_TRACE,
    PROJECT,
    TRACE,
    StoreCase,
    build_batch,
    build_memory,
    build_review,
    build_stored,
    claim,
    write_run,
)

_SHARE: Final = 0.25


class LiftStoreConformance(StoreCase):
    """Runs are counted by the arm that chance put them in, with the verdicts as they are now."""

    def test_reviewed_runs_are_counted_by_arm(self, store: Store) -> None:
        """Unreviewed ones are assigned but have no verdict; runs that nothing was left to chance for are left out."""
        _expose(store, "served", ReviewResult.PASS, reward=0.9)
        _expose(store, "denied", ReviewResult.FAIL, reward=0.2, withheld=True)
        _expose(store, "waiting", None, withheld=True)
        _expose(store, "certain", ReviewResult.PASS, control_share=0.0)
        write_run(store, "nothing eligible", OTHER_TRACE)
        _learn(store, "nothing eligible", ReviewResult.PASS, 1.0)
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == [
            _count(withheld=False, runs=1, reviewed=1, passes=1, rewards=0.9),
            _count(withheld=True, runs=2, reviewed=1, passes=0, rewards=0.2),
        ]
        assert list(store.find_arm_counts(OTHER_PROJECT, LiftScope.PROJECT)) == []

    def test_a_changed_verdict_counts_as_it_is_now(self, store: Store) -> None:
        """A withdrawn one no longer counts; a deleted run is gone."""
        _expose(store, "r", ReviewResult.PASS, reward=1.0)
        _learn(store, "r", ReviewResult.FAIL, 0.0)
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == [_count(runs=1, reviewed=1)]
        _learn(store, "r", None, 0.0)
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == [_count(runs=1)]
        store.delete_runs(PROJECT, ["r"])
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == []

    def test_counts_are_told_apart_by_agent_and_by_memory(self, store: Store) -> None:
        """Each can also be asked for alone, from a time on."""
        _expose(store, "r1", ReviewResult.PASS, reward=1.0, agent="waiter", memory_ids=("a", "b"), served_ns=10)
        _expose(store, "r2", ReviewResult.FAIL, agent="cook", memory_ids=("b",), served_ns=20, withheld=True)
        _expose(store, "r3", ReviewResult.FAIL, memory_ids=("a",), served_ns=30)
        agents = store.find_arm_counts(PROJECT, LiftScope.AGENT)
        assert [(count.subject, count.withheld, count.runs) for count in agents] == [
            ("", False, 1),
            ("cook", True, 1),
            ("waiter", False, 1),
        ]
        memories = store.find_arm_counts(PROJECT, LiftScope.MEMORY)
        assert [(count.subject, count.withheld, count.runs, count.passes) for count in memories] == [
            ("a", False, 2, 1),
            ("b", False, 1, 1),
            ("b", True, 1, 0),
        ]
        only_cook = store.find_arm_counts(PROJECT, LiftScope.MEMORY, agent="cook")
        assert [(count.subject, count.withheld) for count in only_cook] == [("b", True)]
        only_a = store.find_arm_counts(PROJECT, LiftScope.PROJECT, memory_id="a", since_ns=11)
        assert [(count.withheld, count.runs) for count in only_a] == [(False, 1)]

    def test_a_memory_that_another_speaks_for_counts_for_that_one(self, store: Store) -> None:
        """Merged into it, or gone and succeeded by it; a run that was served several of them counts once."""
        for memory_id, merged_into in (("root", ""), ("child", "root"), ("gone", "")):
            status = MemoryStatus.MERGED if merged_into else MemoryStatus.ACTIVE
            memory = build_memory(memory_id, status=status, merged_into=merged_into)
            store.write_memory(PROJECT, build_stored(memory))
        _expose(store, "r1", ReviewResult.PASS, reward=1.0, memory_ids=("gone", "child", "other"))
        _expose(store, "r2", ReviewResult.FAIL, memory_ids=("gone",), withheld=True)
        store.write_succession(PROJECT, Succession(gone_id="gone", heir_id="child"))
        counts = store.find_arm_counts(PROJECT, LiftScope.MEMORY)
        assert [(count.subject, count.withheld, count.runs, count.passes) for count in counts] == [
            ("other", False, 1, 1),
            ("root", False, 1, 1),
            ("root", True, 1, 0),
        ]
        alone = store.find_arm_counts(PROJECT, LiftScope.PROJECT, memory_id="root")
        assert [(count.withheld, count.runs) for count in alone] == [(False, 1), (True, 1)]
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT, memory_id="gone")) == []

    def test_the_first_augmentation_of_a_run_decides_its_arm(self, store: Store) -> None:
        """Whatever later ones did, and under which share."""
        write_run(store, "r")
        first = Served(memory_id="a", run_id="r", served_ns=5, withheld=True, control_share=_SHARE)
        later = Served(memory_id="b", run_id="r", served_ns=6, control_share=0.5)
        store.write_telemetry(build_batch(8, served=[(PROJECT, first)]))
        store.write_telemetry(build_batch(9, served=[(PROJECT, later)]))
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == [_count(withheld=True, runs=1)]

    def test_a_run_known_by_its_trace_is_counted_once(self, store: Store) -> None:
        """Before and after it turns out to have a name of its own."""
        served = Served(memory_id="a", trace_id=TRACE, served_ns=5, control_share=_SHARE)
        store.write_telemetry(build_batch(1, served=[(PROJECT, served)]))
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == []
        write_run(store)
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == [_count(runs=1)]
        write_run(store, "named")
        assert list(store.find_arm_counts(PROJECT, LiftScope.PROJECT)) == [_count(runs=1)]


def _expose(
    store: Store,
    run_id: str,
    result: ReviewResult | None,
    *,
    reward: float = 0.0,
    withheld: bool = False,
    memory_ids: tuple[str, ...] = ("a",),
    served_ns: int = 5,
    control_share: float = _SHARE,
    agent: str | None = None,
) -> None:
    write_run(store, run_id, run_id.encode().ljust(16, b"."), agent=agent)
    served = [
        Served(
            memory_id=memory_id,
            run_id=run_id,
            rank=rank,
            served_ns=served_ns,
            withheld=withheld,
            control_share=control_share,
        )
        for rank, memory_id in enumerate(memory_ids, 1)
    ]
    items = [(PROJECT, item) for item in served]
    store.write_telemetry(build_batch(store.journal_offset() + 1, served=items))
    if result is not None:
        _learn(store, run_id, result, reward)


def _learn(store: Store, run_id: str, result: ReviewResult | None, reward: float) -> None:
    store.write_review(PROJECT, run_id, build_review(result or ReviewResult.PASS, score=reward, feedback=str(result)))
    job = claim(store)
    assert job is not None
    assert store.write_learning(LearningOutcome(job=job, result=result, reward=reward))


def _count(
    *, withheld: bool = False, runs: int = 0, reviewed: int = 0, passes: int = 0, rewards: float = 0.0
) -> ArmCount:
    return ArmCount(
        control_share=_SHARE, withheld=withheld, runs=runs, reviewed=reviewed, passes=passes, rewards=rewards
    )
