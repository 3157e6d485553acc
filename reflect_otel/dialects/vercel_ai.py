"""Vercel's AI SDK for TypeScript: ``ai.*`` on spans named after its functions.

``ai.generateText`` and its like run the loop of an agent; ``.doGenerate`` and ``.doStream`` inside it are the model
calls, ``ai.toolCall`` the tools. Reads the names of versions 3 to 6.

Source: vercel/ai, ``packages/ai/src/telemetry``; documentation "AI SDK Core: Telemetry".
"""

from collections.abc import Sequence
from typing import Final

from reflect_otel.dialects.decoding import decode, find_number, find_text
from reflect_otel.dialects.messages import read_finish_reason, read_messages
from reflect_otel.dialects.provider_json import read_request
from reflect_otel.dialects.tool_values import read_tool_values
from reflect_otel.model.reading import SpanReading, TokenUsage, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord
from reflect_otel.model.trajectory import Message, Role

OPERATION: Final = "ai.operationId"

_CLAIMED: Final = frozenset({OPERATION, "ai.model.id", "ai.toolCall.name"})
_AGENT_OPERATIONS: Final = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
_METADATA: Final = "ai.telemetry.metadata."
_SESSION_KEYS: Final = tuple(
    _METADATA + name
    for name in ("sessionId", "session_id", "conversationId", "threadId", "chatId", "langfuseSessionId", "session.id")
)
_AGENT_KEYS: Final = ("ai.telemetry.functionId", _METADATA + "agentName", "resource.name")


class VercelAIReader:
    """Reads the AI SDK's spans."""

    name = "vercel-ai"
    rank = 30
    is_last_resort = False

    def claims(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> bool:
        """True for spans of the AI SDK."""
        return not _CLAIMED.isdisjoint(span.attributes)

    def read(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        attributes = span.attributes
        problems: list[str] = []
        work = _read_work(find_text(attributes, OPERATION) or span.name, attributes)
        speaks = work in (Work.MODEL_CALL, Work.AGENT_RUN)
        return SpanReading(
            work=work,
            inputs=_read_inputs(attributes, problems) if speaks else (),
            outputs=_read_outputs(attributes) if speaks else (),
            agent=find_text(attributes, *_AGENT_KEYS),
            conversation_id=find_text(attributes, *_SESSION_KEYS),
            request_model=find_text(attributes, "ai.model.id"),
            response_model=find_text(attributes, "ai.response.model"),
            response_id=find_text(attributes, "ai.response.id"),
            finish_reason=read_finish_reason(find_text(attributes, "ai.response.finishReason", "ai.finishReason")),
            usage=_read_usage(attributes),
            tool=read_tool_values(
                find_text(attributes, "ai.toolCall.name") or "",
                find_text(attributes, "ai.toolCall.id"),
                attributes.get("ai.toolCall.args") or attributes.get("ai.toolCall.input"),
                attributes.get("ai.toolCall.result") or attributes.get("ai.toolCall.output"),
            )
            if work is Work.TOOL_RUN
            else None,
            problems=tuple(problems),
        )


def _read_work(operation: str, attributes: Attributes) -> Work:
    if "ai.toolCall.name" in attributes:
        return Work.TOOL_RUN
    if "embed" in operation.lower():
        return Work.EMBEDDING if ".do" in operation else Work.WRAPPER
    if ".do" in operation:
        return Work.MODEL_CALL
    return Work.AGENT_RUN if operation.startswith(_AGENT_OPERATIONS) else Work.OTHER


def _read_inputs(attributes: Attributes, problems: list[str]) -> tuple[Message, ...]:
    messages = attributes.get("ai.prompt.messages")
    if messages is not None:
        return read_messages(messages, Role.USER, problems)
    return read_request(attributes.get("ai.prompt"), problems).messages


def _read_outputs(attributes: Attributes) -> tuple[Message, ...]:
    answer = {
        "role": "assistant",
        "content": find_text(
            attributes, "ai.response.text", "ai.result.text", "ai.response.object", "ai.result.object"
        ),
        "reasoning": find_text(attributes, "ai.response.reasoning"),
        "tool_calls": decode(attributes.get("ai.response.toolCalls") or attributes.get("ai.result.toolCalls")),
    }
    return read_messages({key: value for key, value in answer.items() if value})


def _read_usage(attributes: Attributes) -> TokenUsage:
    return TokenUsage(
        input_tokens=find_number(attributes, "ai.usage.inputTokens", "ai.usage.promptTokens"),
        output_tokens=find_number(attributes, "ai.usage.outputTokens", "ai.usage.completionTokens"),
        cached_input_tokens=find_number(
            attributes, "ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"
        ),
        reasoning_output_tokens=find_number(
            attributes, "ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens"
        ),
    )
