"""``ReflectLogExporter``: log events, such as evaluation results, the same way as spans."""

import os
from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from reflect_otel.capture.delivery_ledger import Cargo, DeliveryStatus
from reflect_otel.capture.delivery_report import report_on
from reflect_otel.capture.outbox import Outbox, OutboxSettings


class ReflectLogExporter(LogRecordExporter):
    """Sends log records to the service as ``ReflectSpanExporter`` sends spans; the arguments are the same.

    Made without arguments by ``OTEL_LOGS_EXPORTER=reflect``. Never raises.
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
        self._outbox = Outbox(Cargo.LOG_RECORDS, settings, encode_logs)
        report_on(Cargo.LOG_RECORDS, self)

    @property
    def status(self) -> DeliveryStatus:
        """What became of the log records of this process: delivered, on disk, dropped."""
        return self._outbox.status

    def open(self) -> None:
        """Settle where to send now, not with the first export. Raises ReflectError as ``ReflectSpanExporter``."""
        self._outbox.open()

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Send a batch; SUCCESS says that it is at the service or on disk."""
        return LogRecordExportResult.SUCCESS if self._outbox.send(batch) else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Deliver what waits on disk while that goes well, for two seconds at most, and close the connection."""
        self._outbox.close()

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Wait until all records exported before are at the service or on disk; False when time ran out."""
        return self._outbox.flush(timeout_millis / 1000)
