"""The part of the in-memory store that keeps the vectors of each embedder."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reflect_otel.model.memory import Memory, MemoryStatus
from reflect_otel.ports import StoredVector
from reflect_otel.testing.in_memory_families import InMemoryFamilies


class InMemoryVectors(InMemoryFamilies):
    """Memories with their vectors by any number of embedders."""

    def find_vectors(self) -> Iterator[StoredVector]:
        """See ``MemoryStore``."""
        with self._lock:
            found = [
                StoredVector(
                    project_id=key[0],
                    memory=memory,
                    task_vector=task_vector,
                    embedder_id=embedder_id,
                    content_vector=content_vector if memory.status is MemoryStatus.ACTIVE else None,
                )
                for key, memory in self._memories.items()
                for embedder_id, (task_vector, content_vector) in self._vectors.get(key, {}).items()
                if memory.status in {MemoryStatus.ACTIVE, MemoryStatus.MERGED} and task_vector is not None
            ]
        return iter(found)

    def find_unembedded(self, embedder_id: str, limit: int) -> Sequence[tuple[str, Memory]]:
        """See ``MemoryStore``."""
        with self._lock:
            lacking = [
                (key[0], memory)
                for key, memory in self._memories.items()
                if any(vector is None for vector in self._vectors.get(key, {}).get(embedder_id, (None,)))
            ]
        return sorted(
            lacking, key=lambda item: (item[1].status is not MemoryStatus.ACTIVE, item[1].created_ns, item[1].id)
        )[:limit]

    def write_vectors(self, vectors: Sequence[StoredVector]) -> Sequence[StoredVector]:
        """See ``MemoryStore``."""
        written: list[StoredVector] = []
        with self._lock:
            for stored in vectors:
                key = (stored.project_id, stored.memory.id)
                memory = self._memories.get(key)
                if memory and (memory.task, memory.reflection) == (stored.memory.task, stored.memory.reflection):
                    vectors_of = self._vectors.setdefault(key, {})
                    vectors_of[stored.embedder_id] = (stored.task_vector, stored.content_vector)
                    written.append(replace(stored, memory=memory))
        return written

    def delete_other_vectors(self, embedder_id: str) -> None:
        """See ``MemoryStore``."""
        with self._lock:
            for key, vectors in self._vectors.items():
                self._vectors[key] = {name: pair for name, pair in vectors.items() if name == embedder_id}

    def count_embedded(self) -> Mapping[str, int]:
        """See ``MemoryStore``."""
        active = (stored for stored in self.find_vectors() if stored.memory.status is MemoryStatus.ACTIVE)
        return Counter(stored.embedder_id for stored in active)

    def count_active_memories(self) -> int:
        """See ``MemoryStore``."""
        with self._lock:
            return sum(memory.status is MemoryStatus.ACTIVE for memory in self._memories.values())
