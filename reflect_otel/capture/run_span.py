"""A submitted run as one standard OTLP span, so that it takes the same way in as telemetry does."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from reflect_otel import attributes as keys
from reflect_otel.model.review import Review
from reflect_otel.model.trace import TraceDraft
from reflect_otel.model.trajectory import Message, Role


def build_trace_request(draft: TraceDraft, clock_ns: int) -> ExportTraceServiceRequest:
    """The run as a finished ``invoke_agent`` span; the same draft always makes the same span.

    Args:
        draft: the run. Without a ``trace_id`` one is derived from its run id.
        clock_ns: start and end of the span where the draft has none, Unix time in nanoseconds.
    """
    ended_ns = draft.ended_ns or clock_ns
    span = Span(
        trace_id=draft.trace_id or _digest("trace", draft.run_id, 16),
        span_id=_digest("span", draft.run_id, 8),
        name=f"invoke_agent {draft.agent or ''}".rstrip(),
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=min(draft.started_ns or ended_ns, ended_ns),
        end_time_unix_nano=ended_ns,
        attributes=[KeyValue(key=key, value=_any_value(value)) for key, value in _attributes(draft)],
    )
    scoped = ScopeSpans(scope=InstrumentationScope(name=keys.SUBMITTED_SCOPE), spans=[span])
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scoped])])


def _digest(what: str, run_id: str, size: int) -> bytes:
    return hashlib.blake2b(f"{what}\x00{run_id}".encode(), digest_size=size).digest()


def _attributes(draft: TraceDraft) -> Iterator[tuple[str, Any]]:
    inputs, outputs = _split(draft.messages)
    yield keys.GEN_AI_OPERATION_NAME, "invoke_agent"
    yield keys.REFLECT_RUN_ID, draft.run_id
    if not draft.spans_follow:
        yield keys.REFLECT_RUN_COMPLETE, True
    yield keys.REFLECT_TASK, draft.task
    yield keys.GEN_AI_INPUT_MESSAGES, _to_json([_message(message) for message in inputs])
    yield keys.GEN_AI_OUTPUT_MESSAGES, _to_json([_message(message) for message in outputs])
    optional = {
        keys.REFLECT_FINAL_RESPONSE: draft.final_response,
        keys.GEN_AI_REQUEST_MODEL: draft.model,
        keys.GEN_AI_AGENT_NAME: draft.agent,
        keys.GEN_AI_CONVERSATION_ID: draft.session_id,
        keys.ERROR_TYPE: draft.error_type,
        keys.REFLECT_REFERENCE_CONTEXT: draft.reference_context,
        keys.REFLECT_MEMORY_IDS: list(draft.retrieved_memory_ids) or None,
    }
    metadata = {keys.REFLECT_METADATA_PREFIX + key: value for key, value in draft.metadata.items()}
    review = _review(draft.review) if draft.review else {}
    yield from (
        (key, value) for key, value in chain(optional.items(), metadata.items(), review.items()) if value is not None
    )


def _split(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Everything before the closing answer, and the answer when there is one."""
    if messages and messages[-1].role is Role.ASSISTANT:
        return messages[:-1], messages[-1:]
    return messages, ()


def _review(review: Review) -> Mapping[str, Any]:
    return {
        keys.REFLECT_REVIEW_RESULT: review.result.value,
        keys.REFLECT_REVIEW_SCORE: review.score,
        keys.REFLECT_REVIEW_FEEDBACK: review.feedback,
        keys.REFLECT_REVIEW_SOURCE: review.source.value,
        keys.REFLECT_REVIEW_NAME: review.name,
        keys.REFLECT_REVIEW_ID: review.identifier or None,
        keys.REFLECT_REVIEW_ALPHA: review.alpha,
    }


def _message(message: Message) -> dict[str, Any]:
    encoded: dict[str, Any] = {"role": message.role.value, "parts": list(_parts(message))}
    if message.name:
        encoded["name"] = message.name
    if message.finish_reason:
        encoded["finish_reason"] = message.finish_reason
    return encoded


def _parts(message: Message) -> Iterator[dict[str, Any]]:
    """Message parts of the GenAI conventions' input and output message schemas."""
    response = message.tool_response
    if message.reasoning:
        yield {"type": "reasoning", "content": message.reasoning}
    if message.content is not None and response is None:
        yield {"type": "text", "content": message.content}
    for call in message.tool_calls or ():
        yield {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
    if response is not None:
        result = message.content if response.response is None else response.response
        facts = {"name": response.name, "arguments": response.arguments, "error": response.error}
        yield {"type": "tool_call_response", "id": response.id, "response": result} | {
            key: value for key, value in facts.items() if value
        }


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int | float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
    return AnyValue(string_value=str(value))
