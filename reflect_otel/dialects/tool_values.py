"""What goes into a tool and comes out of it, as instrumentations record it: bare, or in a framework's envelope."""

from collections.abc import Mapping
from typing import Any, Final

from reflect_otel.dialects.decoding import decode, write_text
from reflect_otel.dialects.parts import find, find_mapping, read_arguments, read_content, read_tool_response
from reflect_otel.model.reading import ToolRun

_ENVELOPE_MARKS: Final = ("tool_call_id", "isError", "raw_output")
_OUTPUT_ENVELOPES: Final = ("output", "result", "outputs", "value")


def read_tool_values(name: str, call_id: str | None, entered: Any, left: Any) -> ToolRun:
    """A tool execution from its recorded input and output.

    Args:
        name: the tool's name.
        call_id: id of the model's call when the span names it; else the one inside an envelope is taken.
        entered: arguments as an object or JSON text, ``{args, kwargs}`` of a decorated function, LangChain's
            ``{input_str, inputs, kwargs}``, or the tool call itself.
        left: the result; a serialised tool message, an MCP result and LlamaIndex's tool output are opened.
    """
    arguments, entered_id = _read_input(entered)
    result, left_id, error = _read_output(left)
    return ToolRun(
        name=name, call_id=call_id or entered_id or left_id, arguments=arguments, result=result, error=error
    )


def _read_input(value: Any) -> tuple[dict[str, Any], str | None]:
    decoded = decode(value)
    if not isinstance(decoded, dict):
        return read_arguments(decoded), None
    if "input_str" in decoded:
        named = decoded.get("kwargs")
        identifier = named.get("tool_call_id") if isinstance(named, dict) else None
        return read_arguments(find(decoded, ("inputs", "input_str"))), _id(identifier)
    if decoded and set(decoded) <= {"args", "kwargs"}:
        named, positional = decoded.get("kwargs"), decoded.get("args")
        if isinstance(named, dict) and (named or not positional):
            return read_arguments(named), None
        return {"args": positional} if positional else {}, None
    if decoded.get("type") == "tool_call" and ("args" in decoded or "arguments" in decoded):
        return read_arguments(find(decoded, ("args", "arguments"))), _id(decoded.get("id"))
    return read_arguments(decoded), None


def _read_output(value: Any) -> tuple[Any, str | None, str | None]:
    if isinstance(value, str) and not any(mark in value for mark in _ENVELOPE_MARKS):
        return unquote(value), None, None
    decoded = decode(value)
    if isinstance(decoded, list) and len(decoded) == 1:
        decoded = decoded[0]
    if not isinstance(decoded, dict):
        return unquote(value), None, None
    message = _find_tool_message(decoded)
    if message is not None:
        response = read_tool_response(message)
        return response.response, response.id or None, response.error
    inner = find_mapping(decoded, "tool_output") or decoded
    if "raw_output" in inner and "blocks" in inner:
        result = read_content(inner["blocks"]).text or inner["raw_output"]
        failed = inner.get("is_error") is True
        return result, _id(decoded.get("tool_id")), (write_text(result) or "error") if failed else None
    if "isError" in decoded and isinstance(decoded.get("content"), list):
        response = read_tool_response(decoded)
        return response.response, None, response.error
    return unquote(value), None, None


def _find_tool_message(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    inner = find(value, ("kwargs",) if "lc" in value else ("data",) if "type" in value else _OUTPUT_ENVELOPES)
    if isinstance(inner, dict) and ("lc" in inner or isinstance(inner.get("data"), dict)):
        return _find_tool_message(inner)
    for message in (inner, value):
        if isinstance(message, dict) and "tool_call_id" in message and "content" in message:
            return message
    return None


def unquote(value: Any) -> Any:
    """Text that a serialiser put in quotes, without them; any other value as it is."""
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        decoded = decode(value, nested=False)
        return decoded if isinstance(decoded, str) else value
    return value


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
