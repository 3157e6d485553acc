"""Which trace a call belongs to, by its W3C ``traceparent``."""

from typing import Final

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR: Final = TraceContextTextMapPropagator()


def read_trace_id(traceparent: str) -> bytes | None:
    """The 16 bytes of the trace id; ``None`` when the header is empty or not valid.

    Source: W3C Trace Context, section 3.2.
    """
    if not traceparent:
        return None
    span_context = trace.get_current_span(_PROPAGATOR.extract({"traceparent": traceparent})).get_span_context()
    return span_context.trace_id.to_bytes(16, "big") if span_context.is_valid else None
