"""A run record as OTLP: how it travels when the service does not take the call, by the way that telemetry has.

The service makes the same span of the same record, so a record that went both ways is stored once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from reflect_otel.capture.run_span import build_trace_request
from reflect_otel.client.chat import read_chat
from reflect_otel.client.codec import read_review
from reflect_otel.client.run_record import with_problem
from reflect_otel.dialects.chat_messages import find_answer, read_chat_messages
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.trace import TraceDraft
from reflect_otel.wire.v1 import reflect_pb2 as wire


@dataclass(frozen=True, slots=True, eq=False)
class RunTelemetry:
    """A record, and the context of its run, which names its trace."""

    record: wire.CreateTraceRequest
    within: Context


def build_run_request(runs: Sequence[RunTelemetry]) -> ExportTraceServiceRequest:
    """One finished span for each run; a run without times of its own ends now."""
    request = ExportTraceServiceRequest()
    for run in runs:
        draft = _build_draft(run.record, _find_trace_id(run.within))
        request.resource_spans.extend(build_trace_request(draft, time.time_ns()).resource_spans)
    return request


def _find_trace_id(within: Context) -> bytes | None:
    span_context = trace.get_current_span(within).get_span_context()
    return span_context.trace_id.to_bytes(16, "big") if span_context.is_valid else None


def _build_draft(record: wire.CreateTraceRequest, trace_id: bytes | None) -> TraceDraft:
    metadata = dict(record.metadata)
    try:
        messages = read_chat_messages(read_chat(record.trajectory))
    except InvalidArgument as error:
        messages, metadata = (), with_problem(metadata, str(error))
    return TraceDraft(
        run_id=record.trace_id,
        task=record.task,
        messages=messages,
        final_response=record.final_response or find_answer(messages),
        retrieved_memory_ids=tuple(record.retrieved_memory_ids),
        model=record.model or None,
        metadata=metadata,
        reference_context=record.reference_context or None,
        review=read_review(record.review) if record.HasField("review") else None,
        trace_id=trace_id,
        agent=record.agent or None,
        started_ns=max(0, record.start_time.ToNanoseconds()),
        ended_ns=max(0, record.end_time.ToNanoseconds()),
        error_type=record.error_type or None,
        spans_follow=record.spans_follow,
        session_id=record.session_id or None,
    )
