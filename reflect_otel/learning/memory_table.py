"""The memories that are served in this process: what an augmentation reads instead of the database.

Derived data: filled from the store at start, written through after every commit. Reads take no lock, so that many
gRPC threads search at once; writers take turns.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from reflect_otel.learning.lesson_index import LessonIndex
from reflect_otel.learning.slices import iter_slices
from reflect_otel.model.memory import SERVED, Memory, MemoryKind, MemoryStatus
from reflect_otel.ports import StoredVector, Succession, Vector, VectorIndex

IndexFactory: TypeAlias = Callable[[int], VectorIndex]
"""Builds an empty index for vectors of so many dimensions."""

_LOADED_AT_ONCE: Final = 256


class Neighbour(NamedTuple):
    """A memory with a cosine in [-1, 1]: of its own task or one merged into it, or of its text, to what was asked."""

    memory: Memory
    cosine: float


class MemoryTable:
    """Memories by id and one vector index per (project, embedder); a memory may stand in several.

    Vectors of different embedders never meet: a search only sees those of the embedder it names. A merged memory is a
    further key of the one that speaks for it.

    Args:
        build_index: makes the vector index; its methods must be safe to call from any thread.
    """

    def __init__(self, build_index: IndexFactory) -> None:
        self._build_index = build_index
        self._writing = threading.Lock()
        self._memories: dict[str, dict[str, Memory]] = {}  # of each project by id
        self._embedders: dict[tuple[str, str], frozenset[str]] = {}
        self._indexes: dict[tuple[str, str], VectorIndex] = {}
        self._lessons = LessonIndex(build_index)

    def load(self, stored: Iterable[StoredVector]) -> Mapping[str, int]:
        """Add everything the store holds; how many memories of each embedder id it was."""
        counts: Counter[str] = Counter()
        rest = iter(stored)
        while piece := list(islice(rest, _LOADED_AT_ONCE)):
            with self._writing:
                self._add_all(piece)
            counts.update(item.embedder_id for item in piece)
        return counts

    def write(self, stored: StoredVector) -> None:
        """Add a memory or replace it, also where other embedders find it; one that is not served is taken out."""
        key = (stored.project_id, stored.memory.id)
        with self._writing:
            for embedder_id in self._embedders.get(key, frozenset()) - {stored.embedder_id}:
                self._indexes[(key[0], embedder_id)].remove(key[1])
            self._embedders.pop(key, None)
            self._lessons.remove(*key)
            self._add(stored)

    def add_all(self, stored: Sequence[StoredVector]) -> None:
        """Add memories that are not known here, each for all embedders that are given of it, little by little."""
        for piece in iter_slices(stored):
            with self._writing:
                self._add_all(piece)

    def add_beside(self, stored: StoredVector) -> bool:
        """Let a memory also be found by another embedder's vector; False when the memory is not known here."""
        key = (stored.project_id, stored.memory.id)
        with self._writing:
            memory = self.find(*key)
            if memory is None:
                return False
            self._add(replace(stored, memory=memory))
            return True

    def forget_others(self, embedder_id: str) -> None:
        """Drop what every other embedder finds."""
        with self._writing:
            self._indexes = {key: index for key, index in self._indexes.items() if key[1] == embedder_id}
            self._lessons.forget_others(embedder_id)
            for key, found_by in list(self._embedders.items()):
                self._embedders[key] = found_by & {embedder_id}
                if not self._embedders[key]:
                    self._remove(key)

    def write_utility(self, project_id: str, memory: Memory) -> None:
        """Replace what is known about a memory but not its vector; unknown ones are ignored."""
        with self._writing:
            known = self.find(project_id, memory.id)
            if known is None:
                return
            if memory.status in SERVED:
                served_ns = max(memory.last_served_ns, known.last_served_ns)
                self._memories[project_id][memory.id] = replace(memory, last_served_ns=served_ns)
            else:
                self._remove((project_id, memory.id))

    def write_succession(self, project_id: str, succession: Succession) -> None:
        """Follow what becomes of memories that lost who spoke for them; those not known here are ignored."""
        with self._writing:
            for memory, content_vector in succession.resettled:
                if self.find(project_id, memory.id) is None:
                    continue
                self._memories[project_id][memory.id] = memory
                if content_vector is not None and memory.status is MemoryStatus.ACTIVE:
                    self._lessons.add(project_id, succession.embedder_id, memory, content_vector)

    def note_served(self, project_id: str, memory_ids: Iterable[str], served_ns: int) -> None:
        """Remember when memories were last served; unknown ones are ignored."""
        with self._writing:
            memories = self._memories.get(project_id, {})
            for memory_id in memory_ids:
                if memory_id in memories:
                    memories[memory_id] = replace(memories[memory_id], last_served_ns=served_ns)

    def remove(self, project_id: str, memory_id: str) -> None:
        """Forget a memory; unknown ones are ignored."""
        with self._writing:
            self._remove((project_id, memory_id))

    def remove_all(self, project_id: str, memory_ids: Sequence[str]) -> None:
        """Forget many memories: none of them is served any more at once, their vectors go little by little."""
        with self._writing:
            memories = self._memories.get(project_id, {})
            for memory_id in memory_ids:
                memories.pop(memory_id, None)
        for piece in iter_slices(memory_ids):
            with self._writing:
                self._remove_all(project_id, piece)

    def find(self, project_id: str, memory_id: str) -> Memory | None:
        """The memory of this id, if it is served; a merged one as it is."""
        return self._memories.get(project_id, {}).get(memory_id)

    def count(self, project_id: str, embedder_id: str) -> int:
        """By how many keys of the project this embedder finds memories."""
        index = self._indexes.get((project_id, embedder_id))
        return 0 if index is None else len(index)

    def search(self, project_id: str, embedder_id: str, vector: Vector, limit: int) -> list[Neighbour]:
        """The memories behind the ``limit`` nearest keys of the project, best first; one may come several times."""
        index = self._indexes.get((project_id, embedder_id))
        return [] if index is None else self._read_neighbours(project_id, index.search(vector, limit))

    def search_lessons(
        self, project_id: str, embedder_id: str, kind: MemoryKind, content_vector: Vector, limit: int
    ) -> list[Neighbour]:
        """The ``limit`` active memories of the kind that say what is nearest to this, best first."""
        found = self._lessons.search(project_id, embedder_id, kind, content_vector, limit)
        return self._read_neighbours(project_id, found)

    def _read_neighbours(self, project_id: str, found: Iterable[tuple[str, float]]) -> list[Neighbour]:
        find = self._memories.get(project_id, {}).get
        neighbours: list[Neighbour] = []
        for memory_id, cosine in found:
            memory = find(memory_id)
            if memory is not None and memory.merged_into:
                memory = find(memory.merged_into)
            if memory is not None:
                neighbours.append(Neighbour(memory, cosine))
        return neighbours

    def _add(self, stored: StoredVector) -> None:
        if stored.memory.status in SERVED:
            self._add_all([stored])
        else:
            self._remove((stored.project_id, stored.memory.id))

    def _add_all(self, stored: Sequence[StoredVector]) -> None:
        vectors: dict[tuple[str, str], list[tuple[str, Vector]]] = {}
        for item in stored:
            key = (item.project_id, item.memory.id)
            self._embedders[key] = self._embedders.get(key, frozenset()) | {item.embedder_id}
            self._memories.setdefault(item.project_id, {})[item.memory.id] = item.memory
            vectors.setdefault((item.project_id, item.embedder_id), []).append((item.memory.id, item.task_vector))
        for place, added in vectors.items():
            if place not in self._indexes:
                self._indexes[place] = self._build_index(len(added[0][1]))
            self._indexes[place].add_all(added)
        self._lessons.add_all(
            (item.project_id, item.embedder_id, item.memory, item.content_vector)
            for item in stored
            if item.content_vector is not None and item.memory.status is MemoryStatus.ACTIVE
        )

    def _remove(self, key: tuple[str, str]) -> None:
        self._remove_all(key[0], [key[1]])

    def _remove_all(self, project_id: str, memory_ids: Sequence[str]) -> None:
        memories = self._memories.get(project_id, {})
        removed: dict[tuple[str, str], list[str]] = {}
        for memory_id in memory_ids:
            memories.pop(memory_id, None)
            for embedder_id in self._embedders.pop((project_id, memory_id), frozenset()):
                removed.setdefault((project_id, embedder_id), []).append(memory_id)
        self._lessons.remove_all(project_id, memory_ids)
        for place in removed.keys() & self._indexes.keys():
            self._indexes[place].remove_all(removed[place])
