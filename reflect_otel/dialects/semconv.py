"""OpenTelemetry GenAI conventions, newest form: messages as JSON or structured values on the span or a details event.

Also reads what later versions renamed and the field still sends: ``gen_ai.system``, ``gen_ai.usage.prompt_tokens``,
``gen_ai.usage.cache_creation...``. Emitted by opentelemetry-instrumentation-genai-*, openai-v2, pydantic-ai, the
Anthropic SDK and many frameworks.

Source: open-telemetry/semantic-conventions-genai, ``model/gen-ai`` (status Development).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import decode, find_number, find_text
from reflect_otel.dialects.gemini import open_results
from reflect_otel.dialects.histories import read_history
from reflect_otel.dialects.messages import read_finish_reason, read_instructions, read_messages, split_messages
from reflect_otel.dialects.tool_values import read_tool_values
from reflect_otel.model.reading import SpanReading, TokenUsage, ToolRun, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord
from reflect_otel.model.trajectory import Message, Role

_Read: TypeAlias = Callable[[Any, Role, list[str]], tuple[Message, ...]]

DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"

_OPERATIONS: Final = {
    "chat": Work.MODEL_CALL,
    "text_completion": Work.MODEL_CALL,
    "generate_content": Work.MODEL_CALL,
    "completion": Work.MODEL_CALL,
    "responses": Work.MODEL_CALL,
    "message": Work.MODEL_CALL,
    "messages": Work.MODEL_CALL,
    "embeddings": Work.EMBEDDING,
    "embedding": Work.EMBEDDING,
    "execute_tool": Work.TOOL_RUN,
    "invoke_agent": Work.AGENT_RUN,
    "invoke_workflow": Work.WRAPPER,
    "execute_task": Work.WRAPPER,
    "retrieval": Work.RETRIEVAL,
    "vector_db_retrieve": Work.RETRIEVAL,
}
_CLAIMED: Final = frozenset(
    {
        keys.GEN_AI_OPERATION_NAME,
        keys.GEN_AI_REQUEST_MODEL,
        keys.GEN_AI_PROVIDER_NAME,
        "gen_ai.system",
        keys.GEN_AI_INPUT_MESSAGES,
        keys.GEN_AI_OUTPUT_MESSAGES,
        keys.GEN_AI_TOOL_NAME,
        keys.GEN_AI_AGENT_NAME,
        keys.GEN_AI_CONVERSATION_ID,
        keys.GEN_AI_RESPONSE_MODEL,
        keys.GEN_AI_USAGE_INPUT_TOKENS,
        "gen_ai.usage.prompt_tokens",
    }
)


class SemconvReader:
    """Reads ``gen_ai.*`` attributes of a span and of its details event."""

    name = "otel-genai"
    rank = 50
    is_last_resort = False

    def claims(self, span: SpanRecord, logs: Sequence[LogRecord]) -> bool:
        """True when the span, or its details event, carries any of the conventions' leading attributes."""
        return not _CLAIMED.isdisjoint(span.attributes) or any(log.event_name == DETAILS_EVENT for log in logs)

    def read(self, span: SpanRecord, logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span; a details event among its logs or span events fills what the span itself lacks."""
        attributes = _with_details(span, logs)
        problems: list[str] = []
        work = read_work(attributes)
        speaks = work is not Work.EMBEDDING and work is not Work.TOOL_RUN
        is_submitted = span.scope_name == keys.SUBMITTED_SCOPE
        asked: _Read = _read_submitted if is_submitted else read_history
        answered: _Read = _read_submitted if is_submitted else read_messages
        return SpanReading(
            work=work,
            inputs=_read_inputs(attributes, asked, problems) if speaks else (),
            outputs=answered(attributes.get(keys.GEN_AI_OUTPUT_MESSAGES), Role.ASSISTANT, problems) if speaks else (),
            agent=find_text(attributes, keys.GEN_AI_AGENT_NAME),
            conversation_id=find_text(attributes, keys.GEN_AI_CONVERSATION_ID),
            request_model=find_text(attributes, keys.GEN_AI_REQUEST_MODEL),
            response_model=find_text(attributes, keys.GEN_AI_RESPONSE_MODEL),
            response_id=find_text(attributes, keys.GEN_AI_RESPONSE_ID),
            finish_reason=read_finish_reason(attributes.get(keys.GEN_AI_RESPONSE_FINISH_REASONS)),
            usage=read_usage(attributes),
            tool=read_tool_run(attributes) if work is Work.TOOL_RUN else None,
            problems=tuple(problems),
        )


def _with_details(span: SpanRecord, logs: Sequence[LogRecord]) -> Attributes:
    if not logs and not span.events:
        return span.attributes
    details = [log.attributes for log in logs if log.event_name == DETAILS_EVENT]
    details += [event.attributes for event in span.events if event.name == DETAILS_EVENT]
    if not details:
        return span.attributes
    merged: dict[str, Any] = {}
    for attributes in (*details, span.attributes):
        merged.update(attributes)
    return merged


def read_work(attributes: Attributes) -> Work:
    """What the span does, by its operation name, else by the attributes that only one kind of span has."""
    operation = attributes.get(keys.GEN_AI_OPERATION_NAME)
    if isinstance(operation, str) and operation in _OPERATIONS:
        return _OPERATIONS[operation]
    if operation in ("create_agent", "plan"):
        return Work.OTHER
    if keys.GEN_AI_TOOL_NAME in attributes or keys.GEN_AI_TOOL_CALL_ID in attributes:
        return Work.TOOL_RUN
    is_model = keys.GEN_AI_REQUEST_MODEL in attributes or keys.GEN_AI_RESPONSE_MODEL in attributes
    if is_model and (operation is not None or _names_provider(attributes) or find_number(attributes, *_INPUT_TOKENS)):
        return Work.MODEL_CALL
    return Work.OTHER


def _names_provider(attributes: Attributes) -> bool:
    return keys.GEN_AI_PROVIDER_NAME in attributes or "gen_ai.system" in attributes


def _read_inputs(attributes: Attributes, read: _Read, problems: list[str]) -> tuple[Message, ...]:
    """System instructions, then the input messages."""
    instructions = read_instructions(attributes.get(keys.GEN_AI_SYSTEM_INSTRUCTIONS), problems)
    messages = read(attributes.get(keys.GEN_AI_INPUT_MESSAGES), Role.USER, problems)
    messages = open_results(messages, attributes)
    if instructions and any(message.content == instructions[0].content for message in messages[:1]):
        return messages
    return instructions + messages


def _read_submitted(value: Any, role: Role, problems: list[str]) -> tuple[Message, ...]:
    """The messages of a submitted run as they were given: none of them is a piece of another."""
    return tuple(split_messages(decode(value, problems), role)) if value is not None else ()


_INPUT_TOKENS: Final = (keys.GEN_AI_USAGE_INPUT_TOKENS, "gen_ai.usage.prompt_tokens")
_OUTPUT_TOKENS: Final = (keys.GEN_AI_USAGE_OUTPUT_TOKENS, "gen_ai.usage.completion_tokens")
_CACHED_TOKENS: Final = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.cached_tokens",
    "gen_ai.usage.input_tokens.cached",
)
_REASONING_TOKENS: Final = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
)
_USAGE_KEYS: Final = frozenset((*_INPUT_TOKENS, *_OUTPUT_TOKENS, *_CACHED_TOKENS, *_REASONING_TOKENS))
_NO_USAGE: Final = TokenUsage()


def read_usage(attributes: Mapping[str, Any]) -> TokenUsage:
    """Token counts under their current or former names."""
    if _USAGE_KEYS.isdisjoint(attributes):
        return _NO_USAGE
    return TokenUsage(
        input_tokens=find_number(attributes, *_INPUT_TOKENS),
        output_tokens=find_number(attributes, *_OUTPUT_TOKENS),
        cached_input_tokens=find_number(attributes, *_CACHED_TOKENS),
        reasoning_output_tokens=find_number(attributes, *_REASONING_TOKENS),
    )


def read_tool_run(attributes: Attributes) -> ToolRun:
    """A tool execution."""
    return read_tool_values(
        find_text(attributes, keys.GEN_AI_TOOL_NAME) or "",
        find_text(attributes, keys.GEN_AI_TOOL_CALL_ID),
        attributes.get(keys.GEN_AI_TOOL_CALL_ARGUMENTS),
        attributes.get(keys.GEN_AI_TOOL_CALL_RESULT),
    )
