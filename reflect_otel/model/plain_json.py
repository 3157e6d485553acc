"""Any attribute or tool value as plain JSON and back.

What JSON cannot say becomes a one-key object: ``{"$bytes": base64}``, ``{"$float": "nan"}``, ``{"$int": digits}``
(beyond 64 bits), ``{"$text": base64 of UTF-8 with surrogates}``. A mapping that could be mistaken for one, or whose
keys are not storable text, becomes ``{"$pairs": [[key, value], ...]}``.
"""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

MAX_DEPTH: Final = 128
TOO_DEEP: Final = f"(nested deeper than {MAX_DEPTH} levels)"
_INT_LIMIT: Final = 2**63


def to_plain(value: Any, depth: int = 0) -> Any:
    """The value in types that any strict JSON writer accepts.

    Sequences come out as lists, objects that are none of JSON's or OTLP's types as their ``str``. What lies deeper
    than 128 levels is replaced by a note: no parser of the field would read it back.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, int):
        return int(value) if -_INT_LIMIT <= value < _INT_LIMIT else {"$int": str(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return _plain_mapping(value, depth)
    if isinstance(value, Sequence):
        return [to_plain(item, depth + 1) for item in value]
    return _plain_text(str(value))


def from_plain(value: Any) -> Any:
    """The value that ``to_plain`` was given; sequences come back as lists."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((mark, content),) = value.items()
        read = _MARKS.get(mark)
        if read is not None:
            return read(content)
    return {key: from_plain(item) for key, item in value.items()}


def _plain_text(text: str) -> Any:
    if text.isascii():
        return str(text)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return {"$text": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")}
    return str(text)


def _plain_mapping(value: Mapping[Any, Any], depth: int) -> Any:
    plain = {key: to_plain(item, depth + 1) for key, item in value.items()}
    storable = all(isinstance(key, str) and isinstance(_plain_text(key), str) for key in plain)
    if storable and not (len(plain) == 1 and next(iter(plain)) in _MARKS):
        return plain
    return {"$pairs": [[to_plain(key, depth + 1), item] for key, item in plain.items()]}


def _read_pairs(pairs: Any) -> dict[Any, Any]:
    return {from_plain(key): from_plain(item) for key, item in pairs}


def _read_text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "surrogatepass")


_MARKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$bytes": base64.b64decode,
    "$float": float,
    "$int": int,
    "$text": _read_text,
    "$pairs": _read_pairs,
}
