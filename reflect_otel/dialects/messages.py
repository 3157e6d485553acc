"""Chat messages of any shape to the model's messages.

A list may hold OpenTelemetry GenAI messages, OpenAI chat messages, OpenAI responses items, Anthropic, Gemini or
Bedrock messages, serialised LangChain messages, or OpenInference's wrapped ones; each entry is read by its own shape.
A tool result that travels inside a user message becomes a message of role ``tool``, as the model's API defines it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from reflect_otel.dialects.decoding import MAX_DEPTH, decode, write_text
from reflect_otel.dialects.object_repr import read_object_repr
from reflect_otel.dialects.parts import Content, find, find_word, read_content, read_tool_call, read_tool_response
from reflect_otel.model.trajectory import Message, Role, ToolCall, ToolResponse

_ROLES: Final = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "instructions": Role.SYSTEM,
    "user": Role.USER,
    "human": Role.USER,
    "assistant": Role.ASSISTANT,
    "ai": Role.ASSISTANT,
    "model": Role.ASSISTANT,
    "chatbot": Role.ASSISTANT,
    "agent": Role.ASSISTANT,
    "bot": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
    "tool-call": Role.ASSISTANT,
    "tool-response": Role.TOOL,
    "tool_response": Role.TOOL,
}
_FINISH_REASONS: Final = {
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "tool-calls": "tool_calls",
    "function_call": "tool_calls",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "content-filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
}
_CALL_ITEMS: Final = frozenset({"function_call", "tool_call", "custom_tool_call", "mcp_call"})
_RESULT_ITEMS: Final = frozenset(
    {"function_call_output", "tool_call_response", "custom_tool_call_output", "tool_result"}
)
_LANGCHAIN_TYPES: Final = frozenset({"human", "ai", "system", "tool", "function", "developer", "AIMessageChunk"})


def read_messages(value: Any, role: Role = Role.USER, problems: list[str] | None = None) -> tuple[Message, ...]:
    """Every message of a conversation value.

    Args:
        value: JSON text, a list of messages, one message, or plain text.
        role: who speaks where the value does not say.
        problems: gets a sentence for text that was cut.
    """
    return join_turns((), split_messages(decode(value, problems), role))


def split_messages(value: Any, role: Role = Role.USER) -> Iterator[Message]:
    """The messages of a decoded value as they stand, before the pieces of one turn are joined."""
    return _iter_messages(value, role, 0)


def read_instructions(value: Any, problems: list[str] | None = None) -> tuple[Message, ...]:
    """A system prompt: text, JSON text, or a list of parts; empty when there is none."""
    decoded = decode(value, problems)
    if isinstance(decoded, dict | list | tuple) and any(
        isinstance(item, dict) and "role" in item for item in ([decoded] if isinstance(decoded, dict) else decoded)
    ):
        return read_messages(decoded, Role.SYSTEM)
    text = read_content(decoded).text
    return (Message(role=Role.SYSTEM, content=text),) if text else ()


def read_role(value: Any, default: Role) -> Role:
    """The role of that name; names we do not know speak as ``default``."""
    if not isinstance(value, str):
        return default
    name = value.rsplit(".", 1)[-1].strip().lower().removesuffix("messagechunk").removesuffix("message")
    return _ROLES.get(name, default)


def read_finish_reason(value: Any) -> str | None:
    """One spelling for each reason a model stopped: stop, length, tool_calls, content_filter, or the sender's own."""
    if isinstance(value, list | tuple):
        reasons = [reason for item in value if (reason := read_finish_reason(item))]
        return next((reason for reason in reasons if reason != "stop"), reasons[0] if reasons else None)
    if not isinstance(value, str) or not value:
        return None
    folded = value.rsplit(".", 1)[-1].lower()
    return _FINISH_REASONS.get(folded, folded)


def _iter_messages(value: Any, role: Role, depth: int) -> Iterator[Message]:
    if isinstance(value, str):
        yield Message(role=role, content=value)
    elif depth > MAX_DEPTH:
        return
    elif isinstance(value, dict):
        yield from _iter_entry(value, role, depth)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        if _is_pair(value):
            yield Message(role=read_role(value[0], role), content=write_text(value[1]))
            return
        for item in value:
            yield from _iter_messages(_open_text(item) if isinstance(item, str) else item, role, depth + 1)


def _open_text(item: str) -> Any:
    """A message inside a list that was serialised on its own: JSON text, or the repr of a framework's object."""
    if item[:1] == "{":
        return decode(item)
    found = read_object_repr(item)
    return item if found is None else found


def _is_pair(value: Sequence[Any]) -> bool:
    return (
        len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], str)
        and value[0].strip().lower() in _ROLES
    )


def _iter_entry(entry: Mapping[str, Any], role: Role, depth: int) -> Iterator[Message]:
    inner = _unwrap(entry)
    if inner is not None:
        yield from _iter_messages(inner, role, depth + 1)
        return
    kind = find_word(entry, ("type",))
    if kind in _CALL_ITEMS and "role" not in entry:
        yield Message(role=Role.ASSISTANT, tool_calls=(read_tool_call(entry),))
    elif kind in _RESULT_ITEMS and "role" not in entry:
        yield _tool_message(read_tool_response(entry))
    elif kind == "reasoning" and "role" not in entry:
        text = read_content([entry]).reasoning
        if text:
            yield Message(role=Role.ASSISTANT, reasoning="\n".join(text))
    else:
        yield from _iter_chat(entry, role)


def _unwrap(entry: Mapping[str, Any]) -> Any:
    """The message inside an envelope, or ``None`` when the entry is the message."""
    if any("." in key for key in entry if isinstance(key, str) and key.startswith("message.")):
        return _undot(entry)
    if entry.get("lc") is not None and isinstance(entry.get("kwargs"), dict):
        path = entry.get("id")
        name = path[-1] if isinstance(path, list) and path else None
        return {"type": name, **entry["kwargs"], "role": entry["kwargs"].get("role") or name}
    if isinstance(entry.get("data"), dict) and find_word(entry, ("type",)) in _LANGCHAIN_TYPES:
        return {**entry["data"], "role": entry["data"].get("role") or entry["type"]}
    message = entry.get("message")
    if isinstance(message, dict):
        beside = {key: entry[key] for key in ("finish_reason", "tool_calls") if entry.get(key) is not None}
        return {**beside, **message}
    if message is not None and "content" not in entry and "parts" not in entry:
        return {**{key: value for key, value in entry.items() if key != "message"}, "content": message}
    if isinstance(entry.get("messages"), list | tuple) and "role" not in entry:
        return entry["messages"]
    return None


def _undot(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key.removeprefix("message."): value for key, value in entry.items()}


def _iter_chat(entry: Mapping[str, Any], default: Role) -> Iterator[Message]:
    role = read_role(find_word(entry, ("role", "type", "author", "source")), default)
    if role is Role.TOOL and _is_definition(entry):
        return
    content = read_content(find(entry, ("parts", "contents", "content", "blocks", "text", "content_blocks")))
    calls = _tool_calls(entry)
    if calls:
        content.calls = calls
    response_id = find(entry, ("tool_call_id", "toolCallId", "tool_use_id"))
    if role is Role.TOOL and not content.results:
        yield _plain_tool_message(entry, content, response_id)
        return
    tools = [_tool_message(response) for response in content.results]
    if role is not Role.ASSISTANT:
        yield from tools
    spoken = _spoken(entry, role, content)
    if spoken is not None:
        yield spoken
    if role is Role.ASSISTANT:
        yield from tools


def _is_definition(entry: Mapping[str, Any]) -> bool:
    """A tool on offer, which Langfuse puts among the messages."""
    content = entry.get("content")
    return isinstance(content, dict) and content.get("type") == "function" and "function" in content


def _tool_calls(entry: Mapping[str, Any]) -> list[ToolCall]:
    calls = decode(entry.get("tool_calls") or entry.get("toolCalls"))
    if not calls and isinstance(entry.get("additional_kwargs"), dict):
        calls = entry["additional_kwargs"].get("tool_calls")
    if not calls and isinstance(entry.get("function_call"), dict):
        calls = [entry["function_call"]]
    if not isinstance(calls, list | tuple):
        return []
    return [read_tool_call(call) for call in calls if isinstance(call, dict)]


def _plain_tool_message(entry: Mapping[str, Any], content: Content, response_id: Any) -> Message:
    text = content.text
    identifier = response_id if response_id is not None else entry.get("id")
    return _tool_message(
        read_tool_response(
            {
                "id": identifier,
                "name": entry.get("name") or entry.get("tool_name"),
                "content": text,
                "status": entry.get("status"),
                "is_error": entry.get("is_error"),
            }
        )
    )


def _tool_message(response: ToolResponse) -> Message:
    return Message(role=Role.TOOL, content=write_text(response.response), tool_response=response)


def _spoken(entry: Mapping[str, Any], role: Role, content: Content) -> Message | None:
    reasoning = "\n".join(content.reasoning) or find(entry, ("reasoning_content", "reasoning", "thinking"))
    text = content.text
    calls = tuple(content.calls)
    if calls and not text:
        text = None
    if text is None and not calls and not reasoning:
        return None
    name = entry.get("name")
    return Message(
        role=role,
        content=text,
        tool_calls=calls or None,
        finish_reason=read_finish_reason(find(entry, ("finish_reason", "stop_reason", "finishReason"))),
        reasoning=reasoning if isinstance(reasoning, str) and reasoning else None,
        name=name if isinstance(name, str) and name and role is not Role.TOOL else None,
    )


def join_turns(joined: Sequence[Message], added: Iterable[Message]) -> tuple[Message, ...]:
    """Join the pieces of one assistant turn, which some APIs send as several items.

    Args:
        joined: messages that are joined already.
        added: what follows them.
    """
    messages = list(joined)
    for message in added:
        if messages and _same_turn(messages[-1], message):
            messages[-1] = merge_turn(messages[-1], message)
        else:
            messages.append(message)
    return tuple(messages)


def _same_turn(turn: Message, after: Message) -> bool:
    if turn.role is not Role.ASSISTANT or after.role is not Role.ASSISTANT:
        return False
    return turn.content is None or after.content is None


def merge_turn(turn: Message, after: Message) -> Message:
    """Two pieces of one assistant turn as one message."""
    return replace(
        turn,
        content=turn.content if turn.content is not None else after.content,
        tool_calls=(turn.tool_calls or ()) + (after.tool_calls or ()) or None,
        finish_reason=after.finish_reason or turn.finish_reason,
        reasoning="\n".join(filter(None, (turn.reasoning, after.reasoning))) or None,
        name=turn.name or after.name,
    )
