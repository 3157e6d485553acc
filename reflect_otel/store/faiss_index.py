"""Exact nearest-neighbour search over the memories of one (project, embedder), by FAISS on one flat matrix."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reflect_otel.errors import InvalidArgument
from reflect_otel.ports import Vector

# FAISS asks OpenMP for every core on each calling thread; one query of this size is faster on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss  # the setting above counts only before the first import

_FIRST_CAPACITY: Final = 64
_ROUNDING: Final = 1e-5
"""More than float32 sums of a unit vector's products can be off; candidates this close are compared exactly."""


class FaissIndex:
    """Exact inner-product search; equal cosines are ordered by id, whatever the order of insertion was.

    The vectors lie in one matrix of ours that FAISS scans, so removing one is a swap with the last. Any number of
    threads may search while one changes it.

    Args:
        dimensions: length of every vector.
    """

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._matrix = np.empty((_FIRST_CAPACITY, dimensions), dtype=np.float32)
        self._ids: list[str] = []
        self._slots: dict[str, int] = {}
        self._lock = _SharedLock()

    def add(self, memory_id: str, vector: Vector) -> None:
        """Add or replace. Raises InvalidArgument for another length or a value that is not finite."""
        row = self._check(vector)
        with self._lock.alone():
            slot = self._slots.get(memory_id)
            if slot is None:
                slot = self._append(memory_id)
            self._matrix[slot] = row

    def remove(self, memory_id: str) -> None:
        """Forget; unknown ids are ignored."""
        with self._lock.alone():
            slot = self._slots.pop(memory_id, None)
            if slot is None:
                return
            last_id = self._ids.pop()
            if last_id != memory_id:
                self._matrix[slot] = self._matrix[len(self._ids)]
                self._ids[slot] = last_id
                self._slots[last_id] = slot

    def search(self, vector: Vector, limit: int) -> Sequence[tuple[str, float]]:
        """The ``limit`` nearest as (memory id, cosine), best first; equal cosines by id.

        Raises:
            InvalidArgument: for a vector of another length or one that is not finite.
        """
        query = self._check(vector)
        with self._lock.shared():
            wanted = min(limit, len(self._ids))
            if wanted <= 0:
                return []
            slots = self._find_candidates(query, wanted)
            cosines = _exact_products(self._matrix[slots], query)
            ids = [self._ids[slot] for slot in slots]
        found = sorted(zip(ids, cosines.tolist(), strict=True), key=lambda item: (-item[1], item[0]))
        return found[:wanted]

    def __len__(self) -> int:
        return len(self._ids)

    def _check(self, vector: Vector) -> NDArray[np.float32]:
        row = np.ascontiguousarray(vector, dtype=np.float32)
        if row.shape != (self._dimensions,):
            raise InvalidArgument(
                f"a vector of shape {row.shape} for an index of {self._dimensions} dimensions; "
                "embed with the index's own embedder",
                field="vector",
            )
        if not np.isfinite(row).all():
            raise InvalidArgument("a vector holds NaN or infinity; embed the text again", field="vector")
        return row

    def _append(self, memory_id: str) -> int:
        slot = len(self._ids)
        if slot == len(self._matrix):
            grown = np.empty((2 * slot, self._dimensions), dtype=np.float32)
            grown[:slot] = self._matrix
            self._matrix = grown
        self._ids.append(memory_id)
        self._slots[memory_id] = slot
        return slot

    def _find_candidates(self, query: NDArray[np.float32], wanted: int) -> NDArray[Any]:
        """Slots that hold the ``wanted`` nearest for certain: all that FAISS cannot tell from the last of them."""
        used = self._matrix[: len(self._ids)]
        asked = wanted
        while True:
            asked = min(asked + 8, len(used))
            products, slots = faiss.knn(query[np.newaxis], used, asked, metric=faiss.METRIC_INNER_PRODUCT)
            if asked == len(used) or products[0, -1] < products[0, wanted - 1] - _ROUNDING:
                found: NDArray[Any] = slots[0]
                return found
            asked *= 2


def _exact_products(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Inner products in float64, summed row by row: the same vector gives the same number in any place."""
    products: NDArray[np.float64] = np.einsum("ij,j->i", rows.astype(np.float64), query.astype(np.float64))
    return products


class _SharedLock:
    """Many readers or one writer; a waiting writer goes before new readers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._waiting = 0
        self._writing = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writing and not self._waiting)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                if not self._readers:
                    self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._writing and not self._readers)
            self._waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
