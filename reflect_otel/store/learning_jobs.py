"""Learning jobs: rows that stay until their outcome is committed, so a crash repeats the work and loses nothing."""

from collections.abc import Mapping, Sequence

from reflect_otel.model.memory import MemoryStatus
from reflect_otel.ports import LearningJob, LearningOutcome, StoredVector
from reflect_otel.store.families import write_succession
from reflect_otel.store.governance_rows import join_quarantines
from reflect_otel.store.memory_rows import (
    delete_memory,
    delete_stale_vectors,
    write_memory,
    write_utilities,
    write_utility_events,
    write_vectors,
)
from reflect_otel.store.model_calls import write_reflection
from reflect_otel.store.session import Session
from reflect_otel.store.telemetry import iter_pieces


def find_next_job(session: Session) -> tuple[LearningJob, int] | None:
    """The job with the fewest failed tries, then the oldest, whose run is closed; and its generation."""
    rows = session.fetch("claim_job")
    if not rows:
        return None
    project_id, run_id, attempts, last_error, generation = rows[0]
    job = LearningJob(project_id=project_id, run_id=run_id, attempts=attempts, last_error=last_error)
    return job, generation


def find_generation(session: Session, job: LearningJob) -> int | None:
    """How often the run's reviews have changed; ``None`` when nothing is left to learn from them."""
    rows = session.fetch("find_job_generation", project_id=job.project_id, run_id=job.run_id)
    return int(rows[0][0]) if rows else None


def find_jobs(session: Session, project_id: str, run_ids: Sequence[str]) -> Mapping[str, LearningJob]:
    """Unfinished jobs, parked ones included, by run."""
    found: dict[str, LearningJob] = {}
    for piece in iter_pieces(run_ids):
        for run_id, attempts, last_error in session.fetch("find_jobs", project_id=project_id, run_ids=piece):
            found[run_id] = LearningJob(
                project_id=project_id, run_id=run_id, attempts=attempts, last_error=last_error
            )
    return found


def queue_jobs(session: Session, project_id: str, run_ids: Sequence[str], queued_ns: int) -> None:
    """Order that these runs are learned from again, as if their reviews had changed; unknown ones are ignored."""
    for piece in iter_pieces(run_ids):
        session.execute("queue_jobs", project_id=project_id, run_ids=list(piece), queued_ns=queued_ns)


def write_outcome(session: Session, outcome: LearningOutcome, now_ns: int) -> None:
    """Everything the outcome says, the end of its job, and orders to draw anew what was drawn against its run."""
    project_id, run_id = outcome.job.project_id, outcome.job.run_id
    if outcome.removed_memory_id is not None:
        delete_memory(session, project_id, outcome.removed_memory_id)
    if outcome.succession is not None:
        write_succession(session, project_id, outcome.succession)
    _write_drawn_memory(session, outcome)
    if outcome.reflection is not None:
        write_reflection(session, project_id, outcome.reflection)
    _write_verdict(session, outcome)
    session.execute("delete_utility_events", project_id=project_id, run_id=run_id)
    write_utility_events(session, project_id, (*outcome.events, *outcome.updated))
    write_utilities(session, project_id, outcome.recomputed)
    if outcome.quarantine_ids:
        join_quarantines(session, project_id, outcome.quarantine_ids, run_id, outcome.memory)
    session.execute("delete_jobs", project_id=project_id, run_ids=(run_id,))
    contrasting = [
        str(row[0]) for row in session.fetch("find_contrasting_runs", project_id=project_id, run_id=run_id)
    ]
    if contrasting:
        queue_jobs(session, project_id, contrasting, now_ns)


def _write_verdict(session: Session, outcome: LearningOutcome) -> None:
    project_id, run_id = outcome.job.project_id, outcome.job.run_id
    if outcome.result is None:
        session.execute("delete_verdicts", project_id=project_id, run_ids=(run_id,))
        return
    session.execute(
        "write_verdict", project_id=project_id, run_id=run_id, result=outcome.result.value, reward=outcome.reward
    )


def _write_drawn_memory(session: Session, outcome: LearningOutcome) -> None:
    if outcome.memory is None:
        return
    project_id, memory = outcome.job.project_id, outcome.memory
    write_memory(session, project_id, memory)
    if memory.status in {MemoryStatus.ACTIVE, MemoryStatus.MERGED}:
        session.execute("delete_heir", project_id=project_id, memory_id=memory.id)
    delete_stale_vectors(session, project_id, memory.id, outcome.embedder_id)
    if outcome.task_vector is not None:
        stored = StoredVector(
            project_id=project_id,
            memory=memory,
            task_vector=outcome.task_vector,
            embedder_id=outcome.embedder_id,
            content_vector=outcome.content_vector,
        )
        write_vectors(session, stored)
