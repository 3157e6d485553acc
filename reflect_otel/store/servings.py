"""Which memories were handed to which run."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from reflect_otel.model.lift import ArmCount, LiftScope
from reflect_otel.model.memory import Served
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.run_rows import find_run_ids, find_traces
from reflect_otel.store.session import Session

_ARM_FIELDS: Final = ("subject", "control_share", "withheld", "runs", "reviewed", "passes", "rewards")

ServedItem: TypeAlias = tuple[str, Served]

_FIELDS: Final = (
    "memory_id", "trace_id", "run_id", "rank", "similarity", "utility", "score", "served_ns", "withheld",
    "control_share",
)  # fmt: skip


def write_servings(session: Session, items: Sequence[ServedItem], next_ordinal: Callable[[], int]) -> None:
    """Insert the servings that are not there yet."""
    distinct = {_key(project_id, served): (project_id, served) for project_id, served in items}
    if not distinct:
        return
    times = [served.served_ns for _, served in distinct.values()]
    memory_ids = list({served.memory_id for _, served in distinct.values()})
    for row in session.fetch("find_serving_keys", first_ns=min(times), last_ns=max(times), memory_ids=memory_ids):
        distinct.pop(row, None)
    if distinct:
        fresh = list(distinct.values())
        session.execute(
            "insert_servings",
            project_id=[project_id for project_id, _ in fresh],
            ordinal=[next_ordinal() for _ in fresh],
            **{name: [getattr(served, name) for _, served in fresh] for name in _FIELDS},
        )
        _note_served(session, fresh)


def _note_served(session: Session, fresh: Sequence[ServedItem]) -> None:
    last: dict[tuple[str, str], int] = {}
    for project_id, served in fresh:
        if not served.withheld:
            key = (project_id, served.memory_id)
            last[key] = max(served.served_ns, last.get(key, 0))
    if last:
        session.execute(
            "update_last_served",
            project_ids=[project_id for project_id, _ in last],
            memory_ids=[memory_id for _, memory_id in last],
            served_ns=list(last.values()),
        )


def find_served(session: Session, project_id: str, run_ids: Sequence[str]) -> dict[str, list[str]]:
    """Memory ids served to each run, by its id or by any of its traces, in order and without repetition.

    What was served to a named run of a trace is not another run's of the same trace.
    """
    traces = find_traces(session, project_id, run_ids)
    runs_of_trace: dict[bytes, list[str]] = {}
    for run_id, trace_ids in traces.items():
        for trace_id in trace_ids:
            runs_of_trace.setdefault(trace_id, []).append(run_id)
    found: list[tuple[int, str, str]] = []
    for piece in iter_pieces(run_ids):
        found += session.fetch("find_servings_of_runs", project_id=project_id, run_ids=piece)
    for trace_piece in iter_pieces(runs_of_trace):
        rows = session.fetch("find_servings_of_traces", project_id=project_id, trace_ids=trace_piece)
        named = find_run_ids(session, project_id, {trace for _, trace, _, name in rows if name is not None})
        found += [
            (ordinal, run_id, memory)
            for ordinal, trace, memory, name in rows
            if name not in named.get(trace, ())
            for run_id in runs_of_trace[trace]
        ]
    served: dict[str, list[str]] = {}
    for _, run_id, memory_id in sorted(found):
        of_run = served.setdefault(run_id, [])
        if memory_id not in of_run:
            of_run.append(memory_id)
    return served


def find_arm_counts(
    session: Session, project_id: str, scope: LiftScope, since_ns: int, agent: str | None, memory_id: str | None
) -> list[ArmCount]:
    """Runs whose memories were served or withheld by chance, by subject, chance and arm."""
    rows = session.fetch(
        "find_arm_counts",
        project_id=project_id,
        by=scope.value,
        since_ns=since_ns,
        agent=agent,
        memory_id=memory_id,
    )
    return [ArmCount(**dict(zip(_ARM_FIELDS, row, strict=True))) for row in rows]


def _key(project_id: str, served: Served) -> tuple[str, str, bytes | None, str | None, int, int]:
    return (project_id, served.memory_id, served.trace_id, served.run_id, served.rank, served.served_ns)
