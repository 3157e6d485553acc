"""``ReflectSpanExporter``: spans to the service as OTLP over gRPC, by way of the disk while it is away."""

import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from reflect_otel.capture.continuation import ContinuationFinder
from reflect_otel.capture.delivery_ledger import Cargo, DeliveryStatus
from reflect_otel.capture.delivery_report import report_on
from reflect_otel.capture.outbox import Outbox, OutboxSettings
from reflect_otel.capture.run_stamp import restore_run_id


class ReflectSpanExporter(SpanExporter):
    """Sends spans to the service as plain OTLP over gRPC, and keeps on disk what it cannot deliver.

    Made without arguments by ``OTEL_TRACES_EXPORTER=reflect``, with keyword arguments by a declarative
    configuration file. Where to send: ``endpoint``, else REFLECT_ENDPOINT, else OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    else OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4317. Certificates and compression follow the
    OTEL_EXPORTER_OTLP variables. ``embedded://FOLDER`` stores spans with the engine of this process, see
    ``ReflectClient.embedded``.

    Never raises, not even here: a wrong setting is logged, and spans then count as dropped. The connection is
    made with the first export, and again in a forked child. See docs/delivery.md for what is guaranteed.

    Args:
        endpoint: ``http://HOST:PORT`` (plaintext), ``https://HOST:PORT`` (TLS) or ``embedded://FOLDER``.
        api_key: else REFLECT_API_KEY.
        project_id: else REFLECT_PROJECT_ID.
        headers: more gRPC metadata; wins over all other sources.
        insecure: plaintext for an endpoint without a scheme.
        timeout: seconds for one attempt, else OTEL_EXPORTER_OTLP_TIMEOUT, else 10; without a spool for all attempts.
        spool_bytes: most bytes on disk, else REFLECT_SPOOL_BYTES, else 256 MiB; 0 keeps nothing on disk.
        spool_dir: where, else REFLECT_SPOOL_DIR, else a folder under the user's state folder.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        api_key: str | None = None,
        project_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        insecure: bool | None = None,
        timeout: float | None = None,
        spool_bytes: int | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        settings = OutboxSettings(
            endpoint, api_key, project_id, headers, insecure, timeout, spool_bytes=spool_bytes, spool_dir=spool_dir
        )
        self._outbox = Outbox(Cargo.SPANS, settings, encode_spans)
        report_on(Cargo.SPANS, self)
        self._start_over()
        live_exporters.add(self)
        if hasattr(os, "register_at_fork"):
            start_over = weakref.WeakMethod(self._start_over)
            os.register_at_fork(after_in_child=lambda: (found := start_over()) and found())

    def _start_over(self) -> None:
        self._continuations = ContinuationFinder()

    @property
    def status(self) -> DeliveryStatus:
        """What became of the spans of this process: delivered, on disk, dropped."""
        return self._outbox.status

    @property
    def degraded(self) -> bool:
        """Whether spans are not arriving at this moment."""
        return self._outbox.status.degraded

    @property
    def dropped_spans(self) -> int:
        """Spans lost for good since the start."""
        return self._outbox.status.dropped

    def open(self) -> None:
        """Settle where to send now, not with the first export.

        Raises:
            ReflectError: the setting or the data folder that stands in the way.
        """
        self._outbox.open()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; spans first get the run id that the attribute limit or an untraced agent left out.

        Returns at the latest when the spans are on disk; SUCCESS says that they are there or at the service.
        """
        sent = self._outbox.send([self._continuations.join(restore_run_id(span)) for span in spans])
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Deliver what waits on disk while that goes well, for two seconds at most, and close the connection."""
        live_exporters.discard(self)
        self._outbox.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until all spans exported before are at the service or on disk; False when time ran out."""
        return self._outbox.flush(timeout_millis / 1000)


live_exporters: Final[weakref.WeakSet[ReflectSpanExporter]] = weakref.WeakSet()
"""Every exporter of this process that is not shut down."""
