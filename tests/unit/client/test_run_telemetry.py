"""A run record by way of OTLP is the very span that the service makes of it by way of the call."""

import dataclasses

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from reflect_otel.capture.run_span import build_trace_request
from reflect_otel.client.chat import build_chat
from reflect_otel.client.run_telemetry import RunTelemetry, build_run_request
from reflect_otel.model.trace import TraceDraft
from reflect_otel.service import codec
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.otlp_sink import attributes_of

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Refund it."},
    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "refund", "arguments": '{"order": 7}'}}]},
    {"role": "tool", "tool_call_id": "c", "content": "done"},
    {"role": "assistant", "content": "Refunded."},
]


def full_record() -> wire.CreateTraceRequest:
    """Every field set to something that is not its default."""
    record = wire.CreateTraceRequest(
        trace_id="run-1",
        task="Refund an order",
        trajectory=build_chat(CHAT),
        final_response="It is refunded.",
        retrieved_memory_ids=["m1", "m2"],
        model="gpt-5.4-mini",
        metadata={"team": "shop"},
        review=wire.Review(
            result=wire.REVIEW_RESULT_FAIL,
            score=0.25,
            feedback="asked nobody",
            source=wire.REVIEW_SOURCE_CODE,
            name="politeness",
            identifier="judge-1",
            alpha=0.5,
        ),
        reference_context="the manual",
        agent="support",
        error_type="ConnectionError",
        spans_follow=True,
        session_id="chat-9",
    )
    record.start_time.FromNanoseconds(1_700_000_000_123_456_789)
    record.end_time.FromNanoseconds(1_700_000_001_123_456_789)
    return record


def test_every_field_of_a_record_is_covered_here():
    assert {field.name for field, _ in full_record().ListFields()} == set(
        wire.CreateTraceRequest.DESCRIPTOR.fields_by_name
    )
    draft = codec.read_draft(full_record(), TRACE_ID.to_bytes(16, "big"))
    assert all(getattr(draft, field.name) for field in dataclasses.fields(TraceDraft))


@pytest.mark.parametrize("traced", [True, False])
def test_both_ways_make_the_same_span(traced):
    span = NonRecordingSpan(SpanContext(TRACE_ID, 1, is_remote=False, trace_flags=TraceFlags(1)))
    within = trace.set_span_in_context(span) if traced else context.Context()
    trace_id = TRACE_ID.to_bytes(16, "big") if traced else None
    by_call = build_trace_request(codec.read_draft(full_record(), trace_id), 5)
    assert build_run_request([RunTelemetry(full_record(), within)]) == by_call


def test_without_an_answer_the_last_words_of_the_assistant_are_it_and_without_times_it_ended_now():
    record = wire.CreateTraceRequest(trace_id="run-1", task="Refund", trajectory=build_chat(CHAT))
    request = build_run_request([RunTelemetry(record, context.Context())])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    assert attributes_of(span)["reflect.final_response"] == "Refunded."
    assert span.end_time_unix_nano == span.start_time_unix_nano > 1_700_000_000_000_000_000


def test_a_conversation_that_cannot_be_read_is_left_out_and_named():
    record = full_record()
    record.trajectory.add().update({"role": "martian"})
    request = build_run_request([RunTelemetry(record, context.Context())])
    told = attributes_of(request.resource_spans[0].scope_spans[0].spans[0])
    assert "martian" in told["reflect.metadata.record_problem"]
    assert (told["reflect.task"], told["reflect.review.feedback"]) == ("Refund an order", "asked nobody")
