"""Journal records as what arrived: spans, log events and served memories, by project."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final, TypeVar

from collector_plugin.otlp import parse_logs_request, parse_trace_request, read_logs, read_spans
from reflect_otel import attributes as keys
from reflect_otel.errors import InvalidArgument
from reflect_otel.journal import JournalRecord
from reflect_otel.model.memory import Served
from reflect_otel.model.spans import LogRecord, SpanRecord
from reflect_otel.model.trace import DEFAULT_PROJECT
from reflect_otel.service.auth import require_project_name

_Record = TypeVar("_Record", SpanRecord, LogRecord)


_SERVED_FIELDS: Final = tuple(field.name for field in fields(Served))


class RecordKind(IntEnum):
    """What a journal record holds."""

    TRACES = 1
    LOGS = 2
    SERVED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What one journal record brought for one project.

    Attributes:
        received_ns: when the service accepted it, Unix nanoseconds.
        span_bytes: mean size of one span on the wire.
    """

    project_id: str
    received_ns: int
    spans: Sequence[SpanRecord] = ()
    logs: Sequence[LogRecord] = ()
    served: Sequence[Served] = ()
    span_bytes: int = 0


def read_arrivals(record: JournalRecord) -> Iterator[Arrival]:
    """What a journal record holds; a request without a fixed project may hold several.

    Raises:
        InvalidArgument: when it cannot be decoded.
    """
    at = record.received_ns
    if record.kind == RecordKind.TRACES:
        spans, _ = read_spans(parse_trace_request(record.body))
        size = len(record.body) // max(1, len(spans))
        for project_id, members in _by_project(record.project_id, spans).items():
            yield Arrival(project_id=project_id, received_ns=at, spans=members, span_bytes=size)
    elif record.kind == RecordKind.LOGS:
        logs, _ = read_logs(parse_logs_request(record.body))
        for project_id, events in _by_project(record.project_id, logs).items():
            yield Arrival(project_id=project_id, received_ns=at, logs=events)
    else:
        yield Arrival(project_id=record.project_id, received_ns=at, served=_read_served(record.body))


def write_served(served: Sequence[Served]) -> bytes:
    """Served memories as the body of a journal record."""
    rows = [
        {name: getattr(item, name) for name in _SERVED_FIELDS}
        | {"trace_id": item.trace_id.hex() if item.trace_id else None}
        for item in served
    ]
    return json.dumps(rows).encode()


def _read_served(body: bytes) -> list[Served]:
    try:
        rows: list[dict[str, Any]] = json.loads(body)
        return [
            Served(**{**row, "trace_id": bytes.fromhex(row["trace_id"]) if row["trace_id"] else None}) for row in rows
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidArgument(f"the record holds no served memories: {error}") from error


def _by_project(project_id: str, records: Sequence[_Record]) -> dict[str, list[_Record]]:
    """Split records by their project: the credential's, else the one their resource names."""
    if project_id:
        return {project_id: list(records)}
    groups: dict[str, list[_Record]] = {}
    for record in records:
        groups.setdefault(_claimed_project(record.resource.get(keys.REFLECT_PROJECT_ID)), []).append(record)
    return groups


def _claimed_project(name: object) -> str:
    try:
        return require_project_name(name) if isinstance(name, str) and name else DEFAULT_PROJECT
    except InvalidArgument:
        return DEFAULT_PROJECT
