"""Exact nearest-neighbour search over the memories of one (project, embedder): scanned roughly, compared exactly."""

import bisect
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reflect_otel.errors import InvalidArgument
from reflect_otel.ports import Vector
from reflect_otel.store.half_vectors import LARGEST, HalfVectors

_FIRST_CAPACITY: Final = 64


class FaissIndex:
    """Exact inner-product search; equal cosines are ordered by id, whatever the order of insertion was.

    FAISS scans half-precision copies, which is what takes the time; those of its finds that it cannot tell apart are
    compared by the distinct vectors themselves, in one matrix of ours. Removing one is a swap with the last, and any
    number of ids with the same vector (runs of one task) cost one row. Any number of threads may search while one
    changes it.

    Args:
        dimensions: length of every vector.
    """

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._matrix = np.empty((_FIRST_CAPACITY, dimensions), dtype=np.float32)
        self._halves = HalfVectors(dimensions)
        self._rows: list[_Row] = []
        self._firsts: list[str] = []  # of each row: most have one id, and reading it here spares two cold lists
        self._row_of_id: dict[str, _Row] = {}
        self._row_of_vector: dict[bytes, _Row] = {}
        self._lock = _SharedLock()

    def add(self, memory_id: str, vector: Vector) -> None:
        """Add or replace. Raises InvalidArgument for another length or a value that is not finite."""
        self.add_all([(memory_id, vector)])

    def add_all(self, vectors: Sequence[tuple[str, Vector]]) -> None:
        """Add or replace all of them at once, or none. Raises InvalidArgument as ``add`` does."""
        checked = [(memory_id, self._check(vector)) for memory_id, vector in vectors]
        keys = [blake2b(values.tobytes(), digest_size=16).digest() for _, values in checked]
        with self._lock.alone():
            for key, (memory_id, values) in zip(keys, checked, strict=True):
                self._put(memory_id, key, values)

    def remove(self, memory_id: str) -> None:
        """Forget; unknown ids are ignored."""
        self.remove_all([memory_id])

    def remove_all(self, memory_ids: Sequence[str]) -> None:
        """Forget all of them at once; unknown ids are ignored."""
        with self._lock.alone():
            for memory_id in memory_ids:
                self._remove(memory_id)

    def search(self, vector: Vector, limit: int) -> Sequence[tuple[str, float]]:
        """The ``limit`` nearest as (memory id, cosine), best first; equal cosines by id.

        Raises:
            InvalidArgument: for a vector of another length or one that is not finite.
        """
        query = self._check(vector)
        with self._lock.shared():
            wanted = min(limit, len(self._rows))
            if wanted <= 0:
                return []
            slots = self._halves.find(query, wanted)  # every row holds an id: the nearest ids are in these rows
            cosines = _exact_products(self._matrix[slots], query).tolist()
            near = list(zip(slots.tolist(), cosines, strict=True))
            found = [(-cosine, self._firsts[slot]) for slot, cosine in near]
            if len(self._row_of_id) > len(self._rows):
                found += [(-cosine, other) for slot, cosine in near for other in self._rows[slot][1:limit]]
        found.sort()
        return [(memory_id, -negative) for negative, memory_id in found[:limit]]

    def __len__(self) -> int:
        return len(self._row_of_id)

    def _check(self, vector: Vector) -> NDArray[np.float32]:
        values = np.ascontiguousarray(vector, dtype=np.float32)
        if values.shape != (self._dimensions,):
            raise InvalidArgument(
                f"a vector of shape {values.shape} for an index of {self._dimensions} dimensions; "
                "embed with the index's own embedder",
                field="vector",
            )
        if not values @ values <= LARGEST * LARGEST:  # NaN too; a tenth of the time of looking at each number
            raise InvalidArgument(
                "a vector holds NaN, infinity or a number far from unit length; embed the text again",
                field="vector",
            )
        return values

    def _put(self, memory_id: str, key: bytes, values: NDArray[np.float32]) -> None:
        row = self._row_of_id.get(memory_id)
        if row is None or row.key != key:
            self._remove(memory_id)
            row = self._row_of_vector.get(key) or self._append(key, values)
            bisect.insort(row, memory_id)
            self._firsts[row.slot] = row[0]
            self._row_of_id[memory_id] = row

    def _append(self, key: bytes, values: NDArray[np.float32]) -> "_Row":
        row = _Row(key, len(self._rows))
        if row.slot == len(self._matrix):
            grown = np.empty((2 * row.slot, self._dimensions), dtype=np.float32)
            grown[: row.slot] = self._matrix
            self._matrix = grown
        self._matrix[row.slot] = values
        self._halves.append(values)
        self._rows.append(row)
        self._firsts.append("")
        self._row_of_vector[key] = row
        return row

    def _remove(self, memory_id: str) -> None:
        row = self._row_of_id.pop(memory_id, None)
        if row is None:
            return
        del row[bisect.bisect_left(row, memory_id)]
        if row:
            self._firsts[row.slot] = row[0]
            return
        del self._row_of_vector[row.key]
        last, last_first = self._rows.pop(), self._firsts.pop()
        self._halves.pop()
        if last is not row:
            self._matrix[row.slot] = self._matrix[last.slot]
            self._halves.replace(row.slot, self._matrix[last.slot])
            self._rows[row.slot], self._firsts[row.slot] = last, last_first
            last.slot = row.slot


class _Row(list[str]):
    """The ids, in order, that have one vector; never empty in the index.

    Attributes:
        key: hash of the vector's bytes.
        slot: row of the matrix.
    """

    __slots__ = ("key", "slot")

    def __init__(self, key: bytes, slot: int) -> None:
        super().__init__()
        self.key = key
        self.slot = slot


def _exact_products(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Inner products in float64, each summed by itself: the same vector gives the same number in any place."""
    products: NDArray[np.float64] = np.vecdot(rows.astype(np.float64), query.astype(np.float64))
    return products


class _SharedLock:
    """Many readers or one writer, in turns: neither can keep the other out, however many there are.

    A waiting writer goes before new readers; readers that have waited for it go before the next writer.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._readers = 0
        self._waiting_readers = 0
        self._waiting_writers = 0
        self._writing = False
        self._turn = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            if self._writing or self._waiting_writers:
                self._wait_for_turn()
            else:
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
            self._waiting_writers += 1
            try:
                self._changed.wait_for(lambda: not self._writing and not self._readers)
            finally:
                self._waiting_writers -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._readers += self._waiting_readers  # from here on they hold it, awake or not
                self._waiting_readers = 0
                self._turn += 1
                self._changed.notify_all()

    def _wait_for_turn(self) -> None:
        turn = self._turn
        self._waiting_readers += 1
        try:
            self._changed.wait_for(lambda: self._turn != turn)
        except BaseException:  # Ctrl-C in an embedding program
            if self._turn == turn:
                self._waiting_readers -= 1
            else:
                self._readers -= 1
                self._changed.notify_all()
            raise
