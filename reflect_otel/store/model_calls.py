"""What language models were asked, what it cost, and how each run's lesson was drawn."""

from collections.abc import Sequence
from typing import Any, Final

from reflect_otel.model.model_call import ModelCall, Spending
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.model.trace import RunRecord
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.run_rows import read_run
from reflect_otel.store.session import Row, Session
from reflect_otel.store.value_json import read_json, write_json

_REFLECTION_COLUMNS: Final = (
    "run_id", "memory_id", "reflector", "model", "note", "evidence_steps", "contrasted_with", "prompt_hash",
    "created_ns", "raw_output",
)  # fmt: skip
_CALL_COLUMNS: Final = (
    "call_id", "run_id", "purpose", "model", "input_tokens", "output_tokens", "cost_usd", "error", "started_ns",
)  # fmt: skip


def write_reflections(session: Session, project_id: str, records: Sequence[ReflectionRecord]) -> None:
    """Replace what is known about the last reflection of each run."""
    if records:
        values = {name: [getattr(record, name) for record in records] for name in _REFLECTION_COLUMNS}
        values["evidence_steps"] = [write_json(list(record.evidence_steps)) for record in records]
        run_ids = tuple(record.run_id for record in records)
        session.execute("delete_reflections", project_id=project_id, run_ids=run_ids)
        session.execute("insert_reflections", project_id=project_id, **values)


def find_reflection(session: Session, project_id: str, run_id: str) -> ReflectionRecord | None:
    """The run's last reflection with the raw answer behind it."""
    rows = session.fetch("find_reflection", project_id=project_id, run_id=run_id)
    return _read_reflection(rows[0]) if rows else None


def find_reflections(session: Session, project_id: str, run_ids: Sequence[str]) -> dict[str, ReflectionRecord]:
    """The last reflection of each run, without raw answers; runs without one are absent."""
    found = (
        _read_reflection(row)
        for piece in iter_pieces(run_ids)
        for row in session.fetch("find_reflections", project_id=project_id, run_ids=piece)
    )
    return {record.run_id: record for record in found}


def write_model_call(session: Session, project_id: str, call: ModelCall) -> None:
    """Upsert by call id."""
    values = {name: getattr(call, name) for name in _CALL_COLUMNS}
    session.execute("write_model_call", project_id=project_id, **values | {"purpose": call.purpose.value})


def read_spending(session: Session, project_id: str, since_ns: int) -> Spending:
    """What the project's calls came to."""
    calls, tokens, cost_usd = session.fetch("find_spending", project_id=project_id, since_ns=since_ns)[0]
    return Spending(calls=int(calls), tokens=int(tokens), cost_usd=float(cost_usd))


def find_unjudged_runs(session: Session, since_ns: int, until_ns: int, max_tries: int, limit: int) -> list[RunRecord]:
    """Closed runs without a review and without a judgement, oldest first."""
    rows = session.fetch("find_unjudged_runs", since_ns=since_ns, until_ns=until_ns, max_tries=max_tries, limit=limit)
    return [read_run(row) for row in rows]


def _read_reflection(row: Row) -> ReflectionRecord:
    fields: dict[str, Any] = dict(zip(_REFLECTION_COLUMNS, row, strict=True))
    return ReflectionRecord(**fields | {"evidence_steps": tuple(read_json(fields["evidence_steps"]))})
