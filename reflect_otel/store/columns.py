"""Columns of Python values as numpy arrays, the cheapest way into DuckDB: a third of the CPU of bound lists."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Columns: TypeAlias = Mapping[str, NDArray[Any]]

MAX_NULLABLE_ROWS = 1000
"""DuckDB takes the type of an object column from its first 1000 values; an insert with ``None`` stays below."""


def storable_text(text: str) -> str:
    """The text with every lone surrogate, which UTF-8 cannot hold, replaced by a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def build_objects(values: Iterable[bytes | str | None]) -> NDArray[Any]:
    """A column of bytes, or of text that is known to be storable."""
    # filled by hand: np.array(list of bytes or str) would first build a fixed-width array of the longest one
    listed = list(values)
    column = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column


def build_texts(values: Iterable[str]) -> NDArray[Any]:
    """A column of any text."""
    return build_objects(map(storable_text, values))


def build_optional_texts(values: Iterable[str | None]) -> NDArray[Any]:
    """A column of any text or ``None``, of at most ``MAX_NULLABLE_ROWS`` rows."""
    return build_objects(None if value is None else storable_text(value) for value in values)


def build_numbers(values: Iterable[int], kind: type[np.integer[Any]]) -> NDArray[Any]:
    """A column of whole numbers; what does not fit is cut to the nearest that does."""
    listed = list(values)
    try:
        return np.array(listed, dtype=kind)
    except OverflowError:
        limits = np.iinfo(kind)
        return np.array([min(max(value, limits.min), limits.max) for value in listed], dtype=kind)
