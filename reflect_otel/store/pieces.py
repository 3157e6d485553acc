"""Long lists in pieces that one statement can hold."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

_LIST_LIMIT: Final = 512
"""Longest ``in`` list of one query."""

_Item = TypeVar("_Item")


def iter_pieces(items: Iterable[_Item]) -> Iterator[tuple[_Item, ...]]:
    """The items in tuples that are short enough for one ``in`` list, or for the parameters of one statement."""
    listed = list(items)
    for start in range(0, len(listed), _LIST_LIMIT):
        yield tuple(listed[start : start + _LIST_LIMIT])
