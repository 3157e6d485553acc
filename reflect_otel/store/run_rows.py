"""The run table: one row per run, and which traces belong to which run."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.store.columns import (
    MAX_NULLABLE_ROWS,
    Columns,
    build_numbers,
    build_objects,
    build_optional_texts,
)
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.session import Row, Session
from reflect_otel.store.telemetry import KnownTraces, TraceKey
from reflect_otel.store.value_json import read_json, write_json

_COLUMNS: Final = (
    "project_id", "run_id", "trace_ids", "state", "closed_by", "task", "agent", "model", "session_id",
    "final_response", "reference_context", "metadata", "served_memory_ids", "steps", "llm_calls", "llm_errors",
    "tool_calls", "tool_errors", "input_tokens", "output_tokens", "span_count", "late_spans", "started_ns",
    "ended_ns", "first_seen_ns", "last_seen_ns", "inferred", "last_error", "author",
)  # fmt: skip
"""The table's columns and the record's fields, in the order of both."""

_TEXTS: Final = (
    "project_id", "run_id", "task", "agent", "model", "session_id", "final_response", "reference_context",
    "last_error", "author",
)  # fmt: skip
_NUMBERS: Final = (
    "steps", "llm_calls", "llm_errors", "tool_calls", "tool_errors", "input_tokens", "output_tokens", "span_count",
    "late_spans", "first_seen_ns", "last_seen_ns",
)  # fmt: skip
_TIMES: Final = ("started_ns", "ended_ns")
_DOCUMENTS: Final = ("trace_ids", "served_memory_ids", "metadata")


def write_runs(session: Session, records: Iterable[RunRecord], known: KnownTraces) -> None:
    """Upsert run rows; of several with one key the last counts. ``known`` tells the traces that are new."""
    newest = {(record.project_id, record.run_id): record for record in records}
    old: dict[str, list[str]] = {}
    for project_id, run_id in newest:
        if (project_id, read_trace_hex(run_id)) not in known.new:
            old.setdefault(project_id, []).append(run_id)
    for project_id, run_ids in old.items():
        for piece in iter_pieces(run_ids):
            session.execute("delete_runs", project_id=project_id, run_ids=piece)
    rows = list(newest.values())
    for start in range(0, len(rows), MAX_NULLABLE_ROWS):
        session.insert("insert_runs", _build_columns(rows[start : start + MAX_NULLABLE_ROWS]))


def find_named_traces(record: RunRecord) -> Iterator[TraceKey]:
    """The traces that a run's row speaks of, with the one its id may be."""
    for identifier in (record.run_id, *record.trace_ids):
        trace_id = read_trace_hex(identifier)
        if trace_id is not None:
            yield record.project_id, trace_id


def is_known(session: Session, project_id: str, run_id: str) -> bool:
    """Whether there is such a run."""
    return bool(session.fetch("count_runs_of_id", project_id=project_id, run_id=run_id)[0][0])


def find_record(session: Session, project_id: str, run_id: str) -> RunRecord | None:
    """The row of one run."""
    return next(iter(find_records(session, project_id, (run_id,))), None)


def find_records(session: Session, project_id: str, run_ids: Sequence[str]) -> list[RunRecord]:
    """The rows of these runs, of those that are known."""
    return [
        read_run(row)
        for piece in iter_pieces(run_ids)
        for row in session.fetch("find_runs_by_id", project_id=project_id, run_ids=piece)
    ]


def find_record_by_identifier(session: Session, project_id: str, identifier: str) -> RunRecord | None:
    """The row of a run by its id, else by a W3C trace id in hex; of several runs of a trace the first joined."""
    record = find_record(session, project_id, identifier)
    if record is not None:
        return record
    trace_id = read_trace_hex(identifier)
    joined = find_run_ids(session, project_id, [trace_id]).get(trace_id, ()) if trace_id else ()
    return next(filter(None, (find_record(session, project_id, run_id) for run_id in joined)), None)


def find_run_ids(session: Session, project_id: str, trace_ids: Iterable[bytes]) -> dict[bytes, list[str]]:
    """Run ids of each known trace, first joined first."""
    found: dict[bytes, list[str]] = {}
    for piece in iter_pieces(set(trace_ids)):
        for owner, trace_id, run_id in session.fetch("find_runs_of_traces", trace_ids=piece):
            if owner == project_id:
                found.setdefault(trace_id, []).append(run_id)
    return found


def find_traces(session: Session, project_id: str, run_ids: Sequence[str]) -> dict[str, list[bytes]]:
    """Trace ids of each run, first joined first; runs without one are absent."""
    found: dict[str, list[bytes]] = {}
    for piece in iter_pieces(run_ids):
        for run_id, trace_id in session.fetch("find_traces_of_runs", project_id=project_id, run_ids=piece):
            found.setdefault(run_id, []).append(trace_id)
    return found


def read_trace_hex(identifier: str) -> bytes | None:
    """The 16 bytes of a W3C trace id in hex of either case; ``None`` for any other text."""
    if len(identifier) != 32:
        return None
    try:
        trace_id = bytes.fromhex(identifier)
    except ValueError:
        return None
    return trace_id if len(trace_id) == 16 else None


def read_run(row: Row) -> RunRecord:
    """A row of the run table."""
    fields: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    fields["trace_ids"] = tuple(read_json(fields["trace_ids"]))
    fields["served_memory_ids"] = tuple(read_json(fields["served_memory_ids"]))
    fields["metadata"] = read_json(fields["metadata"])
    fields["state"] = RunState(fields["state"])
    fields["closed_by"] = ClosedBy(fields["closed_by"]) if fields["closed_by"] else None
    return RunRecord(**fields)


def _build_columns(records: Sequence[RunRecord]) -> Columns:
    columns = {name: build_optional_texts(getattr(record, name) for record in records) for name in _TEXTS}
    columns |= {name: build_numbers((getattr(record, name) for record in records), np.int64) for name in _NUMBERS}
    columns |= {name: build_numbers((getattr(record, name) for record in records), np.uint64) for name in _TIMES}
    columns |= {name: build_objects(write_json(getattr(record, name)) for record in records) for name in _DOCUMENTS}
    return columns | {
        "state": build_objects(record.state.value for record in records),
        "closed_by": build_objects(record.closed_by.value if record.closed_by else None for record in records),
        "inferred": np.array([record.inferred for record in records], dtype=bool),
    }
