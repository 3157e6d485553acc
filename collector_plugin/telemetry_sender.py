"""Sends telemetry the way any application does: SDK objects through the stock OTLP gRPC exporters."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from opentelemetry._logs import LogRecord as SdkLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

from collector_plugin.otlp.json_format import Telemetry
from reflect_otel.errors import Unavailable
from reflect_otel.model.spans import FLAG_PARENT_IS_REMOTE, LogRecord, SpanRecord

_SDK_KINDS: Final = {kind.value + 1: kind for kind in SpanKind}
"""OTLP numbers span kinds from 1, the SDK from 0."""

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class TelemetrySender:
    """One OTLP connection to the service, for spans and for log records.

    Args:
        endpoint: ``http://HOST:PORT`` of the service's gRPC port, or ``https://`` for TLS.
        headers: gRPC metadata, such as the credential.
        timeout_seconds: for each export, retries included.
    """

    def __init__(
        self, endpoint: str, headers: Mapping[str, str] = _NO_HEADERS, timeout_seconds: float = 10.0
    ) -> None:
        self._spans = OTLPSpanExporter(endpoint, headers=dict(headers), timeout=timeout_seconds)
        self._logs = OTLPLogExporter(endpoint, headers=dict(headers), timeout=timeout_seconds)

    def send(self, telemetry: Telemetry) -> None:
        """Export all spans, then all log records; returns once the service has acknowledged them.

        Raises:
            Unavailable: when the service did not take them.
        """
        spans = [build_readable_span(span) for span in telemetry.spans]
        logs = [build_readable_log(log) for log in telemetry.logs]
        if spans and self._spans.export(spans) is not SpanExportResult.SUCCESS:
            raise Unavailable("the service did not acknowledge the spans; see its log")
        if logs and self._logs.export(logs) is not LogRecordExportResult.SUCCESS:
            raise Unavailable("the service did not acknowledge the log records; see its log")

    def close(self) -> None:
        """Close the connection."""
        self._spans.shutdown()
        self._logs.shutdown()


def build_span_context(trace_id: bytes, span_id: bytes, *, is_remote: bool = False) -> SpanContext:
    """The SDK's span context of recorded ids."""
    return SpanContext(
        int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big"), is_remote, TraceFlags(TraceFlags.SAMPLED)
    )


def build_readable_span(span: SpanRecord) -> ReadableSpan:
    """A recorded span as the ended SDK span that it once was."""
    remote = bool(span.flags & FLAG_PARENT_IS_REMOTE)
    parent = build_span_context(span.trace_id, span.parent_span_id, is_remote=remote) if span.parent_span_id else None
    status = StatusCode(span.status_code)
    return ReadableSpan(
        name=span.name,
        context=build_span_context(span.trace_id, span.span_id),
        parent=parent,
        resource=Resource(_attributes(span.resource)),
        attributes=_attributes(span.attributes),
        events=[Event(event.name, _attributes(event.attributes), event.time_ns) for event in span.events],
        links=[
            Link(build_span_context(link.trace_id, link.span_id), _attributes(link.attributes)) for link in span.links
        ],
        kind=_SDK_KINDS.get(span.kind, SpanKind.INTERNAL),
        status=Status(status, span.status_message if status is StatusCode.ERROR else None),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope(span.scope_name, span.scope_version, span.schema_url),
    )


def build_readable_log(log: LogRecord) -> ReadableLogRecord:
    """A recorded log record or event as the SDK's."""
    return ReadableLogRecord(
        SdkLogRecord(
            timestamp=log.time_ns,
            observed_timestamp=log.time_ns,
            context=_log_context(log),
            severity_number=SeverityNumber(log.severity_number),
            body=log.body,
            attributes=_attributes(log.attributes),
            event_name=log.event_name or None,
        ),
        resource=Resource(_attributes(log.resource)),
        instrumentation_scope=InstrumentationScope(log.scope_name, log.scope_version),
    )


def _log_context(log: LogRecord) -> Context:
    if log.trace_id is None:
        return Context()
    span = NonRecordingSpan(build_span_context(log.trace_id, log.span_id or bytes(8)))
    return set_span_in_context(span, Context())


def _attributes(attributes: Mapping[str, Any] | Sequence[Any]) -> Any:
    """Our attribute type is OTLP's, wider than the SDK's alias, which its encoder takes all the same."""
    return attributes
