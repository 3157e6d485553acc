"""OTLP protobuf export requests to records: the service's ingest hot path.

A bad span or log record never costs the others: it is left out and reported by its position. What cannot be parsed
as protobuf at all, or nests deeper than protobuf's own limit of 100 messages, is refused as a whole.

Source: opentelemetry-proto, ``trace/v1/trace.proto``, ``logs/v1/logs.proto``, ``common/v1/common.proto``.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as ProtoLog
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.spans import AttributeValue, LogRecord, SpanEvent, SpanLink, SpanRecord

NO_TRACE_ID: Final = bytes(16)
NO_SPAN_ID: Final = bytes(8)
MAX_TIME_NS: Final = 2**63 - 1
"""Latest Unix time in nanoseconds that a signed 64-bit column holds (the year 2262); a later one counts as this."""


class Rejected(NamedTuple):
    """A span or log record that was left out: its position in the request, and why."""

    position: int
    reason: str


def parse_trace_request(data: bytes) -> ExportTraceServiceRequest:
    """Parse the body of an OTLP trace export.

    Raises:
        InvalidArgument: when it is not that message, or nests too deeply.
    """
    request = ExportTraceServiceRequest()
    _parse(request, data, "ExportTraceServiceRequest")
    return request


def parse_logs_request(data: bytes) -> ExportLogsServiceRequest:
    """Parse the body of an OTLP logs export.

    Raises:
        InvalidArgument: when it is not that message, or nests too deeply.
    """
    request = ExportLogsServiceRequest()
    _parse(request, data, "ExportLogsServiceRequest")
    return request


def _parse(request: Any, data: bytes, name: str) -> None:
    try:
        request.ParseFromString(data)
    except DecodeError as error:
        raise InvalidArgument(
            f"the body is not an OTLP {name} in protobuf ({error}); check the exporter's protocol setting and that "
            "attribute values are valid UTF-8 and nest less than 100 messages deep"
        ) from error


def read_spans(request: ExportTraceServiceRequest) -> tuple[list[SpanRecord], list[Rejected]]:
    """Every valid span of the request, in order, and the rejected ones by their position among all spans."""
    records: list[SpanRecord] = []
    rejected: list[Rejected] = []
    index = 0
    for resource_spans in request.resource_spans:
        resource = read_attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            shared = (resource, scope.name, scope.version, scope_spans.schema_url or resource_spans.schema_url)
            for span in scope_spans.spans:
                fault = find_span_fault(span)
                if fault:
                    rejected.append(Rejected(index, fault))
                else:
                    records.append(_read_span(span, *shared))
                index += 1
    return records, rejected


def find_id_fault(trace_id: bytes, span_id: bytes) -> str | None:
    """Why a span with these ids cannot be kept, or ``None``."""
    if len(trace_id) != 16:
        return f"the trace id has {len(trace_id)} bytes; it must have 16"
    if trace_id == NO_TRACE_ID:
        return "the trace id is all zero, which OpenTelemetry defines as invalid"
    if len(span_id) != 8:
        return f"the span id has {len(span_id)} bytes; it must have 8"
    if span_id == NO_SPAN_ID:
        return "the span id is all zero, which OpenTelemetry defines as invalid"
    return None


def find_span_fault(span: ProtoSpan) -> str | None:
    """Why this span cannot be kept, or ``None``."""
    return find_id_fault(span.trace_id, span.span_id)


def _read_span(
    span: ProtoSpan, resource: dict[str, AttributeValue], scope: str, version: str, schema_url: str
) -> SpanRecord:
    parent = span.parent_span_id
    status = span.status
    return SpanRecord(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=parent if len(parent) == 8 and parent != NO_SPAN_ID else None,
        name=span.name,
        kind=span.kind,
        start_ns=min(span.start_time_unix_nano, MAX_TIME_NS),
        end_ns=min(span.end_time_unix_nano, MAX_TIME_NS),
        status_code=status.code,
        status_message=status.message,
        attributes=read_attributes(span.attributes),
        events=tuple(_read_event(event) for event in span.events) if span.events else (),
        links=tuple(_read_link(link) for link in span.links) if span.links else (),
        resource=resource,
        scope_name=scope,
        scope_version=version,
        schema_url=schema_url,
        flags=span.flags,
        dropped_attributes_count=span.dropped_attributes_count,
    )


def _read_event(event: ProtoSpan.Event) -> SpanEvent:
    return SpanEvent(
        name=event.name,
        time_ns=min(event.time_unix_nano, MAX_TIME_NS),
        attributes=read_attributes(event.attributes),
    )


def _read_link(link: ProtoSpan.Link) -> SpanLink:
    return SpanLink(trace_id=link.trace_id, span_id=link.span_id, attributes=read_attributes(link.attributes))


def read_logs(request: ExportLogsServiceRequest) -> tuple[list[LogRecord], list[Rejected]]:
    """Every valid log record of the request, in order, and the rejected ones by their position."""
    records: list[LogRecord] = []
    rejected: list[Rejected] = []
    index = 0
    for resource_logs in request.resource_logs:
        resource = read_attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for log in scope_logs.log_records:
                fault = find_log_fault(log.trace_id, log.span_id)
                if fault:
                    rejected.append(Rejected(index, fault))
                else:
                    records.append(_read_log(log, resource, scope_logs.scope.name, scope_logs.scope.version))
                index += 1
    return records, rejected


def find_log_fault(trace_id: bytes, span_id: bytes) -> str | None:
    """Why a log record with these ids cannot be kept, or ``None``; absent ids are fine."""
    if len(trace_id) not in (0, 16):
        return f"the trace id has {len(trace_id)} bytes; it must have 16 or be absent"
    if len(span_id) not in (0, 8):
        return f"the span id has {len(span_id)} bytes; it must have 8 or be absent"
    return None


def _read_log(log: ProtoLog, resource: dict[str, AttributeValue], scope: str, version: str) -> LogRecord:
    attributes = read_attributes(log.attributes)
    return LogRecord(
        trace_id=log.trace_id if log.trace_id and log.trace_id != NO_TRACE_ID else None,
        span_id=log.span_id if log.span_id and log.span_id != NO_SPAN_ID else None,
        event_name=log.event_name or event_name_of(attributes),
        time_ns=min(log.time_unix_nano or log.observed_time_unix_nano, MAX_TIME_NS),
        severity_number=log.severity_number,
        body=_read_value(log.body) if log.HasField("body") else None,
        attributes=attributes,
        resource=resource,
        scope_name=scope,
        scope_version=version,
    )


def event_name_of(attributes: dict[str, AttributeValue]) -> str:
    """The ``event.name`` attribute, where events stood before log records had a field for it."""
    name = attributes.get("event.name")
    return name if isinstance(name, str) else ""


def read_attributes(pairs: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    """Attributes as a dictionary; of a repeated key the last value wins."""
    # Most values are non-empty strings: reading that field is cheaper than asking which one is set.
    return {pair.key: (value := pair.value).string_value or _read_value(value) for pair in pairs}


def _read_value(value: AnyValue) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_read_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return read_attributes(value.kvlist_value.values)
    scalar: AttributeValue = getattr(value, kind)
    return scalar
