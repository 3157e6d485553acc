"""Learning jobs: rows that stay until their outcome is committed, so a crash repeats the work and loses nothing."""

from collections.abc import Mapping, Sequence

from reflect_otel.model.memory import SERVED, Memory
from reflect_otel.ports import LearningJob, LearningOutcome
from reflect_otel.store.families import write_succession
from reflect_otel.store.governance_rows import join_quarantines
from reflect_otel.store.memory_rows import (
    delete_memory,
    insert_memories,
    insert_utility_events,
    insert_vectors,
    write_memory,
    write_utilities,
    write_utility_events,
)
from reflect_otel.store.model_calls import write_reflections
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.session import Session


class JobsChanged(Exception):
    """The reviews of a run have changed since its job was claimed, or the run is gone; the transaction must end."""


def find_next_jobs(session: Session, limit: int) -> list[tuple[LearningJob, int]]:
    """The jobs with the fewest failed tries, then the oldest, whose runs are closed; each with its generation."""
    return [
        (LearningJob(project_id=project_id, run_id=run_id, attempts=attempts, last_error=last_error), generation)
        for project_id, run_id, attempts, last_error, generation in session.fetch("claim_jobs", limit=limit)
    ]


def end_jobs(session: Session, project_id: str, claimed: Mapping[str, int]) -> None:
    """Delete the jobs of these runs, given with the generation they were claimed in. Raises JobsChanged."""
    ended = session.fetch("end_jobs", project_id=project_id, run_ids=tuple(claimed))
    if dict(ended) != claimed:
        raise JobsChanged


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


def write_outcomes(session: Session, project_id: str, outcomes: Sequence[LearningOutcome], now_ns: int) -> None:
    """Everything the outcomes say, and orders to draw anew what was drawn against their runs.

    Of what two of them change, the later one knows better.
    """
    run_ids = tuple(outcome.job.run_id for outcome in outcomes)
    contrasting = {
        str(row[0]) for row in session.fetch("find_contrasting_runs", project_id=project_id, run_ids=run_ids)
    }
    for outcome in outcomes:
        if not outcome.is_first:
            _clear_former(session, outcome)
    _write_drawn_memories(session, project_id, outcomes)
    write_reflections(session, project_id, [item.reflection for item in outcomes if item.reflection is not None])
    _write_verdicts(session, project_id, outcomes)
    _write_ledger(session, project_id, outcomes)
    for outcome in outcomes:
        if outcome.quarantine_ids:
            join_quarantines(session, project_id, outcome.quarantine_ids, outcome.job.run_id, outcome.memory)
    if contrasting:
        queue_jobs(session, project_id, sorted(contrasting), now_ns)


def _clear_former(session: Session, outcome: LearningOutcome) -> None:
    """What earlier lessons of the run have left, and who takes over from the memory that goes."""
    project_id, run_id, memory = outcome.job.project_id, outcome.job.run_id, outcome.memory
    if outcome.removed_memory_id is not None:
        delete_memory(session, project_id, outcome.removed_memory_id)
    if outcome.succession is not None:
        write_succession(session, project_id, outcome.succession)
    session.execute("delete_utility_events", project_id=project_id, run_id=run_id)
    if memory is not None:
        if memory.status in SERVED:
            session.execute("delete_heir", project_id=project_id, memory_id=memory.id)
        session.execute("delete_vectors", project_id=project_id, memory_id=memory.id)


def _write_drawn_memories(session: Session, project_id: str, outcomes: Sequence[LearningOutcome]) -> None:
    fresh: list[Memory] = []
    for outcome in outcomes:
        if outcome.memory is not None and outcome.is_first:
            fresh.append(outcome.memory)
        elif outcome.memory is not None:
            write_memory(session, project_id, outcome.memory)
    insert_memories(session, project_id, fresh)
    insert_vectors(session, project_id, filter(None, (outcome.stored for outcome in outcomes)))


def _write_verdicts(session: Session, project_id: str, outcomes: Sequence[LearningOutcome]) -> None:
    session.execute(
        "delete_verdicts", project_id=project_id, run_ids=tuple(outcome.job.run_id for outcome in outcomes)
    )
    given = [outcome for outcome in outcomes if outcome.result is not None]
    if given:
        session.execute(
            "insert_verdicts",
            project_id=project_id,
            run_id=[outcome.job.run_id for outcome in given],
            result=[outcome.result.value for outcome in given if outcome.result is not None],
            reward=[outcome.reward for outcome in given],
        )


def _write_ledger(session: Session, project_id: str, outcomes: Sequence[LearningOutcome]) -> None:
    """New entries, changed ones of other runs, and what they make of the memories."""
    added = {(event.memory_id, event.run_id): event for outcome in outcomes for event in outcome.events}
    updated = {(event.memory_id, event.run_id): event for outcome in outcomes for event in outcome.updated}
    added |= {key: updated.pop(key) for key in added.keys() & updated.keys()}
    insert_utility_events(session, project_id, added.values())
    write_utility_events(session, project_id, updated.values())
    write_utilities(session, project_id, [memory for outcome in outcomes for memory in outcome.recomputed])
