"""Values as instrumentations write them: JSON text, JSON inside JSON, Python reprs, cut text."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reflect_otel.dialects.object_repr import read_container_repr
from reflect_otel.dialects.salvage import salvage_json
from reflect_otel.model.spans import Attributes, AttributeValue

MAX_DEPTH: Final = 40
"""How deep a value is walked; what lies deeper is ignored."""

MAX_REPR_CHARACTERS: Final = 256 * 1024

_JSON: Final = json.JSONDecoder(strict=False, parse_constant=str)
_SURROGATE: Final = re.compile(r"\\u[dD](?:[89abAB]..(\\u[dD][c-fC-F]..)?|[c-fC-F]..)", re.DOTALL)
_UNKNOWN_ESCAPE: Final = re.compile(r"\\[^\\'\"abfnrtvxuUN0-7\n]")


def decode(value: AttributeValue, problems: list[str] | None = None, *, nested: bool = True) -> Any:
    """The value that a text stands for, or the value itself when it is no JSON and no Python literal.

    Args:
        value: any attribute value; only text that opens a JSON object, array or string is parsed.
        problems: gets a sentence when the text was cut and only its head could be read.
        nested: also decode JSON text inside a JSON string, which a serialiser applied twice leaves.
    """
    if not isinstance(value, str):
        return value
    head = value.lstrip()[:1]
    if head not in ("{", "[", '"'):
        return value
    parsed = _parse(value, problems)
    again = nested and head == '"' and isinstance(parsed, str) and parsed != value
    return decode(parsed, problems) if again else parsed


def _parse(text: str, problems: list[str] | None) -> Any:
    try:
        parsed, end = _JSON.raw_decode(text, len(text) - len(text.lstrip()))
    except (ValueError, RecursionError):
        return _parse_damaged(text, problems)
    if end != len(text) and text[end:].strip():
        return _parse_damaged(text, problems)
    return _clean(parsed, 0) if _has_half_pair(text) else parsed


def _has_half_pair(text: str) -> bool:
    """Whether JSON text holds an escaped half of a surrogate pair, which ``json`` lets through."""
    if "\\ud" not in text and "\\uD" not in text:
        return False
    return any(not found[1] for found in _SURROGATE.finditer(text))


def _parse_damaged(text: str, problems: list[str] | None) -> Any:
    literal = read_container_repr(text)
    if literal is None:
        literal = read_literal(text)
    if literal is not None:
        return literal
    salvaged = salvage_json(text)
    if salvaged is None:
        return text
    if problems is not None:
        problems.append(f"a JSON value was cut after {len(text)} characters; its head was kept")
    return _clean(salvaged, 0)


def read_literal(text: str) -> Any:
    """A Python literal such as ``{'a': None}``, or ``None`` when the text is not one."""
    if len(text) > MAX_REPR_CHARACTERS or "'" not in text or _UNKNOWN_ESCAPE.search(text):
        return None
    try:
        return _clean(ast.literal_eval(text.strip()), 0)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _clean(value: Any, depth: int) -> Any:
    """Replace half surrogate pairs, which no UTF-8 writer accepts."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() else value
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {_clean(key, depth + 1): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    return value


def find_text(attributes: Attributes, *keys: str) -> str | None:
    """The first of these attributes that holds non-empty text."""
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def find_number(attributes: Mapping[str, Any], *keys: str) -> int | None:
    """The first of these that holds a whole number of at least 0, as a number or as digits."""
    for key in keys:
        value = attributes.get(key)
        if value is not None and (number := read_number(value)) is not None:
            return number
    return None


def read_number(value: Any) -> int | None:
    """A whole number of at least 0 below 2**53, or ``None``."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 17:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < 2**53 else None


def write_text(value: Any) -> str | None:
    """A value in words: text as it is, anything else as JSON; ``None`` stays ``None``."""
    if value is None or isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=_describe)
    except (ValueError, TypeError, RecursionError):
        return str(type(value).__name__)


def _describe(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return list(value)
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)


def unflatten(attributes: Attributes, prefix: str) -> Any:
    """Indexed attributes such as ``llm.input_messages.0.message.role`` as the nested value they spell.

    Args:
        attributes: a span's attributes.
        prefix: the common head with its closing dot.

    Returns:
        Nested dictionaries and lists, or ``None`` when no key has the prefix.
    """
    root: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            _place(root, key[len(prefix) :].split("."), value)
    return _to_lists(root, 0) if root else None


def _place(root: dict[str, Any], path: list[str], value: Any) -> None:
    if len(path) > MAX_DEPTH:
        return
    for segment in path[:-1]:
        inner = root.get(segment)
        if not isinstance(inner, dict):
            inner = root[segment] = {}
        root = inner
    if not isinstance(root.get(path[-1]), dict):
        root[path[-1]] = value


def _to_lists(value: Any, depth: int) -> Any:
    if type(value) is not dict or depth > MAX_DEPTH:
        return value
    if value and all(key.isdecimal() and len(key) < 9 for key in value):
        return [_to_lists(value[key], depth + 1) for key in sorted(value, key=int)]
    return {key: _to_lists(item, depth + 1) for key, item in value.items()}
