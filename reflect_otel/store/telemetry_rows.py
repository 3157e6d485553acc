"""Span and log records as columns for DuckDB, and rows as records again."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from reflect_otel.attributes import GEN_AI_RESPONSE_ID
from reflect_otel.model.spans import Attributes, LogRecord, SpanEvent, SpanLink, SpanRecord
from reflect_otel.store.columns import Columns, build_numbers, build_objects, build_texts
from reflect_otel.store.session import Row
from reflect_otel.store.value_json import read_json, write_json

SpanItem: TypeAlias = tuple[str, SpanRecord]
LogItem: TypeAlias = tuple[str, LogRecord]

_TIME_LIMIT: Final = 2**64 - 1


class ResourceTexts:
    """JSON of resources, written once per object: the records of one request share theirs."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Attributes, str]] = {}

    def text(self, resource: Attributes) -> str:
        """JSON text, empty for an empty resource."""
        known = self._known.get(id(resource))
        if known is None:
            # the object is kept beside its text, so that its id cannot be given to another one meanwhile
            known = self._known[id(resource)] = (resource, write_json(resource) if resource else "")
        return known[1]


def build_span_columns(items: Sequence[SpanItem], first_arrival: int, received_ns: int) -> Columns:
    """Columns of ``insert_spans``; empty text stands for null."""
    resources = ResourceTexts()
    spans = [span for _, span in items]
    return {
        "project_id": build_texts(project_id for project_id, _ in items),
        "trace_id": build_objects(span.trace_id for span in spans),
        "span_id": build_objects(span.span_id for span in spans),
        "parent_span_id": build_objects(span.parent_span_id or b"" for span in spans),
        "arrival": np.arange(first_arrival, first_arrival + len(spans), dtype=np.int64),
        "received_ns": np.full(len(spans), received_ns, dtype=np.int64),
        "name": build_texts(span.name for span in spans),
        "kind": build_numbers((span.kind for span in spans), np.int32),
        "start_ns": build_numbers((span.start_ns for span in spans), np.uint64),
        "end_ns": build_numbers((span.end_ns for span in spans), np.uint64),
        "status_code": build_numbers((span.status_code for span in spans), np.int32),
        "status_message": build_texts(span.status_message for span in spans),
        "response_id": build_texts(_response_id(span.attributes) for span in spans),
        "attributes": build_objects(write_json(span.attributes) if span.attributes else "" for span in spans),
        "events": build_objects(_write_events(span.events) for span in spans),
        "links": build_objects(_write_links(span.links) for span in spans),
        "resource": build_objects(resources.text(span.resource) for span in spans),
        "scope_name": build_texts(span.scope_name for span in spans),
        "scope_version": build_texts(span.scope_version for span in spans),
        "schema_url": build_texts(span.schema_url for span in spans),
        "flags": build_numbers((span.flags for span in spans), np.int64),
        "dropped_attributes_count": build_numbers((span.dropped_attributes_count for span in spans), np.int64),
    }


def read_span(row: Row) -> SpanRecord:
    """A row of ``find_spans``."""
    trace_id, span_id, parent, name, kind, start_ns, end_ns, code, message, attributes, events, links = row[:12]
    resource, scope_name, scope_version, schema_url, flags, dropped = row[12:]
    return SpanRecord(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        kind=kind,
        start_ns=start_ns,
        end_ns=end_ns,
        status_code=code,
        status_message=message,
        attributes=_read_mapping(attributes),
        events=tuple(
            SpanEvent(name=name, time_ns=time_ns, attributes=attributes)
            for name, time_ns, attributes in (read_json(events) if events else ())
        ),
        links=tuple(
            SpanLink(trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id), attributes=attributes)
            for trace_id, span_id, attributes in (read_json(links) if links else ())
        ),
        resource=_read_mapping(resource),
        scope_name=scope_name,
        scope_version=scope_version,
        schema_url=schema_url,
        flags=flags,
        dropped_attributes_count=dropped,
    )


class LogTexts:
    """The JSON parts of a log record and the hash over all of it."""

    __slots__ = ("attributes", "body", "content_hash", "resource")

    def __init__(self, log: LogRecord, resources: ResourceTexts) -> None:
        self.body = "" if log.body is None else write_json(log.body)
        self.attributes = write_json(log.attributes) if log.attributes else ""
        self.resource = resources.text(log.resource)
        rest = [
            (log.trace_id or b"").hex(), (log.span_id or b"").hex(), log.event_name, log.time_ns,
            log.severity_number, log.scope_name, log.scope_version, self.body, self.attributes, self.resource,
        ]  # fmt: skip
        self.content_hash = hashlib.blake2b(write_json(rest).encode(), digest_size=16).digest()


def build_log_columns(
    items: Sequence[LogItem], texts: Sequence[LogTexts], first_arrival: int, received_ns: int
) -> Columns:
    """Columns of ``insert_logs``; empty text stands for null."""
    logs = [log for _, log in items]
    return {
        "project_id": build_texts(project_id for project_id, _ in items),
        "trace_id": build_objects(log.trace_id or b"" for log in logs),
        "span_id": build_objects(log.span_id or b"" for log in logs),
        "arrival": np.arange(first_arrival, first_arrival + len(logs), dtype=np.int64),
        "received_ns": np.full(len(logs), received_ns, dtype=np.int64),
        "content_hash": build_objects(text.content_hash for text in texts),
        "event_name": build_texts(log.event_name for log in logs),
        "time_ns": build_numbers((log.time_ns for log in logs), np.uint64),
        "severity_number": build_numbers((log.severity_number for log in logs), np.int32),
        "body": build_objects(text.body for text in texts),
        "attributes": build_objects(text.attributes for text in texts),
        "resource": build_objects(text.resource for text in texts),
        "scope_name": build_texts(log.scope_name for log in logs),
        "scope_version": build_texts(log.scope_version for log in logs),
    }


def read_log(row: Row) -> LogRecord:
    """A row of ``find_logs``."""
    trace_id, span_id, event_name, time_ns, severity, body, attributes, resource, scope_name, scope_version = row
    return LogRecord(
        trace_id=trace_id,
        span_id=span_id,
        event_name=event_name,
        time_ns=time_ns,
        severity_number=severity,
        body=read_json(body) if body else None,
        attributes=_read_mapping(attributes),
        resource=_read_mapping(resource),
        scope_name=scope_name,
        scope_version=scope_version,
    )


def clamp_time(time_ns: int) -> int:
    """Unix nanoseconds as OTLP's fixed64 holds them."""
    return min(max(time_ns, 0), _TIME_LIMIT)


def _response_id(attributes: Attributes) -> str:
    value = attributes.get(GEN_AI_RESPONSE_ID)
    return value if isinstance(value, str) else ""


def _write_events(events: Sequence[SpanEvent]) -> str:
    return write_json([[event.name, event.time_ns, event.attributes] for event in events]) if events else ""


def _write_links(links: Sequence[SpanLink]) -> str:
    return write_json([[link.trace_id.hex(), link.span_id.hex(), link.attributes] for link in links]) if links else ""


def _read_mapping(text: str | None) -> Mapping[str, Any]:
    value: Mapping[str, Any] = read_json(text) if text else {}
    return value
