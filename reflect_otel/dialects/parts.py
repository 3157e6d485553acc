"""One message's content, whatever its parts are called: text, reasoning, tool calls, tool results, media.

Known part shapes: OpenTelemetry GenAI (``text``, ``tool_call``, ``tool_call_response``, ``reasoning``), OpenAI chat
and responses, Anthropic blocks, Gemini parts, Bedrock Converse blocks, Vercel AI SDK parts, OpenInference
``message_content``, Haystack content. They are told apart by their keys, not by who sent them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reflect_otel.dialects.decoding import MAX_DEPTH, decode, read_literal, write_text
from reflect_otel.dialects.object_repr import is_opaque
from reflect_otel.model.trajectory import ToolCall, ToolResponse

RAW_ARGUMENTS: Final = "_raw"
"""The one key of ``ToolCall.arguments`` when the model wrote arguments that are no JSON object."""

_CALL_TYPES: Final = frozenset(
    {"tool_call", "tool-call", "tool_use", "function_call", "server_tool_call", "server_tool_use", "mcp_call"}
)
_RESULT_TYPES: Final = frozenset(
    {
        "tool_call_response",
        "tool-result",
        "tool_result",
        "tool-return",
        "function_call_output",
        "server_tool_call_response",
        "tool_response",
        "function_response",
        "web_search_tool_result",
        "tool_call_result",
    }
)
_TEXT_TYPES: Final = frozenset({"", "text", "input_text", "output_text", "refusal", "TextBlock"})
_REASONING_TYPES: Final = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})
_CALL_KEYS: Final = ("functionCall", "function_call", "toolUse", "tool_call", "tool_use")
_RESULT_KEYS: Final = ("functionResponse", "function_response", "toolResult", "tool_call_result", "tool_result")
_OTHER_MARKS: Final = frozenset({"message_content", "thought", "reasoningContent", *_CALL_KEYS, *_RESULT_KEYS})
"""What tells that a part is something else than its type says."""
_KIND_KEYS: Final = ("type", "part_kind", "block_type", "kind")
_TEXT_KEYS: Final = (
    "text",
    "content",
    "thinking",
    "reasoning",
    "summary",
    "refusal",
    "reasoningContent",
    "reasoningText",
)
_ID_KEYS: Final = ("call_id", "tool_call_id", "toolCallId", "toolUseId", "tool_use_id", "id")
_NAME_KEYS: Final = ("name", "toolName", "tool_name", "function_name", "tool")
_ARGUMENT_KEYS: Final = ("arguments", "args", "input", "parameters", "tool_input", "arguments_json", "kwargs")
_RESULT_VALUE_KEYS: Final = ("response", "result", "output", "content", "text", "data")
_OTHER_KINDS: Final = ("image", "audio", "video", "document", "file", "inlineData", "blob")
_MEDIA_KEYS: Final = ("url", "uri", "file_id", "file_uri", "fileUri", "filename", "name")


@dataclass(slots=True)
class Content:
    """What the parts of one message say, in order within each kind."""

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[ToolResponse] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """All text, one part a line; ``None`` when there is no text part."""
        return "\n".join(self.texts) if self.texts else None


def read_content(value: Any) -> Content:
    """Read a message's content: text, one part, or a list of parts."""
    content = Content()
    _add(content, value, 0)
    return content


def _add(content: Content, value: Any, depth: int) -> None:
    if isinstance(value, str):
        if not is_opaque(value):
            content.texts.append(value)
    elif depth > MAX_DEPTH:
        return
    elif isinstance(value, dict):
        _add_part(content, value, depth)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _add(content, item, depth + 1)


def _add_part(content: Content, part: Mapping[str, Any], depth: int) -> None:
    kind = find_word(part, _KIND_KEYS)
    if kind in _TEXT_TYPES and _OTHER_MARKS.isdisjoint(part):
        content.texts += _texts(part, depth) or _describe_other(part, kind, depth)
    elif isinstance(part.get("message_content"), dict):
        _add_part(content, part["message_content"], depth + 1)
    elif (call := part if kind in _CALL_TYPES else _inner(part, _CALL_KEYS)) is not None:
        content.calls.append(read_tool_call(call))
    elif (result := part if kind in _RESULT_TYPES else _inner(part, _RESULT_KEYS)) is not None:
        content.results.append(read_tool_response(result))
    elif kind in _REASONING_TYPES or part.get("thought") is True or "reasoningContent" in part:
        content.reasoning += _texts(part, depth)
    else:
        texts = _texts(part, depth) if kind in _TEXT_TYPES else []
        content.texts += texts or _describe_other(part, kind, depth)


def _inner(part: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any] | None:
    for name in names:
        value = part.get(name)
        if isinstance(value, dict):
            return value
    return None


def _texts(part: Mapping[str, Any], depth: int) -> list[str]:
    for key in _TEXT_KEYS:
        value = part.get(key)
        if isinstance(value, str):
            return [value]
        if isinstance(value, (dict, list, tuple)) and value:
            inner = Content()
            _add(inner, value, depth + 1)
            if inner.texts or inner.reasoning:
                return inner.texts or inner.reasoning
    return []


def _describe_other(part: Mapping[str, Any], kind: str, depth: int) -> list[str]:
    """A part that is no text: kept by name, without its bytes."""
    if not kind:
        kind = next((key for key in _OTHER_KINDS if key in part), "")
        if not kind:
            return [text] if part and (text := write_text(dict(part))) else []
    if kind in ("generic", "compaction", "json"):
        return _texts(part, depth)
    inner = _inner(part, (kind, "source", "file", "image_url")) or part
    for key in _MEDIA_KEYS:
        where = inner.get(key)
        if isinstance(where, str) and where and not where.startswith("data:"):
            return [f"[{kind}: {where}]"]
    return [f"[{kind}]"]


def find(source: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of these keys whose value is not ``None``."""
    for name in names:
        value = source.get(name)
        if value is not None:
            return value
    return None


def find_word(source: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of these that is non-empty text, else the empty text."""
    for name in names:
        value = source.get(name)
        if value and isinstance(value, str):
            return value
    return ""


def find_mapping(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under this key, or an empty one."""
    value = source.get(name)
    return value if isinstance(value, dict) else {}


def read_tool_call(call: Mapping[str, Any]) -> ToolCall:
    """A tool call of any shape; ``function`` may hold name and arguments, or be the name."""
    inner = call.get("function") or call.get("tool_call") or call.get("functionCall")
    source: Mapping[str, Any] = inner if isinstance(inner, dict) else call
    if source is not call and isinstance(source.get("function"), dict):
        return read_tool_call({"id": find(call, _ID_KEYS), **source})
    name = find(source, _NAME_KEYS)
    if name is None and isinstance(inner, str):
        name = inner
    identifier = find(call, _ID_KEYS)
    if identifier is None:
        identifier = find(source, _ID_KEYS)
    return ToolCall(
        id=str(identifier) if identifier else None,
        name=str(name or ""),
        arguments=read_arguments(find(source, _ARGUMENT_KEYS)),
    )


def read_arguments(value: Any) -> dict[str, Any]:
    """Arguments as an object: decoded from JSON or a Python literal; other text stays under ``_raw``."""
    decoded = decode(value)
    if isinstance(decoded, str):
        decoded = read_literal(decoded) or decoded
    if isinstance(decoded, dict):
        return {str(key): item for key, item in decoded.items()}
    if decoded is None or decoded == "":
        return {}
    return {RAW_ARGUMENTS: write_text(value)}


def read_tool_response(result: Mapping[str, Any]) -> ToolResponse:
    """A tool result of any shape; the result stands under ``response``, else ``result``, ``output``, ``content``."""
    origin = find_mapping(result, "origin")
    value = find(result, _RESULT_VALUE_KEYS)
    failed = (
        result.get("is_error") is True
        or result.get("isError") is True
        or result.get("status") == "error"
        or result.get("error") is True
    )
    error = result.get("error")
    response = _plain(value)
    return ToolResponse(
        id=str(find(result, _ID_KEYS) or find(origin, _ID_KEYS) or ""),
        name=str(find(result, _NAME_KEYS) or find(origin, ("tool_name", "name")) or ""),
        arguments=read_arguments(result.get("arguments")) if "arguments" in result else {},
        response=response,
        error=error if isinstance(error, str) and error else (write_text(response) or "error" if failed else None),
    )


def _plain(value: Any) -> Any:
    """A result that is wrapped in text parts, or alone in an object, as its text; any other value as it is."""
    if isinstance(value, dict) and len(value) == 1:
        # Gemini's function responses have to be objects, so frameworks put text under one of these.
        text = next((value[key] for key in ("result", "output", "error") if key in value), None)
        if isinstance(text, str):
            return text
    if isinstance(value, dict) and value.get("type") in ("text", "json", "error-text", "error-json"):
        return value.get("value", value.get("text", value.get("content")))
    is_parts = isinstance(value, list) and value and all(isinstance(part, dict) for part in value)
    if is_parts and all(part.get("type") in (None, "text") and isinstance(part.get("text"), str) for part in value):
        return "\n".join(part["text"] for part in value)
    if is_parts and len(value) == 1 and set(value[0]) == {"json"}:
        return value[0]["json"]
    return value
