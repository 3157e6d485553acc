"""OTLP/JSON export requests to records: what a Collector's file exporter and OTLP/HTTP with JSON write.

Follows the OTLP specification's JSON mapping, and is lenient where senders differ: ids are hex in either case,
64-bit integers are numbers or strings, enums are numbers or names, field names are lowerCamelCase or snake_case.
A bad span or log record never costs the others.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson

from collector_plugin.otlp.json_values import (
    read_attributes,
    read_id,
    read_list,
    read_number,
    read_text,
    read_time,
    read_value,
)
from collector_plugin.otlp.protobuf import (
    NO_SPAN_ID,
    NO_TRACE_ID,
    Rejected,
    event_name_of,
    find_id_fault,
    find_log_fault,
)
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.spans import AttributeValue, LogRecord, SpanEvent, SpanKind, SpanLink, SpanRecord, StatusCode

_KINDS: Final = {f"SPAN_KIND_{kind.name}": kind.value for kind in SpanKind}
_STATUS_CODES: Final = {f"STATUS_CODE_{code.name}": code.value for code in StatusCode}
_SEVERITY_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_SEVERITIES: Final = {
    f"SEVERITY_NUMBER_{level}{step or ''}": 4 * rank + max(step, 1)
    for rank, level in enumerate(_SEVERITY_LEVELS)
    for step in (0, 2, 3, 4)
}

_Record = TypeVar("_Record", SpanRecord, LogRecord)


@dataclass(slots=True)
class Telemetry:
    """What was read: records in order, and what was left out.

    Attributes:
        rejected_spans, rejected_logs: by position among the spans, or the log records, of their request.
    """

    spans: list[SpanRecord] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    rejected_spans: list[Rejected] = field(default_factory=list)
    rejected_logs: list[Rejected] = field(default_factory=list)

    def extend(self, other: "Telemetry") -> None:
        """Append all that ``other`` holds."""
        self.spans += other.spans
        self.logs += other.logs
        self.rejected_spans += other.rejected_spans
        self.rejected_logs += other.rejected_logs


def read_json(data: bytes | str) -> Telemetry:
    """Read one OTLP/JSON export request, of traces or of logs, or an array of them.

    Raises:
        InvalidArgument: when it is not JSON, or holds neither ``resourceSpans`` nor ``resourceLogs``.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"not JSON: {error}") from error
    telemetry = Telemetry()
    for request in document if isinstance(document, list) else [document]:
        telemetry.extend(_read_request(request))
    return telemetry


def _read_request(request: Any) -> Telemetry:
    if not isinstance(request, dict):
        raise InvalidArgument("an OTLP/JSON export request is an object with resourceSpans or resourceLogs")
    traces = _get(request, "resourceSpans", "resource_spans")
    logs = _get(request, "resourceLogs", "resource_logs")
    if traces is None and logs is None:
        raise InvalidArgument("the JSON holds neither resourceSpans nor resourceLogs; export traces or logs as OTLP")
    telemetry = Telemetry()
    _collect(traces, ("scopeSpans", "scope_spans"), "spans", _read_span, telemetry.spans, telemetry.rejected_spans)
    _collect(logs, ("scopeLogs", "scope_logs"), "logRecords", _read_log, telemetry.logs, telemetry.rejected_logs)
    return telemetry


@dataclass(frozen=True, slots=True)
class _Origin:
    """What all records of one scope share."""

    resource: dict[str, AttributeValue]
    scope: str
    version: str
    schema_url: str


def _collect(
    groups: Any,
    scope_keys: tuple[str, str],
    items_key: str,
    read: Callable[[dict[str, Any], _Origin], _Record],
    records: list[_Record],
    rejected: list[Rejected],
) -> None:
    index = 0
    for group in _objects(groups):
        resource = _read_origin_attributes(group.get("resource"))
        for scoped in _objects(_get(group, *scope_keys)):
            origin = _read_origin(group, scoped, resource)
            for item in read_list(_get(scoped, items_key, _snake(items_key))):
                try:
                    records.append(read(item, origin))
                except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
                    rejected.append(Rejected(index, f"not OTLP/JSON: {error}"))
                index += 1


def _read_origin(group: dict[str, Any], scoped: dict[str, Any], resource: dict[str, AttributeValue]) -> _Origin:
    scope = scoped.get("scope")
    scope = scope if isinstance(scope, dict) else {}
    schema = _get(scoped, "schemaUrl", "schema_url") or _get(group, "schemaUrl", "schema_url")
    name, version = scope.get("name"), scope.get("version")
    return _Origin(resource, *(text if isinstance(text, str) else "" for text in (name, version, schema)))


def _read_origin_attributes(resource: Any) -> dict[str, AttributeValue]:
    try:
        return read_attributes(resource.get("attributes")) if isinstance(resource, dict) else {}
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError):
        return {}


def _read_span(span: dict[str, Any], origin: _Origin) -> SpanRecord:
    trace_id = read_id(_get(span, "traceId", "trace_id"), "trace id")
    span_id = read_id(_get(span, "spanId", "span_id"), "span id")
    fault = find_id_fault(trace_id, span_id)
    if fault:
        raise InvalidArgument(fault)
    parent = read_id(_get(span, "parentSpanId", "parent_span_id"), "parent span id")
    status = span.get("status") or {}
    events, links = span.get("events"), span.get("links")
    return SpanRecord(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent if len(parent) == 8 and parent != NO_SPAN_ID else None,
        name=read_text(span.get("name")),
        kind=read_number(span.get("kind"), _KINDS),
        start_ns=read_time(_get(span, "startTimeUnixNano", "start_time_unix_nano")),
        end_ns=read_time(_get(span, "endTimeUnixNano", "end_time_unix_nano")),
        status_code=read_number(status.get("code"), _STATUS_CODES),
        status_message=read_text(status.get("message")),
        attributes=read_attributes(span.get("attributes")),
        events=tuple(_read_event(event) for event in events) if events else (),
        links=tuple(_read_link(link) for link in links) if links else (),
        resource=origin.resource,
        scope_name=origin.scope,
        scope_version=origin.version,
        schema_url=origin.schema_url,
        flags=read_number(span.get("flags")),
        dropped_attributes_count=read_number(_get(span, "droppedAttributesCount", "dropped_attributes_count")),
    )


def _read_event(event: dict[str, Any]) -> SpanEvent:
    return SpanEvent(
        name=read_text(event.get("name")),
        time_ns=read_time(_get(event, "timeUnixNano", "time_unix_nano")),
        attributes=read_attributes(event.get("attributes")),
    )


def _read_link(link: dict[str, Any]) -> SpanLink:
    return SpanLink(
        trace_id=read_id(_get(link, "traceId", "trace_id"), "trace id of a link"),
        span_id=read_id(_get(link, "spanId", "span_id"), "span id of a link"),
        attributes=read_attributes(link.get("attributes")),
    )


def _read_log(log: dict[str, Any], origin: _Origin) -> LogRecord:
    trace_id = read_id(_get(log, "traceId", "trace_id"), "trace id")
    span_id = read_id(_get(log, "spanId", "span_id"), "span id")
    fault = find_log_fault(trace_id, span_id)
    if fault:
        raise InvalidArgument(fault)
    attributes = read_attributes(log.get("attributes"))
    body = log.get("body")
    return LogRecord(
        trace_id=trace_id if trace_id and trace_id != NO_TRACE_ID else None,
        span_id=span_id if span_id and span_id != NO_SPAN_ID else None,
        event_name=read_text(_get(log, "eventName", "event_name")) or event_name_of(attributes),
        time_ns=read_time(_get(log, "timeUnixNano", "time_unix_nano"))
        or read_time(_get(log, "observedTimeUnixNano", "observed_time_unix_nano")),
        severity_number=read_number(_get(log, "severityNumber", "severity_number"), _SEVERITIES),
        body=read_value(body, 0) if body else None,
        attributes=attributes,
        resource=origin.resource,
        scope_name=origin.scope,
        scope_version=origin.version,
    )


def _get(source: dict[str, Any], camel: str, snake: str) -> Any:
    found = source.get(camel)
    return source.get(snake) if found is None else found


def _snake(camel: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in camel)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    items: Iterable[Any] = read_list(value)
    return (item for item in items if isinstance(item, dict))
