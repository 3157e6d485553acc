"""Chat messages from and to protobuf Structs: what a trajectory is on the wire."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from reflect_otel.errors import InvalidArgument

_MAX_NESTING: Final = 30
"""Levels of a message: protobuf decoders stop at 100 message levels, and a Struct needs three for each of ours."""


def build_chat(trajectory: Sequence[Any] | str) -> list[Struct]:
    """Chat messages as Structs: mappings, objects with ``model_dump`` (OpenAI's), or a JSON text of a list.

    Raises:
        InvalidArgument: naming the message that cannot be read.
    """
    messages = _load_messages(trajectory) if isinstance(trajectory, str) else trajectory
    if not isinstance(messages, Sequence):
        raise InvalidArgument(
            "trajectory must be a list of role/content messages or its JSON text", field="trajectory"
        )
    return [_build_message(message, f"trajectory[{index}]") for index, message in enumerate(messages)]


def _load_messages(text: str) -> Any:
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"trajectory is not the JSON text of a message list: {error}", field="trajectory"
        ) from error
    if not isinstance(messages, list):
        raise InvalidArgument("trajectory must be the JSON text of a list of messages", field="trajectory")
    return messages


def _build_message(message: Any, field: str) -> Struct:
    if hasattr(message, "model_dump"):
        message = message.model_dump(mode="json", exclude_none=True)
    if not isinstance(message, Mapping):
        raise InvalidArgument(
            f"{field} must be a message with role and content, not {type(message).__name__}", field=field
        )
    plain = json.loads(dump_json(dict(message), field).encode("utf-8", "replace"))
    if _is_deeper_than(_MAX_NESTING, plain):
        raise InvalidArgument(
            f"{field} is nested deeper than {_MAX_NESTING} levels; pass deep values as JSON text", field=field
        )
    struct = Struct()
    struct.update(plain)
    return struct


def _is_deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper_than(levels - 1, each) for each in inner)


def dump_json(value: Any, field: str) -> str:
    """JSON text; pydantic models inside become plain objects. Raises InvalidArgument for what JSON cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_dump_model)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{field} holds what JSON cannot: {error}", field=field) from error


def _dump_model(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def read_chat(structs: Iterable[Struct]) -> tuple[dict[str, Any], ...]:
    """The messages as dictionaries."""
    return tuple(_read_struct(struct) for struct in structs)


def _read_struct(struct: Struct) -> dict[str, Any]:
    return {key: _read_value(value) for key, value in struct.fields.items()}


def _read_list(values: ListValue) -> list[Any]:
    return [_read_value(value) for value in values.values]


def _read_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _read_struct(value.struct_value)
        case "list_value":
            return _read_list(value.list_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            return _read_number(value.number_value)
        case _:
            return None


def _read_number(number: float) -> int | float:
    """A Struct knows only doubles; whole ones were integers when they left."""
    whole = math.isfinite(number) and number.is_integer() and abs(number) <= 2**53
    return int(number) if whole else number
