"""Telemetry as it arrives: spans, log records, and the run that groups them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

AttributeValue: TypeAlias = (
    "str | bool | int | float | bytes | Sequence[AttributeValue] | Mapping[str, AttributeValue] | None"
)
"""Any OTLP ``AnyValue``: scalars, bytes, arrays and key-value lists, nested."""

Attributes: TypeAlias = Mapping[str, AttributeValue]

FLAG_PARENT_IS_REMOTE: Final = 0x200
"""``Span.flags`` bit: the parent span lives in another process (OTLP, SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)."""


class SpanKind(IntEnum):
    """OTLP ``Span.SpanKind``."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode(IntEnum):
    """OTLP ``Status.StatusCode``."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """A timestamped event on a span. ``time_ns`` is Unix time in nanoseconds."""

    name: str
    time_ns: int = 0
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLink:
    """A link to another span, possibly in another trace. Ids are raw bytes (16 and 8)."""

    trace_id: bytes
    span_id: bytes
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, unsafe_hash=False, eq=True)
class SpanRecord:
    """One ended span. Treat as immutable; not ``frozen`` because ingest builds tens of thousands a second.

    Attributes:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_span_id: 8 bytes, or ``None`` for a root.
        kind: an OTLP ``SpanKind`` number; unknown future numbers are kept.
        start_ns: Unix time in nanoseconds, 0 when the sender gave none.
        end_ns: Unix time in nanoseconds; may lie before ``start_ns`` when clocks are skewed.
        status_code: an OTLP ``StatusCode`` number.
        resource: attributes of the sending process, shared between the records of one request.
        flags: OTLP span flags (W3C trace flags and the is-remote bits).
        dropped_attributes_count: attributes the sender's SDK evicted.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None = None
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    status_code: int = 0
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    resource: Attributes = field(default_factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    schema_url: str = ""
    flags: int = 0
    dropped_attributes_count: int = 0

    @property
    def is_error(self) -> bool:
        """True when the span's status is ERROR."""
        return self.status_code == StatusCode.ERROR

    @property
    def is_local_root(self) -> bool:
        """True when no parent of this span can be expected from the same process."""
        return self.parent_span_id is None or bool(self.flags & FLAG_PARENT_IS_REMOTE)


@dataclass(slots=True, kw_only=True)
class LogRecord:
    """One log record or event. Treat as immutable.

    Attributes:
        trace_id: 16 bytes, or ``None`` when the record carries no trace context.
        span_id: 8 bytes, or ``None``.
        event_name: OTLP ``event_name``, else the ``event.name`` attribute, else empty.
        time_ns: Unix time in nanoseconds, the observed time when the sender set no time.
        body: any OTLP value.
    """

    trace_id: bytes | None = None
    span_id: bytes | None = None
    event_name: str = ""
    time_ns: int = 0
    severity_number: int = 0
    body: AttributeValue = None
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    scope_name: str = ""
    scope_version: str = ""


class ClosedBy(StrEnum):
    """Why a run was considered complete; stored and counted."""

    ROOT_ENDED = "root_ended"
    EXPLICIT_END = "explicit_end"
    IDLE_TIMEOUT = "idle_timeout"
    SPAN_CAP = "span_cap"
    BYTE_CAP = "byte_cap"
    SHUTDOWN = "shutdown"


class RunState(StrEnum):
    """Where a run stands. ``settling``: the root has ended, late spans are awaited for a moment."""

    OPEN = "open"
    SETTLING = "settling"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All telemetry of one execution of an agent: what a dialect reader reads.

    Attributes:
        run_id: the run key, ``reflect.run.id`` or the trace id in lower-case hex.
        spans: in arrival order, without duplicates.
        logs: in arrival order.
    """

    run_id: str
    spans: Sequence[SpanRecord] = ()
    logs: Sequence[LogRecord] = ()

    @property
    def trace_ids(self) -> tuple[str, ...]:
        """Distinct trace ids in lower-case hex, in order of first appearance."""
        return tuple(dict.fromkeys(span.trace_id.hex() for span in self.spans))
