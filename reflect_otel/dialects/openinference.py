"""OpenInference (Arize Phoenix): ``openinference.span.kind``, flattened ``llm.*`` messages, ``input.value``.

Where an instrumentation records only the raw request and response, those are read by their shape.

Source: Arize-ai/openinference, ``spec/semantic_conventions.md``.
"""

from collections.abc import Sequence
from typing import Any, Final

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import decode, find_number, find_text, unflatten
from reflect_otel.dialects.gemini import open_results
from reflect_otel.dialects.histories import read_history
from reflect_otel.dialects.messages import read_finish_reason, read_messages
from reflect_otel.dialects.provider_json import ProviderCall, read_request, read_response
from reflect_otel.dialects.tool_values import read_tool_values
from reflect_otel.model.reading import SpanReading, TokenUsage, ToolRun, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord
from reflect_otel.model.trajectory import Message, Role

SPAN_KIND: Final = "openinference.span.kind"

_WORK: Final = {
    "LLM": Work.MODEL_CALL,
    "TOOL": Work.TOOL_RUN,
    "AGENT": Work.AGENT_RUN,
    "CHAIN": Work.WRAPPER,
    "EMBEDDING": Work.EMBEDDING,
    "RETRIEVER": Work.RETRIEVAL,
    "RERANKER": Work.RETRIEVAL,
    "EVALUATOR": Work.OTHER,
    "GUARDRAIL": Work.OTHER,
    "PROMPT": Work.OTHER,
}
_MAX_NESTING: Final = 4
_ANSWER_MARKS: Final = ('"role"', '"type": "ai"', '"type":"ai"')
_CLAIMED: Final = frozenset(
    {
        SPAN_KIND,
        "llm.model_name",
        "llm.input_messages.0.message.role",
        "llm.output_messages.0.message.role",
        "llm.token_count.prompt",
    }
)


class OpenInferenceReader:
    """Reads OpenInference attributes."""

    name = "openinference"
    rank = 40
    is_last_resort = False

    def claims(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> bool:
        """True when the span carries OpenInference's kind or its model attributes."""
        return not _CLAIMED.isdisjoint(span.attributes)

    def read(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        attributes = span.attributes
        work = _read_work(attributes)
        if work is Work.MODEL_CALL and _prepares_request(attributes):
            work = Work.WRAPPER
        metadata = decode(attributes.get("metadata"))
        problems: list[str] = []
        asked, answered = _read_call(attributes, work, problems)
        return SpanReading(
            work=work,
            inputs=asked.messages,
            outputs=answered.messages,
            agent=_read_agent(attributes, metadata, work),
            conversation_id=find_text(attributes, keys.SESSION_ID)
            or _metadata_text(metadata, "thread_id", "session_id"),
            request_model=_requested_model(attributes) or asked.model,
            response_model=find_text(attributes, "llm.model_name", "embedding.model_name") or answered.model,
            response_id=answered.response_id,
            finish_reason=read_finish_reason(attributes.get("llm.finish_reason")) or answered.finish_reason,
            usage=_read_usage(attributes, answered.usage),
            tool=_read_tool_run(span) if work is Work.TOOL_RUN else None,
            final_response=_read_final_response(attributes, work),
            problems=tuple(problems),
        )


def _read_work(attributes: Attributes) -> Work:
    kind = attributes.get(SPAN_KIND)
    if isinstance(kind, str):
        return _WORK.get(kind.upper(), Work.OTHER)
    return Work.OTHER if kind is not None else Work.MODEL_CALL


def _prepares_request(attributes: Attributes) -> bool:
    """LlamaIndex marks the step that puts a request together as a model call: what comes out is a request."""
    left = attributes.get("output.value")
    return (
        isinstance(left, str)
        and left.startswith('{"messages"')
        and "llm.input_messages.0.message.role" not in attributes
    )


def _read_call(attributes: Attributes, work: Work, problems: list[str]) -> tuple[ProviderCall, ProviderCall]:
    """What was asked and answered: the flattened messages, else the raw request and response."""
    if work is Work.AGENT_RUN:
        return _read_told(attributes.get("input.value")), _read_agent_answer(attributes.get("output.value"))
    if work is Work.WRAPPER:
        return _read_told(attributes.get("input.value")), _read_told(attributes.get("output.value"))
    if work is not Work.MODEL_CALL:
        return ProviderCall(), ProviderCall()
    answer = decode(attributes.get("output.value"), problems)
    answered = read_response(answer) if isinstance(answer, dict) else ProviderCall()
    inputs = _read_flattened(attributes, "llm.input_messages.")
    outputs = _read_flattened(attributes, "llm.output_messages.")
    asked = ProviderCall(messages=inputs)
    if not inputs:
        asked = read_request(attributes.get("input.value"), problems)
    if not outputs and not answered.messages:
        answered = read_response(answer, problems)
    return asked, ProviderCall(
        messages=outputs or answered.messages,
        model=answered.model,
        response_id=answered.response_id,
        finish_reason=answered.finish_reason,
        usage=answered.usage,
    )


def _read_told(value: Any) -> ProviderCall:
    """The conversation that a framework handed around as Python objects, where nothing else recorded it."""
    if not isinstance(value, str) or "ChatMessage(" not in value[:200]:
        return ProviderCall()
    return ProviderCall(messages=read_messages(_find_messages(decode(value), 0)))


def _read_agent_answer(value: Any) -> ProviderCall:
    """What an agent gave back, where that is a model's response (Google ADK's event) or a conversation."""
    told = _read_told(value)
    if told.messages or not isinstance(value, str) or not any(mark in value for mark in _ANSWER_MARKS):
        return told
    answer = decode(value)
    return ProviderCall(messages=read_response(answer).messages) if isinstance(answer, dict) else told


def _find_messages(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > _MAX_NESTING:
        return None
    if "messages" in value:
        return value["messages"]
    return next((found for inner in value.values() if (found := _find_messages(inner, depth + 1))), None)


def _read_flattened(attributes: Attributes, prefix: str) -> tuple[Message, ...]:
    role = Role.USER if "input" in prefix else Role.ASSISTANT
    whole = attributes.get(prefix[:-1])
    messages = read_history(whole if whole is not None else unflatten(attributes, prefix), role)
    return open_results(messages, attributes)


def _read_agent(attributes: Attributes, metadata: Any, work: Work) -> str | None:
    named = find_text(attributes, "agent.name") or _metadata_text(metadata, "lc_agent_name")
    return named or (find_text(attributes, "graph.node.id") if work is Work.AGENT_RUN else None)


def _metadata_text(metadata: Any, *names: str) -> str | None:
    return find_text(metadata, *names) if isinstance(metadata, dict) else None


def _requested_model(attributes: Attributes) -> str | None:
    parameters = decode(attributes.get("llm.invocation_parameters"))
    return find_text(parameters, "model", "model_name") if isinstance(parameters, dict) else None


def _read_usage(attributes: Attributes, recorded: TokenUsage) -> TokenUsage:
    prompt = find_number(attributes, "llm.token_count.prompt")
    if prompt is None:
        return recorded
    return TokenUsage(
        input_tokens=prompt,
        output_tokens=find_number(attributes, "llm.token_count.completion"),
        cached_input_tokens=find_number(attributes, "llm.token_count.prompt_details.cache_read"),
        reasoning_output_tokens=find_number(attributes, "llm.token_count.completion_details.reasoning"),
    )


def _read_tool_run(span: SpanRecord) -> ToolRun:
    attributes = span.attributes
    return read_tool_values(
        find_text(attributes, "tool.name", "tool_call.function.name") or span.name,
        find_text(attributes, "tool_call.id", "tool.id"),
        attributes.get("tool_call.function.arguments") or attributes.get("input.value"),
        attributes.get("output.value"),
    )


def _read_final_response(attributes: Attributes, work: Work) -> str | None:
    value = attributes.get("output.value")
    if (
        work is not Work.AGENT_RUN
        or not isinstance(value, str)
        or attributes.get("output.mime_type") == "application/json"
    ):
        return None
    return value or None
