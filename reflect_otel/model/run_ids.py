"""Which run a span, event or log record names: one rule for everything that asks."""

import unicodedata
from typing import Final

from reflect_otel.attributes import REFLECT_RUN_ID
from reflect_otel.model.spans import Attributes

MAX_RUN_ID_CHARACTERS: Final = 200
"""What an API call may ask for; a longer id could never be looked up."""


def read_run_id(attributes: Attributes, key: str = REFLECT_RUN_ID) -> str | None:
    """The run id under this key; ``None`` where it is no text, or one that no call could ask for."""
    value = attributes.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_RUN_ID_CHARACTERS:
        return None
    return value if value.isprintable() or not _has_controls(value) else None


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)
