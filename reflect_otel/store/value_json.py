"""OTLP values as JSON text and back, without loss.

What JSON cannot say is marked by ``reflect_otel.model.plain_json``. Almost no value needs that, so the common case
is one look at the value and then orjson.
"""

import json
import math
from typing import Any, Final

import orjson

from reflect_otel.model.plain_json import MAX_DEPTH, from_plain, to_plain

_ALWAYS_PLAIN: Final = frozenset({str, bool, type(None)})
_INT_LIMIT: Final = 2**63


def write_json(value: Any) -> str:
    """JSON text of any OTLP value; strict JSON whatever it holds."""
    if _is_plain(value, 0):
        try:
            return orjson.dumps(value).decode()
        except orjson.JSONEncodeError:
            return json.dumps(to_plain(value))  # a lone surrogate
    return json.dumps(to_plain(value))


def read_json(text: str) -> Any:
    """The value that ``write_json`` was given; sequences come back as lists."""
    value = orjson.loads(text)
    return from_plain(value) if '{"$' in text else value


def _is_plain(value: Any, depth: int) -> bool:
    """Whether orjson writes the value as it is; it would turn NaN into null without a word."""
    kind = type(value)
    if kind in _ALWAYS_PLAIN:
        return True
    if kind is int:
        return bool(-_INT_LIMIT <= value < _INT_LIMIT)
    if kind is float:
        return math.isfinite(value)
    if depth >= MAX_DEPTH:
        return False
    if kind is list or kind is tuple:
        return all(type(item) is str or _is_plain(item, depth + 1) for item in value)
    if kind is dict:
        if len(value) == 1 and str(next(iter(value))).startswith("$"):
            return False
        for item in value.values():  # noqa: SIM110 - all() with a generator costs three times as much
            if type(item) is not str and not _is_plain(item, depth + 1):
                return False
        return True
    return False
