"""OpenLLMetry (Traceloop): ``traceloop.*`` on every release, indexed ``gen_ai.prompt.N.*`` before the JSON messages.

JSON messages and tokens follow the GenAI conventions and are read there; this reader adds what only Traceloop writes:
decorator spans with entity input and output, association properties, and the indexed form of releases up to 0.54.

Source: traceloop/openllmetry, ``opentelemetry-semantic-conventions-ai``.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import decode, find_number, find_text, unflatten
from reflect_otel.dialects.messages import read_finish_reason, read_messages
from reflect_otel.dialects.tool_values import read_tool_values
from reflect_otel.model.reading import SpanReading, TokenUsage, ToolRun, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord
from reflect_otel.model.trajectory import Role

SPAN_KIND: Final = "traceloop.span.kind"
ENTITY_INPUT: Final = "traceloop.entity.input"
ENTITY_OUTPUT: Final = "traceloop.entity.output"
_CURRENT_AGENT: Final = "current_agent_name"

_WORK: Final = {
    "workflow": Work.WRAPPER,
    "task": Work.WRAPPER,
    "agent": Work.AGENT_RUN,
    "tool": Work.TOOL_RUN,
}
_REQUEST_TYPES: Final = {
    "chat": Work.MODEL_CALL,
    "completion": Work.MODEL_CALL,
    "embedding": Work.EMBEDDING,
}
_CLAIMED: Final = frozenset(
    {
        SPAN_KIND,
        ENTITY_INPUT,
        "traceloop.workflow.name",
        "traceloop.entity.name",
        "llm.request.type",
        "gen_ai.request.type",
        "gen_ai.prompt.0.role",
        "gen_ai.prompt.0.content",
        "gen_ai.completion.0.content",
        "gen_ai.completion.0.role",
    }
)
_CONVERSATION: Final = tuple(
    f"traceloop.association.properties.{key}" for key in ("session_id", "conversation_id", "thread_id", "chat_id")
)


class OpenLLMetryReader:
    """Reads ``traceloop.*`` and the indexed prompt and completion attributes."""

    name = "openllmetry"
    rank = 40
    is_last_resort = False

    def claims(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> bool:
        """True when the span carries an attribute that only Traceloop's packages write."""
        return not _CLAIMED.isdisjoint(span.attributes)

    def read(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        attributes = span.attributes
        problems: list[str] = []
        work = _read_work(attributes)
        speaks = work in (Work.MODEL_CALL, Work.OTHER)
        prompt = unflatten(attributes, "gen_ai.prompt.") if speaks else _find_said(attributes, ENTITY_INPUT, work)
        completion = (
            unflatten(attributes, "gen_ai.completion.") if speaks else _find_said(attributes, ENTITY_OUTPUT, work)
        )
        return SpanReading(
            work=work,
            inputs=read_messages(prompt, Role.USER, problems),
            outputs=read_messages(completion, Role.ASSISTANT, problems),
            agent=_read_agent(attributes, work),
            conversation_id=find_text(attributes, *_CONVERSATION),
            finish_reason=_finish_reason(completion),
            usage=_read_usage(attributes),
            tool=_read_tool_run(attributes) if work is Work.TOOL_RUN else None,
            final_response=_read_final_response(attributes, work),
            problems=tuple(problems),
        )


def _read_work(attributes: Attributes) -> Work:
    operation = attributes.get(keys.GEN_AI_OPERATION_NAME)
    if operation == "invoke_agent":
        return Work.AGENT_RUN
    kind = attributes.get(SPAN_KIND)
    if kind == "task" and "tool.name" in attributes:
        return Work.TOOL_RUN  # LlamaIndex's step around a tool.
    if isinstance(kind, str) and kind in _WORK:
        return _WORK[kind]
    request_type = attributes.get("llm.request.type") or attributes.get("gen_ai.request.type")
    if isinstance(request_type, str) and request_type in _REQUEST_TYPES:
        return _REQUEST_TYPES[request_type]
    is_indexed = any(key.startswith(("gen_ai.prompt.", "gen_ai.completion.")) for key in attributes)
    return Work.MODEL_CALL if is_indexed and operation is None else Work.OTHER


def _read_agent(attributes: Attributes, work: Work) -> str | None:
    if work is Work.AGENT_RUN:
        return find_text(attributes, keys.GEN_AI_AGENT_NAME, "traceloop.entity.name")
    left = attributes.get(ENTITY_OUTPUT)
    if isinstance(left, str) and _CURRENT_AGENT in left:  # LlamaIndex's workflow events
        event = decode(left)
        return find_text(event, _CURRENT_AGENT) if isinstance(event, dict) else None
    return None


def _finish_reason(completion: Any) -> str | None:
    if isinstance(completion, list):
        return read_finish_reason([item.get("finish_reason") for item in completion if isinstance(item, dict)])
    return None


def _read_usage(attributes: Attributes) -> TokenUsage:
    return TokenUsage(
        input_tokens=find_number(attributes, "llm.usage.prompt_tokens"),
        output_tokens=find_number(attributes, "llm.usage.completion_tokens"),
        cached_input_tokens=find_number(attributes, "llm.usage.cache_read_input_tokens"),
        reasoning_output_tokens=find_number(attributes, "llm.usage.reasoning_tokens"),
    )


def _read_tool_run(attributes: Attributes) -> ToolRun:
    return read_tool_values(
        find_text(attributes, keys.GEN_AI_TOOL_NAME, "tool.name", "traceloop.entity.name") or "",
        find_text(attributes, keys.GEN_AI_TOOL_CALL_ID),
        attributes.get(ENTITY_INPUT) or attributes.get("tool.arguments"),
        attributes.get(ENTITY_OUTPUT),
    )


def _is_plain(value: Any) -> TypeGuard[str]:
    """Frameworks' agents are recorded with their question and answer as they are, decorators with JSON."""
    return isinstance(value, str) and value[:1] not in ("", "{", "[", '"')


def _find_said(attributes: Attributes, key: str, work: Work) -> str | None:
    value = attributes.get(key)
    return value if work is Work.AGENT_RUN and _is_plain(value) else None


def _read_final_response(attributes: Attributes, work: Work) -> str | None:
    """A decorator's return value, where it is plain text."""
    if work not in (Work.AGENT_RUN, Work.WRAPPER):
        return None
    left = attributes.get(ENTITY_OUTPUT)
    if work is Work.AGENT_RUN and _is_plain(left):
        return left
    if attributes.get(SPAN_KIND) == "task":
        return None
    decoded = decode(left) if isinstance(left, str) and left[:1] == '"' else None
    return decoded if isinstance(decoded, str) and decoded else None
