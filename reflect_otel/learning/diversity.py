"""How much two lessons say the same, by their words: works for every embedder and needs no stored vector. Pure."""

import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"\w+")
_LONGEST_TEXT: Final = 16_384


@lru_cache(maxsize=1024)
def find_words(text: str) -> frozenset[str]:
    """The distinct words of a text, in one case."""
    return frozenset(_WORD.findall(text[:_LONGEST_TEXT].casefold()))


def read_overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared words as a share of all words of both (Jaccard), in [0, 1]; 0 when there are none."""
    union = len(first | second)
    return len(first & second) / union if union else 0.0
