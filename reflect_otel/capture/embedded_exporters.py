"""Spans and log records into the engine of this process, where the stock OTLP exporters would send them away.

The same OTLP bytes, without a network. What is accepted is on disk when ``export`` returns.
"""

import atexit
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from reflect_otel.capture.connection import ENV_PROJECT_ID, build_headers, read_setting
from reflect_otel.capture.suppression import suppressed_instrumentation
from reflect_otel.errors import ReflectError
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import OtlpSink

_EXIT_FLUSH_MS: Final = 5_000

_logger: Final = logging.getLogger(__name__)


class EmbeddedSpanExporter(SpanExporter):
    """Hands spans to the engine over a data folder.

    Args:
        folder: the data folder.
        project_id: else REFLECT_PROJECT_ID; where neither is set, each resource may name its own.
        headers: as they would be sent; ``x-reflect-project`` wins over ``project_id``.

    Raises:
        ReflectError: as ``ReflectClient.embedded``.
    """

    def __init__(self, folder: str, project_id: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        self._sink = _open_sink(folder, project_id, headers)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Store a batch. Raises only for a span that OTLP cannot carry."""
        body = encode_spans(spans).SerializeToString()
        try:
            _report(self._sink.export_traces(body))
        except ReflectError as error:
            _logger.error("%d spans were not stored: %s", len(spans), error)  # noqa: TRY400 - the error says it all
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Give the engine up."""
        self._sink.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is held back here."""
        return True


class EmbeddedLogExporter(LogRecordExporter):
    """Hands log records to the engine over a data folder; arguments and errors as ``EmbeddedSpanExporter``."""

    def __init__(self, folder: str, project_id: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        self._sink = _open_sink(folder, project_id, headers)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Store a batch. Never raises."""
        with suppressed_instrumentation():
            try:
                _report(self._sink.export_logs(encode_logs(batch).SerializeToString()))
            except Exception:
                _logger.exception("%d log records were not stored.", len(batch))
                return LogRecordExportResult.FAILURE
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Give the engine up."""
        self._sink.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is held back here."""
        return True


def _open_sink(folder: str, project_id: str | None, headers: Mapping[str, str] | None) -> OtlpSink:
    sent = build_headers(None, read_setting(project_id, ENV_PROJECT_ID))
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    sink: OtlpSink = load_plugin("reflect_otel.transports", "embedded")(folder, sent)
    _flush_at_exit()
    return sink


def _report(remark: str) -> None:
    if remark:
        _logger.warning("The embedded engine remarks on what it stored: %s", remark)


@cache
def _flush_at_exit() -> None:
    """A provider older than ours shuts down after the engine has closed, so its last spans are sent before."""
    atexit.register(_flush)


def _flush() -> None:
    for provider in (trace.get_tracer_provider(), _logs.get_logger_provider()):
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            flush(_EXIT_FLUSH_MS)
