"""Export requests into the engine of this process, where ``Delivery`` would send them away.

The same OTLP bytes, without a network and without a spool: what the engine accepts is on disk.
"""

import atexit
from collections.abc import Mapping
from functools import cache
from typing import Final

from opentelemetry import _logs, trace

from reflect_otel.capture.connection import ENV_PROJECT_ID, build_headers, read_setting
from reflect_otel.capture.delivery_ledger import DeliveryLedger, DeliveryStatus
from reflect_otel.capture.otlp_call import Signal
from reflect_otel.errors import ReflectError
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import OtlpSink

_EXIT_FLUSH_MS: Final = 5_000


class EmbeddedDelivery:
    """Hands requests to the engine over a data folder.

    Args:
        folder: the data folder.
        project_id: else REFLECT_PROJECT_ID; where neither is set, each resource may name its own.
        headers: as they would be sent; ``x-reflect-project`` wins over ``project_id``.
        ledger: where everything is counted.

    Raises:
        ReflectError: as ``ReflectClient.embedded``.
    """

    def __init__(
        self, folder: str, project_id: str | None, headers: Mapping[str, str] | None, ledger: DeliveryLedger
    ) -> None:
        self._folder = folder
        self._ledger = ledger
        self._sink = _open_sink(folder, project_id, headers)

    @property
    def status(self) -> DeliveryStatus:
        """The state at this moment."""
        return self._ledger.read_status(degraded=self._ledger.is_losing)

    @property
    def has_disk(self) -> bool:
        """What the engine accepts is on disk."""
        return True

    def deliver(self, signal: Signal, items: int, body: bytes) -> bool:
        """Store a request of ``items`` spans or log records; False when the engine refuses it."""
        accept = self._sink.export_traces if signal is Signal.TRACES else self._sink.export_logs
        try:
            remark = accept(body)
        except ReflectError as error:
            self._ledger.note_dropped(items, str(error))
            return False
        self._ledger.note_delivered(items, 0, remark, self._folder)
        return True

    def keep(self, signal: Signal, items: int, body: bytes) -> bool:
        """As ``deliver``: what the engine accepts is on disk."""
        return self.deliver(signal, items, body)

    def resume(self) -> None:
        """Nothing waits here."""

    def flush(self, timeout_seconds: float) -> bool:  # noqa: ARG002 - as Delivery has it
        """Nothing is held back here."""
        return True

    def close(self, timeout_seconds: float) -> None:  # noqa: ARG002 - as Delivery has it
        """Give the engine up."""
        self._sink.close()


def _open_sink(folder: str, project_id: str | None, headers: Mapping[str, str] | None) -> OtlpSink:
    sent = build_headers(None, read_setting(project_id, ENV_PROJECT_ID))
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    sink: OtlpSink = load_plugin("reflect_otel.transports", "embedded")(folder, sent)
    _flush_at_exit()
    return sink


@cache
def _flush_at_exit() -> None:
    """A provider older than ours shuts down after the engine has closed, so its last spans are sent before."""
    atexit.register(_flush)


def _flush() -> None:
    for provider in (trace.get_tracer_provider(), _logs.get_logger_provider()):
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            flush(_EXIT_FLUSH_MS)
