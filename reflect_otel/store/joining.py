"""A trace that turns out to belong to a named run, and the end of the default run it had stood for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from reflect_otel.model.review import ReviewSignal
from reflect_otel.ports import Clock
from reflect_otel.store.columns import build_numbers, build_objects, build_texts, storable_text
from reflect_otel.store.memory_rows import find_utility_events, write_utility_events
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.reviews import find_reviews, write_signal
from reflect_otel.store.run_rows import find_record, find_records, find_run_ids
from reflect_otel.store.session import Session
from reflect_otel.store.telemetry import KnownTraces, delete_traces
from reflect_otel.store.trajectories import delete_trajectories


def join_traces(
    session: Session,
    joined: Iterable[tuple[str, bytes, str]],
    seen: KnownTraces,
    clock: Clock,
    next_ordinal: Callable[[], int],
) -> None:
    """Note which traces belong to which runs; a named run takes the place of the default one (trace id in hex)."""
    wanted = list(
        dict.fromkeys((storable_text(project), trace, storable_text(run)) for project, trace, run in joined)
    )
    known = _find_joined(session, [trace_id for project_id, trace_id, _ in wanted if (project_id, trace_id) in seen])
    _insert_joined(session, [item for item in wanted if item not in known], next_ordinal)
    known.update(wanted)
    for project_id, trace_id, run_id in wanted:
        default = trace_id.hex()
        if run_id != default and (project_id, trace_id, default) in known:
            known.discard((project_id, trace_id, default))
            _take_over(session, project_id, default, run_id, clock, next_ordinal)


def delete_runs(session: Session, project_id: str, run_ids: Sequence[str]) -> int:
    """Delete runs with all that belongs to them alone; returns how many there were."""
    known = [record.run_id for record in find_records(session, project_id, list(dict.fromkeys(run_ids)))]
    if known:
        _delete_telemetry(session, project_id, known)
        _delete_rows(session, project_id, known)
    return len(known)


def _find_joined(session: Session, trace_ids: Iterable[bytes]) -> set[tuple[str, bytes, str]]:
    pieces = iter_pieces(set(trace_ids))
    return {
        (row[0], row[1], row[2]) for piece in pieces for row in session.fetch("find_runs_of_traces", trace_ids=piece)
    }


def _insert_joined(
    session: Session, joined: Sequence[tuple[str, bytes, str]], next_ordinal: Callable[[], int]
) -> None:
    if joined:
        columns = {
            "project_id": build_texts(project_id for project_id, _, _ in joined),
            "trace_id": build_objects(trace_id for _, trace_id, _ in joined),
            "run_id": build_texts(run_id for _, _, run_id in joined),
            "ordinal": build_numbers((next_ordinal() for _ in joined), np.int64),
        }
        session.insert("insert_run_traces", columns)


def _take_over(
    session: Session, project_id: str, default: str, run_id: str, clock: Clock, next_ordinal: Callable[[], int]
) -> None:
    move = {"project_id": project_id, "run_id": default, "to_run_id": run_id}
    session.execute("move_servings", **move)
    session.execute("move_memories", **move)
    session.execute("move_quarantined_run", **move)
    session.execute("move_contrasts", **move)
    session.execute("move_withdrawn_reviews", **move)
    _move_ledger(session, project_id, default, run_id)
    reviews = find_reviews(session, project_id, [default]).get(default, [])
    if find_record(session, project_id, run_id) is None:
        session.execute("rename_run", **move)
    _delete_rows(session, project_id, [default])
    for review in reviews:
        write_signal(session, project_id, run_id, ReviewSignal(review=review), clock, next_ordinal)


def _move_ledger(session: Session, project_id: str, default: str, run_id: str) -> None:
    taken = {event.memory_id for event in find_utility_events(session, project_id, [], [run_id])}
    moved = [
        event for event in find_utility_events(session, project_id, [], [default]) if event.memory_id not in taken
    ]
    session.execute("delete_utility_events", project_id=project_id, run_id=default)
    write_utility_events(session, project_id, [replace(event, run_id=run_id) for event in moved])


def _delete_telemetry(session: Session, project_id: str, run_ids: Sequence[str]) -> None:
    """Delete the traces that belong to none but these runs."""
    gone = set(run_ids)
    for piece in iter_pieces(run_ids):
        traces = [trace for _, trace in session.fetch("find_traces_of_runs", project_id=project_id, run_ids=piece)]
        for trace_piece in iter_pieces(traces):
            owners = find_run_ids(session, project_id, trace_piece)
            alone = tuple(trace for trace in trace_piece if gone.issuperset(owners.get(trace, ())))
            if alone:
                delete_traces(session, project_id, alone)
                session.execute("delete_servings_of_traces", project_id=project_id, trace_ids=alone)


def _delete_rows(session: Session, project_id: str, run_ids: Sequence[str]) -> None:
    delete_trajectories(session, project_id, run_ids)
    for piece in iter_pieces(run_ids):
        for statement in (
            "delete_runs",
            "delete_run_traces",
            "delete_reviews",
            "delete_review_signals_of_runs",
            "delete_servings_of_runs",
            "delete_jobs",
            "delete_verdicts",
            "delete_reflections",
        ):
            session.execute(statement, project_id=project_id, run_ids=piece)
