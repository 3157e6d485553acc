"""Ended spans waiting for export: grouped by trace, bounded in spans and bytes, never blocking who adds."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

_SPAN_OVERHEAD_BYTES: Final = 3_000
"""What a finished span weighs in memory beside its texts (measured)."""

_MAX_BATCH_BYTES: Final = 1024 * 1024
"""Receivers refuse gRPC messages above 4 MiB unless configured otherwise; a character may take 4 bytes."""

_MAX_UNSORTED: Final = 64
"""Measuring and sorting in a few spans at a time costs the application less than doing it one by one."""

_SCALARS: Final = frozenset({int, float, bool, type(None)})


def estimate_bytes(span: ReadableSpan) -> int:
    """About what the span holds in memory; texts count one byte a character."""
    size_bytes = _SPAN_OVERHEAD_BYTES
    # The SDK's public views cost a Python call for each value, and a lock and a copy for the events, on the
    # application's thread. Its private containers are used where they are as known, the views elsewhere.
    attributes: Any = getattr(span, "_attributes", None)
    if attributes is None:
        attributes = span.attributes
    for value in attributes.copy().values():
        kind = type(value)
        if kind is str:
            size_bytes += len(value)
        elif kind not in _SCALARS:
            size_bytes += _measure(value)
    if getattr(span, "_events", True):
        size_bytes += sum(_measure(event.attributes) for event in span.events)
    return size_bytes


def _measure(value: Any) -> int:
    match value:
        case str() | bytes():
            return len(value)
        case Mapping():
            return sum(_measure(each) for each in value.values())
        case list() | tuple():
            return sum(map(_measure, value))
        case _:
            return 0


@dataclass(slots=True)
class Batch:
    """Spans on their way out; their room is taken until they are released."""

    spans: list[ReadableSpan] = field(default_factory=list)
    size_bytes: int = 0


class SpanBuffer:
    """Holds ended spans by trace until the trace's local root has ended, or until everything is asked for.

    ``add`` appends to a queue, which is sorted in now and then by whoever finds the lock free. So it neither waits
    nor deadlocks when a garbage collection or signal handler ends a span in the middle of another ``add``.

    Args:
        max_spans: most spans held, those being exported included; the oldest waiting ones are dropped first.
        max_bytes: most bytes held, as ``estimate_bytes`` counts, beside the 64 newest spans.
        max_batch_spans: most spans in one batch.

    Attributes:
        held_spans, held_bytes: what is held now, spans being exported included.
        dropped_spans: what was dropped since the start.
    """

    def __init__(self, max_spans: int, max_bytes: int, max_batch_spans: int) -> None:
        self._max_spans = max_spans
        self._max_bytes = max_bytes
        self._max_batch_spans = max_batch_spans
        self._max_unsorted = min(_MAX_UNSORTED, max_spans, max_batch_spans)
        self._unsorted: deque[tuple[ReadableSpan, int, bool]] = deque()
        self._open: dict[int, list[ReadableSpan]] = {}
        self._finished: deque[ReadableSpan] = deque()
        self._lock = threading.Lock()
        self._exporting_spans = 0
        self.held_spans = 0
        self.held_bytes = 0
        self.dropped_spans = 0

    def add(self, span: ReadableSpan, trace_id: int, is_root: bool) -> bool:
        """Take an ended span in; a root finishes its trace. True when it is time to export unfinished traces too."""
        unsorted = self._unsorted
        unsorted.append((span, trace_id, is_root))
        if len(unsorted) < self._max_unsorted or not self._lock.acquire(blocking=False):
            return False
        try:
            self._sort_in()
        finally:
            self._lock.release()
        return self.is_pressing

    @property
    def is_pressing(self) -> bool:
        """True when a batch is full or half the bytes are taken."""
        waiting_spans = self.held_spans - self._exporting_spans
        return waiting_spans >= self._max_batch_spans or 2 * self.held_bytes >= self._max_bytes

    def take(self, *, everything: bool) -> Batch:
        """The next batch of finished traces, or of all traces if asked for ``everything``; empty when none."""
        batch = Batch()
        with self._lock:
            self._sort_in()
            if everything:
                for group in self._open.values():
                    self._finished.extend(group)
                self._open.clear()
            while self._finished and len(batch.spans) < self._max_batch_spans:
                span_bytes = estimate_bytes(self._finished[0])
                if batch.spans and batch.size_bytes + span_bytes > _MAX_BATCH_BYTES:
                    break
                batch.spans.append(self._finished.popleft())
                batch.size_bytes += span_bytes
            self._exporting_spans += len(batch.spans)
        return batch

    def release(self, batch: Batch) -> None:
        """Give the room of an exported batch back."""
        with self._lock:
            self._exporting_spans -= len(batch.spans)
            self.held_spans -= len(batch.spans)
            self.held_bytes -= batch.size_bytes

    def _sort_in(self) -> None:
        count = size_bytes = 0
        try:
            while self._unsorted:
                span, trace_id, is_root = self._unsorted.popleft()
                span_bytes = estimate_bytes(span)
                self._place(span, trace_id, is_root)
                count += 1
                size_bytes += span_bytes
        finally:
            self.held_spans += count
            self.held_bytes += size_bytes
        while self.held_spans > self._max_spans or self.held_bytes > self._max_bytes:
            if not self._drop_oldest():
                return

    def _place(self, span: ReadableSpan, trace_id: int, is_root: bool) -> None:
        group = self._open.get(trace_id)
        if is_root:
            if group is not None:
                self._finished.extend(self._open.pop(trace_id))
            self._finished.append(span)
        elif group is None:
            self._open[trace_id] = [span]
        else:
            group.append(span)

    def _drop_oldest(self) -> bool:
        """Drop one waiting span; False when all that is held is being exported."""
        if self._finished:
            oldest = self._finished.popleft()
        elif self._open:
            trace_id, group = next(iter(self._open.items()))
            oldest = group.pop(0)
            if not group:
                del self._open[trace_id]
        else:
            return False
        self.held_spans -= 1
        self.held_bytes -= estimate_bytes(oldest)
        self.dropped_spans += 1
        return True
