"""One run through the whole way: written by OTLP, read back, reviewed, deleted again."""

import json
import secrets
import time
from typing import Final

from collector_plugin.commands.connection import Connection
from collector_plugin.otlp.json_format import Telemetry
from collector_plugin.telemetry_sender import TelemetrySender
from reflect_otel import attributes
from reflect_otel.capture.connection import build_headers
from reflect_otel.model.spans import SpanKind, SpanRecord

_TASK: Final = "reflect-otel doctor: is the way open?"
_WAIT_SECONDS: Final = 30.0


def run_probe(connection: Connection) -> str:
    """Send, read back, review and delete one run; one sentence about it.

    Raises:
        ReflectError: at the first step that did not work.
    """
    span = _build_span()
    trace_id = span.trace_id.hex()
    sender = TelemetrySender(connection.endpoint, build_headers(connection.api_key, connection.project_id))
    began = time.monotonic()
    try:
        sender.send(Telemetry(spans=[span]))
    finally:
        sender.close()
    with connection.open() as client:
        trace = client.wait_for_trace(trace_id, wait_timeout=_WAIT_SECONDS)
        readable_seconds = time.monotonic() - began
        client.review_trace(trace.id, result="pass", source="code", name="doctor")
        client.delete_traces([trace.id], with_memories=True)
    return f"sent, read back after {readable_seconds:.1f} s, reviewed, deleted"


def _build_span() -> SpanRecord:
    ended_ns = time.time_ns()
    message = [{"role": "assistant", "parts": [{"type": "text", "content": "It is."}], "finish_reason": "stop"}]
    return SpanRecord(
        trace_id=secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        name="invoke_agent reflect-otel-doctor",
        kind=SpanKind.INTERNAL,
        start_ns=ended_ns - 1_000_000,
        end_ns=ended_ns,
        attributes={
            attributes.GEN_AI_OPERATION_NAME: "invoke_agent",
            attributes.GEN_AI_AGENT_NAME: "reflect-otel-doctor",
            attributes.REFLECT_TASK: _TASK,
            attributes.GEN_AI_OUTPUT_MESSAGES: json.dumps(message),
        },
        resource={attributes.SERVICE_NAME: "reflect-otel-doctor"},
        scope_name="reflect_otel.doctor",
    )
