"""``ReflectSpanExporter``: the stock OTLP gRPC exporter, pointed at the service and safe in a host."""

import logging
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from reflect_otel.capture.connection import ENV_ENDPOINT, find_embedded_folder, read_setting
from reflect_otel.capture.continuation import ContinuationFinder
from reflect_otel.capture.otlp_target import read_otlp_target
from reflect_otel.capture.run_stamp import restore_run_id
from reflect_otel.capture.suppression import suppressed_instrumentation

_logger: Final = logging.getLogger(__name__)


class ReflectSpanExporter(SpanExporter):
    """Sends spans to the service as plain OTLP over gRPC.

    Made without arguments by ``OTEL_TRACES_EXPORTER=reflect``, with keyword arguments by a declarative
    configuration file. Where to send: ``endpoint``, else REFLECT_ENDPOINT, else OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    else OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4317. Certificates and compression follow the
    OTEL_EXPORTER_OTLP variables.

    ``embedded://FOLDER`` stores spans with the engine of this process, see ``ReflectClient.embedded``.

    Never raises, not even here: a wrong setting is logged, and spans then count as failed. The connection is
    made with the first export, and again in a forked child.

    Args:
        endpoint: ``http://HOST:PORT`` (plaintext), ``https://HOST:PORT`` (TLS) or ``embedded://FOLDER``.
        api_key: else REFLECT_API_KEY.
        project_id: else REFLECT_PROJECT_ID.
        headers: more gRPC metadata; wins over all other sources.
        insecure: plaintext for an endpoint without a scheme.
        timeout: seconds for one batch, retries included; else OTEL_EXPORTER_OTLP_TIMEOUT, else 10.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        api_key: str | None = None,
        project_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        insecure: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._api_key = api_key
        self._project_id = project_id
        self._headers = headers
        self._insecure = insecure
        self._timeout_seconds = timeout
        self._closed = False
        self._otlp: SpanExporter | None = None
        self._inherited: list[SpanExporter] = []
        self._start_over()
        live_exporters.add(self)
        if hasattr(os, "register_at_fork"):
            start_over = weakref.WeakMethod(self._start_over)
            os.register_at_fork(after_in_child=lambda: (found := start_over()) and found())

    def _start_over(self) -> None:
        """Fresh state for this process; a forked child has no use for its parent's connection."""
        if self._otlp is not None:
            # Kept referenced: closing it in the child would act on the parent's connection.
            self._inherited.append(self._otlp)
            self._otlp = None
        self._continuations = ContinuationFinder()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open the way out now, not with the first export.

        Raises:
            ReflectError: the setting or the data folder that stands in the way.
        """
        with suppressed_instrumentation():
            self._connect()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; spans first get the run id that the attribute limit or an untraced agent left out."""
        if self._closed:
            return SpanExportResult.FAILURE
        with suppressed_instrumentation():
            try:
                otlp = self._connect()
            except Exception:
                _logger.exception("Spans cannot be sent to reflect-otel; correct the setting that this error names.")
                return SpanExportResult.FAILURE
            return _send(otlp, [self._continuations.join(restore_run_id(span)) for span in spans])

    def shutdown(self) -> None:
        """Close the connection; an export under way gives up its retries."""
        self._closed = True
        live_exporters.discard(self)
        if self._otlp is not None:
            self._otlp.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is held back here."""
        return True

    def _connect(self) -> SpanExporter:
        folder = find_embedded_folder(read_setting(self._endpoint, ENV_ENDPOINT) or "", field="endpoint")
        with self._lock:
            if self._otlp is None and folder is not None:
                from reflect_otel.capture.embedded_exporters import EmbeddedSpanExporter

                self._otlp = EmbeddedSpanExporter(folder, self._project_id, self._headers)
            elif self._otlp is None:
                target = read_otlp_target(
                    "TRACES",
                    endpoint=self._endpoint,
                    api_key=self._api_key,
                    project_id=self._project_id,
                    headers=self._headers,
                    insecure=self._insecure,
                )
                self._otlp = OTLPSpanExporter(
                    endpoint=target.endpoint,
                    headers=target.headers,
                    insecure=target.insecure,
                    timeout=self._timeout_seconds,
                )
            return self._otlp


live_exporters: Final[weakref.WeakSet[ReflectSpanExporter]] = weakref.WeakSet()
"""Every exporter of this process that is not shut down."""


def _send(otlp: SpanExporter, spans: Sequence[ReadableSpan]) -> SpanExportResult:
    """Export; when a span cannot be encoded, the others still go."""
    try:
        return otlp.export(spans)
    except Exception:
        if len(spans) == 1:
            _logger.exception("A span that OTLP cannot carry was left out.")
            return SpanExportResult.FAILURE
    middle = len(spans) // 2
    results = {_send(otlp, spans[:middle]), _send(otlp, spans[middle:])}
    return SpanExportResult.SUCCESS if results == {SpanExportResult.SUCCESS} else SpanExportResult.FAILURE
