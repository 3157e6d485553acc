"""The part of the ``MemoryStore`` suite about learning jobs that are taken together."""

from dataclasses import replace

from reflect_otel.model.governance import GovernanceChange, Quarantine
from reflect_otel.model.memory import MemoryStatus, UtilityEvent
from reflect_otel.model.review import ReviewResult
from reflect_otel.ports import LearningJob, LearningOutcome, Store, Succession
from reflect_otel.testing.conformance.store_case import (
    EMBEDDER_ID,
    PROJECT,
    StoreCase,
    build_memory,
    build_review,
    build_run,
    build_stored,
    build_trajectory,
)

_RUN_IDS = ("r1", "r2", "r3")


class LearningGroupConformance(StoreCase):
    """What several lessons are worked out from comes in one piece, and what they change goes in one piece."""

    def test_as_many_jobs_are_given_out_as_are_asked_for(self, store: Store) -> None:
        """In the order of their reviews."""
        _queue(store)
        assert [job.run_id for job in store.claim_jobs(2)] == ["r1", "r2"]
        assert [job.run_id for job in store.claim_jobs(9)] == list(_RUN_IDS)

    def test_outcomes_that_are_committed_together_are_all_there(self, store: Store) -> None:
        """An entry that a later one of them has changed is as that one says."""
        first, second, _ = _queue(store)
        store.write_memory(PROJECT, build_stored(build_memory("old")))
        early = UtilityEvent(memory_id="old", run_id="r1", reward=1.0, sequence=2, before=0.5, after=0.75)
        moved = replace(early, before=0.25, after=0.5)
        late = UtilityEvent(memory_id="old", run_id="r2", reward=0.0, sequence=1, before=0.5, after=0.25)
        drawn = [build_memory("m1", created_from="r1", created_ns=1), build_memory("m2", created_from="r2")]
        assert store.write_learning(
            _first(first, memory=drawn[0], events=[early], recomputed=[build_memory("old", utility=0.75, uses=1)]),
            _first(
                second,
                memory=drawn[1],
                task_vector=(0.0, 1.0),
                embedder_id=EMBEDDER_ID,
                events=[late],
                updated=[moved],
                recomputed=[build_memory("old", utility=0.5, uses=2)],
                result=ReviewResult.FAIL,
            ),
        )
        assert [store.find_memory(PROJECT, memory.id) for memory in drawn] == drawn
        assert list(store.find_utility_events(PROJECT, memory_ids=["old"])) == [late, moved]
        old = store.find_memory(PROJECT, "old")
        assert old is not None
        assert (old.utility, old.uses) == (0.5, 2)
        assert {stored.memory.id for stored in store.find_vectors()} == {"old", "m2"}
        assert [job.run_id for job in store.claim_jobs(9)] == ["r3"]

    def test_of_outcomes_one_of_which_is_out_of_date_none_is_committed(self, store: Store) -> None:
        """All of their jobs stay queued."""
        jobs = _queue(store)
        store.write_review(PROJECT, "r2", build_review(ReviewResult.FAIL))
        drawn = build_memory("m1", created_from="r1")
        assert not store.write_learning(_first(jobs[0], memory=drawn), *map(_first, jobs[1:]))
        assert store.find_memory(PROJECT, "m1") is None
        assert sorted(job.run_id for job in store.claim_jobs(9)) == list(_RUN_IDS)

    def test_evidence_holds_the_runs_with_what_they_were_served_and_left(self, store: Store) -> None:
        """A run that is gone is absent, and so is the trajectory of one that was not read."""
        job, *_ = _queue(store)
        assert store.write_learning(_first(job, memory=build_memory("m1", created_from="r1")))
        store.write_runs([(build_run("r1", served_memory_ids=("old",)), build_trajectory("r1", ["hello", "hi"]))])
        found = store.find_evidence(PROJECT, ["r1", "r2", "nowhere"], [])
        assert set(found.cases) == {"r1", "r2"}
        case = found.cases["r1"]
        assert (case.run.served, case.run.created_memory_id, len(case.run.reviews)) == (("old",), "m1", 1)
        assert case.trajectory is not None
        assert [message.content for message in case.trajectory.messages] == ["hello", "hi"]
        assert found.cases["r2"].trajectory is None
        assert set(store.find_cases(PROJECT, ["r2", "nowhere"])) == {"r2"}

    def test_evidence_holds_whole_families(self, store: Store) -> None:
        """Whoever of a family was served: who speaks for it, who is merged into that one, and all their entries."""
        root, child = build_memory("root"), build_memory("child", status=MemoryStatus.MERGED, merged_into="root")
        for memory in (root, child, build_memory("other")):
            store.write_memory(PROJECT, build_stored(memory))
        store.write_succession(PROJECT, Succession(gone_id="gone", heir_id="child"))
        events = [
            UtilityEvent(memory_id=memory_id, run_id=f"by-{memory_id}", reward=1.0, sequence=at)
            for at, memory_id in enumerate(("gone", "child", "root", "other"))
        ]
        job, *_ = _queue(store)
        assert store.write_learning(_first(job, events=[replace(event, run_id="r1") for event in events[:1]]))
        store.write_succession(PROJECT, Succession(gone_id="nobody", updated=events))
        for asked in (["child"], ["root"], ["gone"]):
            families = store.find_evidence(PROJECT, ["r2"], asked).families
            assert {key: memory.id for key, memory in families.find_speakers(["root", "child", "other"]).items()} == {
                "root": "root",
                "child": "root",
            }
            assert {event.run_id for event in families.read_ledger(["root"])} == {
                "r1",
                "by-gone",
                "by-child",
                "by-root",
            }
        assert store.find_evidence(PROJECT, ["r1"], []).families.find_credited("r1") == {"gone"}

    def test_evidence_holds_open_quarantines_of_its_runs_and_memories(self, store: Store) -> None:
        """Those of neither are left out."""
        _queue(store)
        for quarantine in (
            Quarantine(id="of run", reason="odd", run_ids=("r1",), created_ns=1),
            Quarantine(id="of another", reason="odd", run_ids=("r9",), created_ns=2),
        ):
            store.write_change(PROJECT, GovernanceChange(opened=quarantine))
        assert [item.id for item in store.find_evidence(PROJECT, ["r1"], []).quarantines] == ["of run"]
        assert list(store.find_evidence(PROJECT, ["r2"], []).quarantines) == []


def _queue(store: Store) -> list[LearningJob]:
    for run_id in _RUN_IDS:
        store.write_runs([(build_run(run_id, trace_ids=()), None)])
        store.write_review(PROJECT, run_id, build_review())
    return list(store.claim_jobs(len(_RUN_IDS)))


def _first(job: LearningJob, **parts: object) -> LearningOutcome:
    return LearningOutcome(job=job, is_first=True, **parts)  # type: ignore[arg-type] # fields of the outcome
