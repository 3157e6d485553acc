"""The embedder that needs nothing: words and letter sequences hashed into a vector.

It is lexical. Texts come out close when they share words or parts of words, not when they mean the same: "cancel my
flight" is near "flight cancellation" and far from "call off the trip". Enough to recognise recurring kinds of tasks
without a model, a key or a network; a semantic embedder does better wherever there is one.

Feature hashing with signs follows Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009).
Only integer arithmetic, square roots and sums in a fixed order are used, so one text has one vector on every machine.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from reflect_otel.ports import Vector

_DIMENSIONS: Final = 512
_GATE: Final = 0.18
_WORD_WEIGHT: Final = 1.0
_FILLER_WEIGHT: Final = 0.15
_PAIR_WEIGHT: Final = 0.6
_LETTERS_WEIGHT: Final = 0.25
_LETTERS: Final = (3, 4, 5)
_HEAD_CHARACTERS: Final = 12_000
_TAIL_CHARACTERS: Final = 4_000

_WORD: Final = re.compile(r"\w+(?:'\w+)?")
_DIGITS: Final = re.compile(r"\d+")
_FILLERS: Final = frozenset(
    """
    0 a about all also am an and any are as at be been but by can could did do does for from get had has have
    having hello help here hey hi how i i'd i'll i'm if in into is it it's its just let like may me might
    more must my need no not of on one or our out please shall should so some than thank thanks that the then
    there these this those to up want was we were what when where which who whom why will with would you your
    """.split()  # noqa: SIM905 - a list of a hundred quoted words cannot be read
)
"""English function words and courtesies, and bare numbers: they say little about the kind of task."""

_Features = NDArray[np.uint64]


class HashingEmbedder:
    """Words, word pairs and letter sequences (3 to 5), signed and hashed into 512 dimensions.

    Frequent features are dampened by a square root, digits are folded so that order 17 and order 42 look alike, and
    texts beyond 16,000 characters count with their beginning and end. ``gate`` is the 95th percentile of the cosine
    between 90 texts of different tasks: the first messages of 60 tau-bench runs and 30 unrelated requests
    (tests/unit/providers/test_hashing.py recomputes it).
    """

    id = "hashing@1"
    dimensions = _DIMENSIONS
    lexical = True
    gate = _GATE

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One float32 vector of length 1 per text; a text without letters or digits gets a fixed one."""
        return [cast("Vector", _embed(text)) for text in texts]


def _embed(text: str) -> NDArray[np.float32]:
    words = [_DIGITS.sub("0", word) for word in _WORD.findall(_folded(text))]
    content = [word for word in words if word not in _FILLERS]
    fillers = [word for word in words if word in _FILLERS]
    pairs = (f"{left} {right}" for left, right in pairwise(content))
    total = (
        _weighted(_hashed(content), _WORD_WEIGHT)
        + _weighted(_hashed(fillers), _FILLER_WEIGHT)
        + _weighted(_hashed(pairs), _PAIR_WEIGHT)
        + _weighted(_letter_sequences(f" {' '.join(content)} " if content else ""), _LETTERS_WEIGHT)
    )
    length = math.sqrt(math.fsum((total * total).tolist()))
    if length == 0.0:
        total[0] = length = 1.0
    return (total / length).astype(np.float32)


def _folded(text: str) -> str:
    if len(text) > _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        text = f"{text[:_HEAD_CHARACTERS]} {text[-_TAIL_CHARACTERS:]}"
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


def _hashed(words: Iterable[str]) -> _Features:
    return _mixed(np.fromiter((crc32(word.encode("utf-8", "surrogatepass")) for word in words), np.uint64))


def _letter_sequences(text: str) -> _Features:
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    found = [np.zeros(0, np.uint64)]
    for size in _LETTERS:
        count = len(letters) - size + 1
        if count > 0:
            hashed = np.full(count, size, np.uint64)
            for offset in range(size):
                hashed = hashed * np.uint64(0x100000001B3) ^ letters[offset : offset + count]
            found.append(_mixed(hashed))
    return np.concatenate(found)


def _mixed(features: _Features) -> _Features:
    """Spread the bits (the finaliser of SplitMix64), so that bucket and sign are independent."""
    features = (features ^ (features >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    features = (features ^ (features >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return features ^ (features >> np.uint64(31))


def _weighted(features: _Features, weight: float) -> NDArray[np.float64]:
    distinct, counts = np.unique(features, return_counts=True)
    buckets = (distinct % np.uint64(_DIMENSIONS)).astype(np.int64)
    signs = np.where(distinct >> np.uint64(63), -1.0, 1.0)
    sums = np.bincount(buckets, signs * np.sqrt(counts) * weight, minlength=_DIMENSIONS)
    return np.asarray(sums, np.float64)
