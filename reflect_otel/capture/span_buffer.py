"""Ended spans waiting for export: grouped by trace, bounded in spans and bytes, never blocking who adds."""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from opentelemetry.sdk.trace import ReadableSpan

_SPAN_OVERHEAD_BYTES: Final = 3_000
"""What a finished span weighs in memory beside its texts (measured)."""

_MAX_BATCH_BYTES: Final = 3 * 1024 * 1024
"""Receivers refuse gRPC messages above 4 MiB unless configured otherwise."""

_MAX_UNSORTED: Final = 32
"""Measuring and sorting spans in by the dozen costs the application half of doing it one by one."""

_SCALARS: Final = frozenset({int, float, bool, type(None)})


Sized: TypeAlias = tuple[ReadableSpan, int]
"""An ended span and its size in bytes."""


def estimate_bytes(span: ReadableSpan) -> int:
    """About what the span holds in memory; texts count one byte a character."""
    size_bytes = _SPAN_OVERHEAD_BYTES
    attributes: Any = span.attributes
    # The copy is one C call; reading through the SDK's mapping would be one Python call for each value.
    for value in attributes.copy().values():
        kind = type(value)
        if kind is str:
            size_bytes += len(value)
        elif kind not in _SCALARS:
            size_bytes += _measure(value)
    # Reading ``events`` copies them under a lock; nearly every span has none, which the private list tells at once.
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


class SpanBuffer:
    """Holds ended spans by trace until the trace's local root has ended, or until everything is asked for.

    ``add`` appends to a queue, which is sorted in now and then by whoever finds the lock free. So it neither waits
    nor deadlocks when a garbage collection or signal handler ends a span in the middle of another ``add``.

    Args:
        max_spans: most spans held, those being exported included; the oldest waiting ones are dropped first.
        max_bytes: most bytes held, as ``estimate_bytes`` counts, beside the 32 newest spans.
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
        self._open: dict[int, list[Sized]] = {}
        self._finished: deque[list[Sized]] = deque()
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

    def take(self, *, everything: bool) -> list[Sized]:
        """The next batch of finished traces, or of all traces if asked for ``everything``; empty when none."""
        with self._lock:
            self._sort_in()
            if everything:
                self._finished.extend(self._open.values())
                self._open.clear()
            batch: list[Sized] = []
            room_bytes = _MAX_BATCH_BYTES
            while self._finished:
                room_bytes = self._move(self._finished[0], batch, room_bytes)
                if self._finished[0]:
                    break
                self._finished.popleft()
            self._exporting_spans += len(batch)
        return batch

    def release(self, batch: list[Sized]) -> None:
        """Give the room of an exported batch back."""
        with self._lock:
            self._exporting_spans -= len(batch)
            self.held_spans -= len(batch)
            self.held_bytes -= sum(size_bytes for _, size_bytes in batch)

    def _move(self, group: list[Sized], batch: list[Sized], room_bytes: int) -> int:
        """Move spans until the batch is full, at least one into an empty batch; returns the room that is left."""
        taken = 0
        for span, size_bytes in group:
            if batch and (len(batch) >= self._max_batch_spans or size_bytes > room_bytes):
                break
            batch.append((span, size_bytes))
            room_bytes -= size_bytes
            taken += 1
        del group[:taken]
        return room_bytes

    def _sort_in(self) -> None:
        unsorted, open_traces = self._unsorted, self._open
        while unsorted:
            span, trace_id, is_root = unsorted.popleft()
            size_bytes = estimate_bytes(span)
            group = open_traces.setdefault(trace_id, [])
            group.append((span, size_bytes))
            if is_root:
                self._finished.append(open_traces.pop(trace_id))
            self.held_spans += 1
            self.held_bytes += size_bytes
        while self.held_spans > self._max_spans or self.held_bytes > self._max_bytes:
            if not self._drop_oldest():
                return

    def _drop_oldest(self) -> bool:
        """Drop one waiting span; False when all that is held is being exported."""
        if self._finished:
            group = self._finished[0]
        elif self._open:
            group = next(iter(self._open.values()))
        else:
            return False
        _, size_bytes = group.pop(0)
        if not group and self._finished:
            self._finished.popleft()
        elif not group:
            del self._open[next(iter(self._open))]
        self.held_spans -= 1
        self.held_bytes -= size_bytes
        self.dropped_spans += 1
        return True
