"""``RunSpanProcessor``: stamps spans with their run, and sends a run's spans when its local root has ended."""

import logging
import os
import threading
import time
import weakref
from queue import Empty, SimpleQueue
from typing import Final

from opentelemetry.sdk.environment_variables import (
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_SCHEDULE_DELAY,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import TraceFlags

from reflect_otel.capture.delivery_ledger import count_overflow
from reflect_otel.capture.exporter import ReflectSpanExporter
from reflect_otel.capture.run_stamp import RunStampProcessor
from reflect_otel.capture.span_buffer import SpanBuffer
from reflect_otel.capture.suppression import suppressed_instrumentation
from reflect_otel.errors import InvalidArgument

DEFAULT_MAX_SPANS: Final = 8_192
DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024
DEFAULT_SCHEDULE_DELAY_MS: Final = 1_000
"""What a killed process may lose: the spans of the last second, of runs that had not ended."""

DEFAULT_MAX_EXPORT_BATCH_SIZE: Final = 512
SHUTDOWN_TIMEOUT_MS: Final = 5_000
_LINGER_SECONDS: Final = 0.02
"""Runs that end within this time of each other travel together."""

_SAMPLED: Final = TraceFlags.SAMPLED

_logger: Final = logging.getLogger(__name__)


class RunSpanProcessor(RunStampProcessor):
    """Replaces ``BatchSpanProcessor``: whole runs in one request, memory bounded in bytes, calls that never block.

    The spans of a trace wait until its local root ends, for ``schedule_delay_ms`` at most; a full batch or half
    of ``max_bytes`` sends them sooner. A background thread exports; it starts with the first span and again in a
    forked child.

    Args:
        exporter: where spans go; a ``ReflectSpanExporter`` from the environment when not given.
        max_spans: most spans held, else OTEL_BSP_MAX_QUEUE_SIZE, else 8192; the oldest are dropped first.
        max_bytes: most bytes held.
        schedule_delay_ms: longest wait in milliseconds, else OTEL_BSP_SCHEDULE_DELAY, else 1000.
        max_export_batch_size: most spans in one export, else OTEL_BSP_MAX_EXPORT_BATCH_SIZE, else 512.

    Attributes:
        lost_spans: spans whose export failed.

    Raises:
        InvalidArgument: when a bound is not positive.
    """

    def __init__(
        self,
        exporter: SpanExporter | None = None,
        *,
        max_spans: int | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        schedule_delay_ms: float | None = None,
        max_export_batch_size: int | None = None,
    ) -> None:
        delay_ms = _bound(schedule_delay_ms, "schedule_delay_ms", OTEL_BSP_SCHEDULE_DELAY, DEFAULT_SCHEDULE_DELAY_MS)
        spans = int(_bound(max_spans, "max_spans", OTEL_BSP_MAX_QUEUE_SIZE, DEFAULT_MAX_SPANS))
        batch_spans = int(
            _bound(
                max_export_batch_size,
                "max_export_batch_size",
                OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
                DEFAULT_MAX_EXPORT_BATCH_SIZE,
            )
        )
        self._bounds = (spans, int(_bound(max_bytes, "max_bytes", None, 0)), min(batch_spans, spans))
        self._delay_seconds = delay_ms / 1000
        self._exporter = exporter if exporter is not None else ReflectSpanExporter()
        self._stopped = False
        self._abandoned = False
        self.lost_spans = 0
        self._start_over()
        if hasattr(os, "register_at_fork"):
            start_over = weakref.WeakMethod(self._start_over)
            os.register_at_fork(after_in_child=lambda: (again := start_over()) and again())

    def _start_over(self) -> None:
        """Fresh state for this process; what a forked child inherits is its parent's to send."""
        self._buffer = SpanBuffer(*self._bounds)
        self._wakeups: SimpleQueue[threading.Event | None] = SimpleQueue()
        self._woken = False
        self._hurry = threading.Event()
        self._worker: threading.Thread | None = None
        self._worker_lock = threading.Lock()
        self._counting = threading.Lock()
        self._reported_drops = 0

    @property
    def dropped_spans(self) -> int:
        """Spans dropped because the buffer was full or the processor shut down."""
        return self._buffer.dropped_spans

    def on_end(self, span: ReadableSpan) -> None:
        """Take an ended span in. Never raises, never waits."""
        try:
            span_context, parent = span.context, span.parent
            if span_context is None or not span_context.trace_flags & _SAMPLED:
                return
            if self._stopped:
                self._buffer.dropped_spans += 1
                return
            is_root = parent is None or parent.is_remote
            is_pressing = self._buffer.add(span, span_context.trace_id, is_root)
            if (is_root or is_pressing or self._worker is None) and not self._woken:
                self._wake()
        except Exception:
            _logger.exception("A span could not be kept for export; the application is not affected.")

    def _wake(self) -> None:
        self._woken = True
        self._wakeups.put(None)
        if self._worker is None:
            self._start_worker()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export everything that has ended before this call; False when time ran out or after shutdown."""
        if self._stopped:
            return False
        if not self._start_worker():
            self._drain(everything=True)
            return True
        done = threading.Event()
        self._wakeups.put(done)
        self._hurry.set()
        return done.wait(timeout_millis / 1000) and not self._abandoned

    def shutdown(self, timeout_millis: int = SHUTDOWN_TIMEOUT_MS) -> None:
        """Export what is held, for ``timeout_millis`` at most, and close the exporter; harmless when repeated."""
        if self._stopped:
            return
        self._stopped = True
        self._wakeups.put(None)
        self._hurry.set()
        worker = self._worker
        if worker is None or not worker.is_alive():
            self._drain(everything=True)
        else:
            worker.join(timeout_millis / 1000)
            self._abandoned = worker.is_alive()
        self._exporter.shutdown()
        if unsent := self._buffer.held_spans:
            self._buffer.dropped_spans += unsent
            self._count_drops()
            _logger.warning("%d spans were not sent before the time to shut down ran out.", unsent)

    # --- the worker thread ----------------------------------------------------------------------------

    def _start_worker(self) -> bool:
        """False at the end of the interpreter, where threads cannot be started: shutting down sends what is held."""
        with self._worker_lock:
            if self._worker is None:
                worker = threading.Thread(target=self._work, name="reflect-otel-export", daemon=True)
                try:
                    worker.start()
                except RuntimeError:
                    return False
                self._worker = worker
            return True

    def _work(self) -> None:
        until = time.monotonic() + self._delay_seconds
        while not self._stopped:
            flushed = None
            try:
                flushed = self._wakeups.get(timeout=max(0.0, until - time.monotonic()))
                if flushed is None:
                    self._hurry.wait(_LINGER_SECONDS)
            except Empty:
                pass
            self._hurry.clear()
            timed_out = time.monotonic() >= until
            self._drain(everything=flushed is not None or timed_out or self._buffer.is_pressing)
            if flushed is not None:
                flushed.set()
            if timed_out:
                until = time.monotonic() + self._delay_seconds
        self._drain(everything=True)
        while not self._wakeups.empty():  # who waits in force_flush while another thread shuts down
            if (flushed := self._wakeups.get()) is not None:
                flushed.set()

    def _drain(self, *, everything: bool) -> None:
        self._woken = False
        while not self._abandoned and (batch := self._buffer.take(everything=everything)).spans:
            self._export(batch.spans)
            self._buffer.release(batch)
        self._report_drops()

    def _export(self, spans: list[ReadableSpan]) -> None:
        with suppressed_instrumentation():
            try:
                result = self._exporter.export(spans)
            except Exception:
                _logger.exception("%d spans could not be exported.", len(spans))
                result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self.lost_spans += len(spans)

    def _report_drops(self) -> None:
        if self._count_drops():
            _logger.warning(
                "%d spans dropped since the start: they end faster than %s takes them; "
                "raise max_spans or max_bytes, or see whether the service answers.",
                self._reported_drops,
                type(self._exporter).__name__,
            )

    def _count_drops(self) -> int:
        """Count what was dropped since the last time, whichever thread asks first; how many that is."""
        with self._counting:
            dropped = self._buffer.dropped_spans - self._reported_drops
            self._reported_drops += dropped
        if dropped:
            count_overflow(dropped)
        return dropped


def _bound(argument: float | None, name: str, variable: str | None, default: float) -> float:
    """The argument, else the environment variable, else the default; a wrong variable is logged and passed over."""
    if argument is not None:
        if not argument > 0:
            raise InvalidArgument(f"{name} must be positive, not {argument!r}", field=name)
        return argument
    text = os.environ.get(variable, "") if variable else ""
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if number > 0:
        return number
    _logger.warning("%s=%.60r is no positive number; %s is used.", variable, text, default)
    return default
