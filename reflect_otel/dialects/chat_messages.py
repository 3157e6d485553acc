"""OpenAI-style chat message dictionaries <-> the model's messages.

Both directions keep role, content, name, tool calls and tool call ids. Content parts that are all text become one
text; a list that holds anything else (images, audio, files) is kept as its JSON and comes back as the list it was.
Arguments of a tool call may be an object or JSON text; text that is no JSON object is kept as it was.

Source: OpenAI chat completions, ``messages[]``; ``function_call`` and role ``function`` are its older form.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reflect_otel.dialects.parts import RAW_ARGUMENTS
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.trajectory import Message, Role, ToolCall, ToolResponse

MAX_PART_DEPTH: Final = 16
"""Deeper content parts stay JSON text: as nested wire messages they could not be parsed again."""

_ROLES: Final = {role.value: role for role in Role} | {
    "developer": Role.SYSTEM,
    "human": Role.USER,
    "ai": Role.ASSISTANT,
    "model": Role.ASSISTANT,
    "function": Role.TOOL,
}
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text"})


def read_chat_messages(entries: Iterable[object], *, field: str = "trajectory") -> tuple[Message, ...]:
    """The messages of a conversation, in order.

    Raises:
        InvalidArgument: an entry is not a chat message; the field says which, such as ``trajectory[3].role``.
    """
    return tuple(_read_message(entry, f"{field}[{i}]") for i, entry in enumerate(entries))


def find_answer(messages: Sequence[Message]) -> str | None:
    """What the assistant said last, if it said anything."""
    spoken = (message.content for message in reversed(messages) if message.role is Role.ASSISTANT)
    return next((content for content in spoken if content), None)


def build_chat_message(message: Message) -> dict[str, Any]:
    """The dictionary of one message; keys that would be empty are left out, ``role`` and ``content`` never are."""
    chat: dict[str, Any] = {"role": message.role.value, "content": _build_content(message)}
    if message.name:
        chat["name"] = message.name
    if message.tool_calls:
        chat["tool_calls"] = [_build_tool_call(call) for call in message.tool_calls]
    if message.tool_response is not None:
        chat["tool_call_id"] = message.tool_response.id
        if message.tool_response.name:
            chat["name"] = message.tool_response.name
    if message.reasoning:
        chat["reasoning_content"] = message.reasoning
    return chat


def _read_message(entry: object, field: str) -> Message:
    if not isinstance(entry, Mapping):
        raise InvalidArgument(f"{field} must be an object with 'role' and 'content'", field=field)
    role = _read_role(entry.get("role"), f"{field}.role")
    content = _read_content(entry.get("content", entry.get("refusal")), f"{field}.content")
    name = _optional_text(entry, "name", field)
    return Message(
        role=role,
        content=content,
        name=None if role is Role.TOOL else name,
        tool_calls=_read_tool_calls(entry, field) or None,
        tool_response=_read_tool_response(entry, name, content, field) if role is Role.TOOL else None,
        reasoning=_optional_text(entry, "reasoning_content", field),
    )


def _read_role(value: object, field: str) -> Role:
    role = _ROLES.get(value.strip().lower()) if isinstance(value, str) else None
    if role is None:
        raise InvalidArgument(
            f"unknown message role {str(value)[:40]!r}; use system, user, assistant or tool", field=field
        )
    return role


def _read_content(value: object, field: str) -> str | None:
    match value:
        case None | str():
            return value
        case Mapping():
            return _read_parts([value], field)
        case list() | tuple():
            return _read_parts(value, field)
        case _:
            raise InvalidArgument(f"{field} must be text, a list of parts, or null", field=field)


def _read_parts(parts: Iterable[object], field: str) -> str:
    parts = list(parts)
    texts = [_part_text(part) for part in parts]
    known = [text for text in texts if text is not None]
    return "\n".join(known) if len(known) == len(texts) else _dump(parts, field)


def _part_text(part: object) -> str | None:
    match part:
        case str():
            return part
        case {"type": str(kind), "text": str(text)}:
            return text if kind in _TEXT_PARTS else None
        case _:
            return None


def _read_tool_response(entry: Mapping[str, Any], name: str | None, content: str | None, field: str) -> ToolResponse:
    return ToolResponse(id=_optional_text(entry, "tool_call_id", field) or "", name=name or "", response=content)


def _read_tool_calls(entry: Mapping[str, Any], field: str) -> tuple[ToolCall, ...]:
    calls = entry.get("tool_calls")
    if calls is None and entry.get("function_call") is not None:
        return (_read_tool_call({"function": entry["function_call"]}, f"{field}.function_call"),)
    if calls is None:
        return ()
    if not isinstance(calls, (list, tuple)):
        raise InvalidArgument(f"{field}.tool_calls must be a list", field=f"{field}.tool_calls")
    return tuple(_read_tool_call(call, f"{field}.tool_calls[{i}]") for i, call in enumerate(calls))


def _read_tool_call(call: object, field: str) -> ToolCall:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidArgument(f"{field} must hold a function with a name", field=field)
    return ToolCall(
        id=_optional_text(call, "id", field) if isinstance(call, Mapping) else None,
        name=function["name"],
        arguments=_read_arguments(function.get("arguments"), f"{field}.function.arguments"),
    )


def _read_arguments(value: object, field: str) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case Mapping():
            return dict(value)
        case str():
            return _parse_arguments(value)
        case _:
            return {RAW_ARGUMENTS: _dump(value, field)}


def _parse_arguments(text: str) -> dict[str, Any]:
    """The JSON object in the text; the text itself where it holds none, or one that could not be written back."""
    if not text.strip():
        return {}
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {RAW_ARGUMENTS: text}
    return parsed if isinstance(parsed, dict) else {RAW_ARGUMENTS: text}


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _optional_text(entry: Mapping[str, Any], key: str, field: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidArgument(f"{field}.{key} must be text", field=f"{field}.{key}")
    return value


def _build_content(message: Message) -> str | list[Any] | None:
    content = message.content
    if content is None and message.tool_response is not None:
        return _build_tool_content(message.tool_response)
    return content if content is None or not content.startswith("[") else _build_parts(content)


def _build_tool_content(response: ToolResponse) -> str | None:
    answer = response.error if response.response is None else response.response
    return answer if answer is None or isinstance(answer, str) else _dump(answer, "content")


def _build_parts(content: str) -> str | list[Any]:
    """The parts that ``_read_parts`` kept as JSON; any other text that begins like a list stays text."""
    try:
        parts = json.loads(content)
    except (ValueError, RecursionError):
        return content
    is_parts = all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts)
    if is_parts and any(_part_text(part) is None for part in parts) and _is_shallow(parts, MAX_PART_DEPTH):
        return list(parts)
    return content


def _is_shallow(value: object, depth: int) -> bool:
    if depth < 0:
        return False
    match value:
        case dict():
            return all(_is_shallow(item, depth - 1) for item in value.values())
        case list():
            return all(_is_shallow(item, depth - 1) for item in value)
        case _:
            return True


def _build_tool_call(call: ToolCall) -> dict[str, Any]:
    raw = call.arguments.get(RAW_ARGUMENTS) if len(call.arguments) == 1 else None
    arguments = raw if isinstance(raw, str) else _dump(call.arguments, "arguments")
    return {"id": call.id or "", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _dump(value: object, field: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (ValueError, RecursionError):
        raise InvalidArgument(f"{field} cannot be written as JSON", field=field) from None
