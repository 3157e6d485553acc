"""What memories say, by vector: finds the one that says the same as a new lesson."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from reflect_otel.model.memory import Memory, MemoryKind
from reflect_otel.ports import Vector, VectorIndex

_Place: TypeAlias = tuple[str, str, MemoryKind]
"""Project, embedder and kind: lessons of different ones are never compared."""


class LessonIndex:
    """One index of content vectors per (project, embedder, kind). Writers must take turns.

    Args:
        build_index: builds an empty index for vectors of so many dimensions.
    """

    def __init__(self, build_index: Callable[[int], VectorIndex]) -> None:
        self._build_index = build_index
        self._indexes: dict[_Place, VectorIndex] = {}
        self._places: dict[tuple[str, str], set[_Place]] = {}

    def add(self, project_id: str, embedder_id: str, memory: Memory, content_vector: Vector) -> None:
        """Add a memory, or replace its vector by this embedder."""
        self.add_all([(project_id, embedder_id, memory, content_vector)])

    def add_all(self, lessons: Iterable[tuple[str, str, Memory, Vector]]) -> None:
        """Do ``add`` for many."""
        vectors: dict[_Place, list[tuple[str, Vector]]] = {}
        for project_id, embedder_id, memory, content_vector in lessons:
            place = (project_id, embedder_id, memory.kind)
            vectors.setdefault(place, []).append((memory.id, content_vector))
            self._places.setdefault((project_id, memory.id), set()).add(place)
        for place, added in vectors.items():
            if place not in self._indexes:
                self._indexes[place] = self._build_index(len(added[0][1]))
            self._indexes[place].add_all(added)

    def remove(self, project_id: str, memory_id: str) -> None:
        """Forget a memory, whatever embedders found it; unknown ones are ignored."""
        self.remove_all(project_id, [memory_id])

    def remove_all(self, project_id: str, memory_ids: Iterable[str]) -> None:
        """Do ``remove`` for many."""
        removed: dict[_Place, list[str]] = {}
        for memory_id in memory_ids:
            for place in self._places.pop((project_id, memory_id), ()):
                removed.setdefault(place, []).append(memory_id)
        for place in removed.keys() & self._indexes.keys():
            self._indexes[place].remove_all(removed[place])

    def forget_others(self, embedder_id: str) -> None:
        """Drop the vectors of every other embedder."""
        self._indexes = {place: index for place, index in self._indexes.items() if place[1] == embedder_id}

    def search(
        self, project_id: str, embedder_id: str, kind: MemoryKind, content_vector: Vector, limit: int
    ) -> Sequence[tuple[str, float]]:
        """The ``limit`` nearest lessons of this kind as (memory id, cosine), best first."""
        index = self._indexes.get((project_id, embedder_id, kind))
        return () if index is None else index.search(content_vector, limit)
