"""A run with what was said about it, served to it and learned from it: one query per table for any number of runs."""

from collections.abc import Sequence

from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import RunDetail
from reflect_otel.store.learning_jobs import find_jobs
from reflect_otel.store.memory_rows import find_created_memories
from reflect_otel.store.model_calls import find_reflections
from reflect_otel.store.reviews import find_reviews
from reflect_otel.store.servings import find_served
from reflect_otel.store.session import Session


def build_details(session: Session, project_id: str, records: Sequence[RunRecord]) -> list[RunDetail]:
    """The details of these runs of one project, in their order."""
    run_ids = [record.run_id for record in records]
    reviews = find_reviews(session, project_id, run_ids)
    served = find_all_served(session, project_id, records)
    jobs = find_jobs(session, project_id, run_ids)
    reflections = find_reflections(session, project_id, run_ids)
    created = find_created_memories(session, project_id, run_ids)
    details: list[RunDetail] = []
    for record in records:
        run_id, job = record.run_id, jobs.get(record.run_id)
        details.append(
            RunDetail(
                record=record,
                reviews=tuple(reviews.get(run_id, ())),
                served=served[run_id],
                created_memory_id=created.get(run_id),
                reflection=reflections.get(run_id),
                learned=job is None,
                attempts=job.attempts if job else 0,
                last_error=(job.last_error if job else "") or record.last_error,
            )
        )
    return details


def find_all_served(session: Session, project_id: str, records: Sequence[RunRecord]) -> dict[str, tuple[str, ...]]:
    """Memory ids served to each run, by what was noted when they were served and by what the run itself says."""
    noted = find_served(session, project_id, [record.run_id for record in records])
    return {
        record.run_id: tuple(dict.fromkeys((*noted.get(record.run_id, ()), *record.served_memory_ids)))
        for record in records
    }
