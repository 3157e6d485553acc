"""Small, real stand-ins for a clock, ids, a vector index and a store: for tests of whoever builds on the ports."""

import itertools
import math
import threading
from collections.abc import Sequence
from typing import Final

from reflect_otel.errors import InvalidArgument
from reflect_otel.ports import Vector
from reflect_otel.testing.in_memory_store import InMemoryStore

__all__ = ["CountingIds", "FixedClock", "InMemoryIndex", "InMemoryStore"]

_SECOND_NS: Final = 1_000_000_000


class FixedClock:
    """A clock that moves only when told to. Call it for Unix nanoseconds."""

    def __init__(self, now_ns: int = 1_750_000_000 * _SECOND_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        """Unix time in nanoseconds."""
        return self.now_ns

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self.now_ns += round(seconds * _SECOND_NS)


class CountingIds:
    """Ids ``prefix-1``, ``prefix-2`` ... Call it for the next. Safe to call from any thread."""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix = prefix
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        """The next id."""
        return f"{self._prefix}-{next(self._numbers)}"


class InMemoryIndex:
    """A ``VectorIndex`` that compares with every vector."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._vectors: dict[str, Vector] = {}
        self._changing = threading.Lock()

    def add(self, memory_id: str, vector: Vector) -> None:
        """Add or replace.

        Raises:
            InvalidArgument: when the vector has other dimensions or holds a value that is not finite.
        """
        self.add_all([(memory_id, vector)])

    def add_all(self, vectors: Sequence[tuple[str, Vector]]) -> None:
        """Add or replace all of them, or none. Raises InvalidArgument as ``add`` does."""
        for _, vector in vectors:
            self._require(vector)
        with self._changing:
            self._vectors = {**self._vectors, **dict(vectors)}

    def remove(self, memory_id: str) -> None:
        """Forget; unknown ids are ignored."""
        self.remove_all([memory_id])

    def remove_all(self, memory_ids: Sequence[str]) -> None:
        """Forget all of them; unknown ids are ignored."""
        gone = set(memory_ids)
        with self._changing:
            self._vectors = {key: vector for key, vector in self._vectors.items() if key not in gone}

    def search(self, vector: Vector, limit: int) -> Sequence[tuple[str, float]]:
        """The ``limit`` nearest as (memory id, cosine), best first; equal cosines by id."""
        self._require(vector)
        scored = [(key, _dot(vector, stored)) for key, stored in self._vectors.items()]
        return sorted(scored, key=lambda item: (-item[1], item[0]))[:limit]

    def __len__(self) -> int:
        return len(self._vectors)

    def _require(self, vector: Vector) -> None:
        if len(vector) != self._dimensions or not all(map(math.isfinite, vector)):
            raise InvalidArgument(f"a vector of this index has {self._dimensions} finite numbers", field="vector")


def _dot(left: Vector, right: Vector) -> float:
    return sum(float(a) * float(b) for a, b in zip(left, right, strict=True))
