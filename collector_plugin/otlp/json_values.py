"""Values of OTLP/JSON: attributes, ids, times and numbers, checked as protobuf would check them."""

import base64
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from collector_plugin.otlp.protobuf import MAX_TIME_NS
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.spans import AttributeValue

MAX_DEPTH: Final = 64
"""Deepest nesting of an attribute value."""


def read_attributes(pairs: Any, depth: int = 0) -> dict[str, AttributeValue]:
    """A ``repeated KeyValue`` as a dictionary; of a repeated key the last value wins.

    Raises:
        InvalidArgument, TypeError, LookupError: when it is not one.
    """
    attributes: dict[str, AttributeValue] = {}
    for pair in pairs or ():
        key, value = pair["key"], pair.get("value")
        if type(key) is not str:
            raise InvalidArgument("an attribute key must be text")
        text = value.get("stringValue") if value else None
        attributes[key] = text if type(text) is str else read_value(value, depth)
    return attributes


def read_value(value: Any, depth: int) -> AttributeValue:
    """An ``AnyValue``; a value of a kind this release does not know is ``None``."""
    if depth > MAX_DEPTH:
        raise InvalidArgument(f"an attribute value nests more than {MAX_DEPTH} levels deep")
    if not value:
        return None
    for kind, payload in value.items():
        reader = _VALUE_READERS.get(kind)
        if reader is not None:
            return reader(payload, depth)
    return None


def _read_bool(payload: Any, _depth: int) -> bool:
    if isinstance(payload, bool):
        return payload
    raise InvalidArgument("a boolValue must be true or false")


def _read_list(payload: Any, depth: int) -> list[AttributeValue]:
    return [read_value(item, depth + 1) for item in read_list((payload or {}).get("values"))]


def _read_pairs(payload: Any, depth: int) -> dict[str, AttributeValue]:
    return read_attributes((payload or {}).get("values"), depth + 1)


def read_id(value: Any, what: str) -> bytes:
    """A hex id as bytes, empty when absent; ``what`` names it in the error."""
    if not value:
        return b""
    try:
        return bytes.fromhex(value)
    except (ValueError, TypeError):
        raise InvalidArgument(f"the {what} is not hexadecimal; OTLP/JSON writes ids in hex") from None


def read_time(value: Any) -> int:
    """Unix time in nanoseconds, 0 when absent; after the year 2262 the last that a column holds."""
    time_ns = int(value or 0)
    if time_ns < 0:
        raise InvalidArgument("a time lies before 1970; it must be Unix time in nanoseconds")
    return min(time_ns, MAX_TIME_NS)


def read_number(value: Any, names: Mapping[str, int] = MappingProxyType({})) -> int:
    """A 32-bit number, or an enum value by name; 0 when absent."""
    number = names[value] if isinstance(value, str) and value in names else int(value or 0)
    if not 0 <= number < 2**32:
        raise InvalidArgument(f"{number} does not fit into 32 bits")
    return number


def _read_int(payload: Any, _depth: int) -> int:
    number = int(payload)
    if not -(2**63) <= number < 2**63:
        raise InvalidArgument("an intValue does not fit into 64 bits")
    return number


def read_text(value: Any) -> str:
    """Text, empty when absent."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise InvalidArgument(f"expected text, found {type(value).__name__}")


def read_list(value: Any) -> Sequence[Any]:
    """A JSON array; anything else counts as absent."""
    return value if isinstance(value, list) else ()


_VALUE_READERS: Final[Mapping[str, Callable[[Any, int], AttributeValue]]] = {
    "stringValue": lambda payload, _depth: read_text(payload),
    "intValue": _read_int,
    "doubleValue": lambda payload, _depth: float(payload),
    "boolValue": _read_bool,
    "bytesValue": lambda payload, _depth: base64.b64decode(payload or ""),
    "arrayValue": _read_list,
    "kvlistValue": _read_pairs,
    "string_value": lambda payload, _depth: read_text(payload),
    "int_value": _read_int,
    "double_value": lambda payload, _depth: float(payload),
    "bool_value": _read_bool,
    "bytes_value": lambda payload, _depth: base64.b64decode(payload or ""),
    "array_value": _read_list,
    "kvlist_value": _read_pairs,
}
