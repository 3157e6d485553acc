"""The last resort: a span in no dialect we know, read by the shape of what it holds.

Conversations (lists of entries with a role), provider requests and responses, and token counts look alike whoever
writes them. What is found this way is marked ``inferred``; attribute names only tell input from output.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from reflect_otel.dialects.decoding import decode, find_number
from reflect_otel.dialects.provider_json import ProviderCall, read_request, read_response
from reflect_otel.dialects.token_counts import read_token_counts
from reflect_otel.dialects.tool_values import read_tool_values
from reflect_otel.model.reading import SpanReading, TokenUsage, ToolRun, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord

_MARKS: Final = ('"role"', "'role'", '"choices"', '"candidates"', '"generations"')
_ROLE_KEYS: Final = frozenset({"role", "author", "speaker"})
_RESPONSE_KEYS: Final = frozenset({"choices", "candidates", "generations", "stop_reason"})
_OUT: Final = re.compile(r"(out|response|completion|result|repl(y|ies)|answer|choices)", re.IGNORECASE)
_MODEL: Final = re.compile(r"(^|[._-])model([._-]?(name|id))?$", re.IGNORECASE)
_TOOL_NAME: Final = re.compile(r"(^|[._-])(tool|function)([._-]?call)?[._-]?name$", re.IGNORECASE)
_TOOL_INPUT: Final = re.compile(r"(^|[._-])(arg(ument)?s|arguments|input|parameters|params)$", re.IGNORECASE)
_TOOL_OUTPUT: Final = re.compile(r"(^|[._-])(output|result|response|return)$", re.IGNORECASE)
_COUNT: Final = re.compile(
    r"(?P<prompt>prompt|input)[._-]?tokens?([._-]?count)?$|(completion|output)[._-]?tokens?([._-]?count)?$",
    re.IGNORECASE,
)


class StructuralReader:
    """Recognises chat-shaped content in any attribute, span event or log body."""

    name = "structural"
    rank = 90
    is_last_resort = True

    def claims(self, span: SpanRecord, logs: Sequence[LogRecord]) -> bool:
        """True when any value of the span or its logs looks like a conversation."""
        return any(_looks_like_chat(value) for _, value in _values(span, logs))

    def read(self, span: SpanRecord, logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        problems: list[str] = []
        asked, answered = _read_calls(span, logs, problems)
        tool = _read_tool_run(span.attributes)
        usage = _read_usage(span.attributes)
        usage = answered.usage if usage == TokenUsage() else usage
        model = asked.model or answered.model or _find_model(span.attributes)
        is_call = tool is None and bool(answered.messages or usage != TokenUsage()) and model is not None
        return SpanReading(
            work=Work.TOOL_RUN if tool is not None else Work.MODEL_CALL if is_call else Work.WRAPPER,
            inputs=asked.messages,
            outputs=answered.messages,
            request_model=model,
            response_id=answered.response_id,
            finish_reason=answered.finish_reason,
            usage=usage,
            tool=tool,
            inferred=True,
            problems=tuple(problems),
        )


def _values(span: SpanRecord, logs: Sequence[LogRecord]) -> Iterator[tuple[str, Any]]:
    yield from span.attributes.items()
    for event in span.events:
        yield from ((f"{event.name}.{key}", value) for key, value in event.attributes.items())
    for log in logs:
        yield log.event_name or "body", log.body
        yield from log.attributes.items()


def _looks_like_chat(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > len(_MARKS[0]) and any(mark in value for mark in _MARKS)
    return _is_conversation(value)


def _is_conversation(value: Any) -> bool:
    """A message, a list that begins with one, or an object around either."""
    if isinstance(value, (list, tuple)) and value:
        return _is_conversation(value[0])
    if not isinstance(value, dict):
        return False
    if not (_ROLE_KEYS | _RESPONSE_KEYS).isdisjoint(value):
        return True
    inner = value.get("messages") or value.get("contents") or value.get("message")
    return isinstance(inner, (list, tuple, dict)) and _is_conversation(inner)


def _read_calls(
    span: SpanRecord, logs: Sequence[LogRecord], problems: list[str]
) -> tuple[ProviderCall, ProviderCall]:
    """The fullest conversation that went in, and the fullest that came out."""
    asked, answered = ProviderCall(), ProviderCall()
    for name, value in _values(span, logs):
        if not _looks_like_chat(value):
            continue
        decoded = decode(value, problems)
        if not _is_conversation(decoded):
            continue
        if _OUT.search(name) or (isinstance(decoded, dict) and not _RESPONSE_KEYS.isdisjoint(decoded)):
            answered = _fuller(answered, read_response(decoded))
        else:
            asked = _fuller(asked, read_request(decoded))
    return asked, answered


def _fuller(first: ProviderCall, second: ProviderCall) -> ProviderCall:
    return second if len(second.messages) > len(first.messages) else first


def _find_model(attributes: Attributes) -> str | None:
    found = (value for key, value in attributes.items() if isinstance(value, str) and value and _MODEL.search(key))
    return next(found, None)


def _read_usage(attributes: Attributes) -> TokenUsage:
    counts: dict[str, Any] = {}
    for key, value in attributes.items():
        found = _COUNT.search(key)
        if found:
            counts["input_tokens" if found["prompt"] else "output_tokens"] = value
        elif "usage" in key.lower() and isinstance(decoded := decode(value), dict):
            counts |= {name: number for name, number in decoded.items() if find_number(decoded, name) is not None}
    return read_token_counts(counts)


def _read_tool_run(attributes: Attributes) -> ToolRun | None:
    name = _find_by(attributes, _TOOL_NAME)
    if not isinstance(name, str) or not name:
        return None
    return read_tool_values(name, None, _find_by(attributes, _TOOL_INPUT), _find_by(attributes, _TOOL_OUTPUT))


def _find_by(attributes: Attributes, pattern: re.Pattern[str]) -> Any:
    return next((value for key, value in attributes.items() if pattern.search(key)), None)
