"""What there is to learn from runs: one query per table for any number of them."""

from collections.abc import Sequence
from dataclasses import replace

from reflect_otel.ports import LearningCase, LearningEvidence, RunDetail
from reflect_otel.store.families import find_families
from reflect_otel.store.governance_rows import find_quarantines_of
from reflect_otel.store.memory_rows import find_created_memories
from reflect_otel.store.reviews import find_reviews
from reflect_otel.store.run_details import find_all_served
from reflect_otel.store.run_rows import find_records
from reflect_otel.store.session import Session
from reflect_otel.store.trajectories import iter_trajectories


def find_cases(session: Session, project_id: str, run_ids: Sequence[str]) -> dict[str, LearningCase]:
    """Each run that is there, with its reviews and its trajectory."""
    records = find_records(session, project_id, run_ids)
    known = [record.run_id for record in records]
    reviews = find_reviews(session, project_id, known)
    trajectories = dict(iter_trajectories(session, project_id, known))
    return {
        record.run_id: LearningCase(
            run=RunDetail(record=record, reviews=tuple(reviews.get(record.run_id, ()))),
            trajectory=trajectories.get(record.run_id),
        )
        for record in records
    }


def find_evidence(
    session: Session, project_id: str, run_ids: Sequence[str], memory_ids: Sequence[str]
) -> LearningEvidence:
    """The runs as above with what they were served and left, the families of all those memories, and quarantines."""
    cases = find_cases(session, project_id, run_ids)
    served = find_all_served(session, project_id, [case.run.record for case in cases.values()])
    created = find_created_memories(session, project_id, run_ids)
    concerned = sorted({*memory_ids, *(memory_id for of_run in served.values() for memory_id in of_run)})
    return LearningEvidence(
        cases={
            run_id: replace(case, run=replace(case.run, served=served[run_id], created_memory_id=created.get(run_id)))
            for run_id, case in cases.items()
        },
        families=find_families(session, project_id, concerned, run_ids),
        quarantines=find_quarantines_of(session, project_id, concerned, run_ids),
    )
