"""Any recorded value as plain JSON data."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

_MAX_DEPTH: Final = 200


def plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    """Mappings as dictionaries with text keys, sequences as lists, bytes as hex, NaN and infinities as text."""
    return {str(key): _plain(item, 1) for key, item in value.items()}


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if depth > _MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item, depth + 1) for item in value]
    return str(value)
