"""Chat messages of any shape to the model's messages.

A list may hold OpenTelemetry GenAI messages, OpenAI chat messages, OpenAI responses items, Anthropic, Gemini or
Bedrock messages, serialised LangChain messages, or OpenInference's wrapped ones; each entry is read by its own shape.
A tool result that travels inside a user message becomes a message of role ``tool``, as the model's API defines it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, Final

from reflect_otel.dialects.decoding import MAX_DEPTH, decode, write_text
from reflect_otel.dialects.object_repr import read_object_repr
from reflect_otel.dialects.parts import (
    Content,
    find,
    find_mapping,
    find_word,
    read_content,
    read_tool_call,
    read_tool_response,
)
from reflect_otel.dialects.token_counts import read_provider_usage
from reflect_otel.model.trajectory import Message, Role, ToolCall, ToolResponse

_REMEMBERED_CHARACTERS: Final = 128 * 1024
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
_ENVELOPE_KEYS: Final = frozenset({"lc", "data", "message", "messages"})
_BESIDE_MESSAGE: Final = ("finish_reason", "tool_calls", "thought", "function")
_ROLE_KEYS: Final = ("role", "type", "author", "source")
_CONTENT_KEYS: Final = ("parts", "contents", "content", "blocks", "text", "content_blocks")
_CALL_KEYS: Final = frozenset({"tool_calls", "toolCalls", "additional_kwargs", "function_call"})
_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "thinking")
_USAGE_PLACES: Final = frozenset({"usage", "usage_metadata", "meta", "response_metadata"})
_FINISH_KEYS: Final = ("finish_reason", "stop_reason", "finishReason")
_LANGCHAIN_TYPES: Final = frozenset({"human", "ai", "system", "tool", "function", "developer", "AIMessageChunk"})


def read_messages(value: Any, role: Role = Role.USER, problems: list[str] | None = None) -> tuple[Message, ...]:
    """Every message of a conversation value.

    Args:
        value: JSON text, a list of messages, one message, or plain text.
        role: who speaks where the value does not say.
        problems: gets a sentence for text that was cut.
    """
    return join_turns((), split_messages(decode(value, problems), role))


def split_messages(value: Any, role: Role = Role.USER) -> list[Message]:
    """The messages of a decoded value as they stand, before the pieces of one turn are joined."""
    found: list[Message] = []
    _add_messages(found, value, role, 0)
    return found


def read_instructions(value: Any, problems: list[str] | None = None) -> tuple[Message, ...]:
    """A system prompt: text, JSON text, or a list of parts; empty when there is none."""
    if value is None:
        return ()
    if not isinstance(value, str) or len(value) > _REMEMBERED_CHARACTERS:
        return _read_instructions(value, problems)
    instructions, faults = _read_repeated_instructions(value)
    if problems is not None:
        problems += faults
    return instructions


@lru_cache(maxsize=32)
def _read_repeated_instructions(text: str) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Every call of a run sends the same system prompt."""
    faults: list[str] = []
    return _read_instructions(text, faults), tuple(faults)


def _read_instructions(value: Any, problems: list[str] | None) -> tuple[Message, ...]:
    decoded = decode(value, problems)
    if isinstance(decoded, (dict, list, tuple)) and any(
        isinstance(item, dict) and "role" in item for item in ([decoded] if isinstance(decoded, dict) else decoded)
    ):
        return read_messages(decoded, Role.SYSTEM)
    text = read_content(decoded).text
    return (Message(role=Role.SYSTEM, content=text),) if text else ()


def read_role(value: Any, default: Role) -> Role:
    """The role of that name; names we do not know speak as ``default``."""
    if not isinstance(value, str):
        return default
    known = _ROLES.get(value)
    if known is None:
        name = value.rsplit(".", 1)[-1].strip().lower().removesuffix("messagechunk").removesuffix("message")
        known = _ROLES.get(name, default)
    return known


def read_finish_reason(value: Any) -> str | None:
    """One spelling for each reason a model stopped: stop, length, tool_calls, content_filter, or the sender's own."""
    if isinstance(value, (list, tuple)):
        reasons = [reason for item in value if (reason := read_finish_reason(item))]
        return next((reason for reason in reasons if reason != "stop"), reasons[0] if reasons else None)
    if not isinstance(value, str) or not value:
        return None
    folded = value.rsplit(".", 1)[-1].lower()
    return _FINISH_REASONS.get(folded, folded)


def _add_messages(found: list[Message], value: Any, role: Role, depth: int) -> None:
    if isinstance(value, str):
        found.append(Message(role=role, content=value))
    elif depth > MAX_DEPTH:
        return
    elif isinstance(value, dict):
        _add_entry(found, value, role, depth)
    elif isinstance(value, (list, tuple)):
        if _is_pair(value):
            found.append(Message(role=read_role(value[0], role), content=write_text(value[1])))
            return
        for item in value:
            _add_messages(found, _open_text(item) if isinstance(item, str) else item, role, depth + 1)


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


def _add_entry(found: list[Message], entry: Mapping[str, Any], role: Role, depth: int) -> None:
    if "role" not in entry or not _ENVELOPE_KEYS.isdisjoint(entry):
        inner = _unwrap(entry)
        if inner is not None:
            _add_messages(found, inner, role, depth + 1)
            return
    kind = find_word(entry, ("type",)) if "role" not in entry else ""
    if kind in _CALL_ITEMS:
        found.append(Message(role=Role.ASSISTANT, tool_calls=(read_tool_call(entry),)))
    elif kind in _RESULT_ITEMS:
        found.append(_tool_message(read_tool_response(entry)))
    elif kind == "reasoning":
        text = read_content([entry]).reasoning
        if text:
            found.append(Message(role=Role.ASSISTANT, reasoning="\n".join(text)))
    else:
        _add_chat(found, entry, role)


def _unwrap(entry: Mapping[str, Any]) -> Any:
    """The message inside an envelope, or ``None`` when the entry is the message."""
    if "role" not in entry and any(isinstance(key, str) and key.startswith("message.") for key in entry):
        return _undot(entry)
    if entry.get("lc") is not None and isinstance(entry.get("kwargs"), dict):
        path = entry.get("id")
        name = path[-1] if isinstance(path, list) and path else None
        return {"type": name, **entry["kwargs"], "role": entry["kwargs"].get("role") or name}
    if isinstance(entry.get("data"), dict) and find_word(entry, ("type",)) in _LANGCHAIN_TYPES:
        return {**entry["data"], "role": entry["data"].get("role") or entry["type"]}
    message = entry.get("message")
    if isinstance(message, dict):
        beside = {key: entry[key] for key in _BESIDE_MESSAGE if entry.get(key) is not None}
        return {**beside, **message}
    if message is not None and "content" not in entry and "parts" not in entry:
        return {**{key: value for key, value in entry.items() if key != "message"}, "content": message}
    if isinstance(entry.get("messages"), (list, tuple)) and "role" not in entry:
        return entry["messages"]
    return None


def _undot(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key.removeprefix("message."): value for key, value in entry.items()}


def _add_chat(found: list[Message], entry: Mapping[str, Any], default: Role) -> None:
    role = read_role(find_word(entry, _ROLE_KEYS), default)
    if role is Role.TOOL and _is_definition(entry):
        return
    content = read_content(find(entry, _CONTENT_KEYS))
    calls = _tool_calls(entry)
    if calls:
        content.calls = calls
    if role is Role.TOOL and isinstance(entry.get("function"), (list, tuple)):
        # AutoGen under OpenInference: the results of one turn, each as JSON text.
        results = [result for item in entry["function"] if isinstance(result := decode(item), dict)]
        content.results += [read_tool_response(result) for result in results]
    if role is Role.TOOL and not content.results:
        found.append(_plain_tool_message(entry, content))
        return
    tools = [_tool_message(response) for response in content.results]
    if role is not Role.ASSISTANT:
        found += tools
    spoken = _spoken(entry, role, content)
    if spoken is not None:
        found.append(spoken)
    if role is Role.ASSISTANT:
        found += tools


def _is_definition(entry: Mapping[str, Any]) -> bool:
    """A tool on offer, which Langfuse puts among the messages."""
    content = entry.get("content")
    return isinstance(content, dict) and content.get("type") == "function" and "function" in content


def _tool_calls(entry: Mapping[str, Any]) -> list[ToolCall]:
    if _CALL_KEYS.isdisjoint(entry):
        return []
    calls = decode(entry.get("tool_calls") or entry.get("toolCalls"))
    if not calls and isinstance(entry.get("additional_kwargs"), dict):
        calls = entry["additional_kwargs"].get("tool_calls")
    if not calls and isinstance(entry.get("function_call"), dict):
        calls = [entry["function_call"]]
    if not isinstance(calls, (list, tuple)):
        return []
    return [read_tool_call(call) for call in calls if isinstance(call, dict)]


def _plain_tool_message(entry: Mapping[str, Any], content: Content) -> Message:
    return _tool_message(
        read_tool_response(
            {
                "id": find(entry, ("tool_call_id", "toolCallId", "tool_use_id", "id")),
                "name": entry.get("name") or entry.get("tool_name"),
                "content": content.text,
                "status": entry.get("status"),
                "is_error": entry.get("is_error"),
            }
        )
    )


def _tool_message(response: ToolResponse) -> Message:
    return Message(role=Role.TOOL, content=write_text(response.response), tool_response=response)


def _spoken(entry: Mapping[str, Any], role: Role, content: Content) -> Message | None:
    reasoning = "\n".join(content.reasoning) or find(entry, _REASONING_KEYS)
    text = content.text
    calls = tuple(content.calls)
    if calls and not text:
        thought = entry.get("thought")
        text = thought if isinstance(thought, str) and thought else None
    if text is None and not calls and not reasoning:
        return None
    name = entry.get("name")
    return Message(
        role=role,
        content=text,
        tool_calls=calls or None,
        finish_reason=read_finish_reason(find(entry, _FINISH_KEYS)),
        reasoning=reasoning if isinstance(reasoning, str) and reasoning else None,
        name=name if isinstance(name, str) and name and role is not Role.TOOL else None,
        usage=_read_usage(entry) if role is Role.ASSISTANT and not _USAGE_PLACES.isdisjoint(entry) else None,
    )


def _read_usage(entry: Mapping[str, Any]) -> dict[str, int] | None:
    """What frameworks note beside an answer of the tokens that it took."""
    for source in (entry, *(find_mapping(entry, place) for place in ("meta", "response_metadata"))):
        usage = read_provider_usage(source)
        if usage.input_tokens is not None or usage.output_tokens is not None:
            return {name: count for name, count in asdict(usage).items() if count is not None}
    return None


def join_turns(joined: Sequence[Message], added: Iterable[Message]) -> tuple[Message, ...]:
    """Join the pieces of one assistant turn, which some APIs send as several items.

    Args:
        joined: messages that are joined already.
        added: what follows them.
    """
    messages = list(joined[:-1])
    turn = list(joined[-1:])
    has_text = any(message.content is not None for message in turn)
    for message in added:
        is_same = bool(turn) and _speaks_on(turn[0], message) and not (has_text and message.content is not None)
        if not is_same:
            messages += _merge_turn(turn)
            turn, has_text = [], False
        turn.append(message)
        has_text = has_text or message.content is not None
    return (*messages, *_merge_turn(turn))


def _speaks_on(message: Message, after: Message) -> bool:
    return message.role is Role.ASSISTANT and after.role is Role.ASSISTANT


def _merge_turn(pieces: Sequence[Message]) -> Sequence[Message]:
    """The pieces of one assistant turn as one message; anything else as it is."""
    if len(pieces) < 2:
        return pieces
    turn = replace(
        pieces[0],
        content=next((piece.content for piece in pieces if piece.content is not None), None),
        tool_calls=tuple(call for piece in pieces for call in piece.tool_calls or ()) or None,
        finish_reason=next((piece.finish_reason for piece in reversed(pieces) if piece.finish_reason), None),
        reasoning="\n".join(piece.reasoning for piece in pieces if piece.reasoning) or None,
        usage=next((piece.usage for piece in pieces if piece.usage), None),
        name=next((piece.name for piece in pieces if piece.name), None),
    )
    return (turn,)
