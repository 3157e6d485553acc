"""Upkeep in slices: whoever serves an agent has its turn in between, however much there is to do."""

import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

SLICE: Final = 64
"""Items done at a time; about a millisecond for what takes 20 µs."""
REST_SECONDS: Final = 0.001
"""Long enough for a waiting thread to take over, which giving the interpreter up for an instant is not."""

_Item = TypeVar("_Item")


def iter_slices(items: Sequence[_Item], size: int = SLICE) -> Iterator[Sequence[_Item]]:
    """The items in slices of ``size``, with a rest before each but the first."""
    for start in range(0, len(items), size):
        if start:
            time.sleep(REST_SECONDS)
        yield items[start : start + size]
