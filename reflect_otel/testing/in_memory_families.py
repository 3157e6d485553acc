"""The part of the in-memory store that knows who speaks for whom."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reflect_otel.model.family_records import FamilyRecords
from reflect_otel.model.memory import Memory, Served, UtilityEvent
from reflect_otel.ports import Succession, Vector


class InMemoryFamilies:
    """Memories with their vectors, the ledger, and the heirs of those that are gone."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._memories: dict[tuple[str, str], Memory] = {}
        self._vectors: dict[tuple[str, str], dict[str, tuple[Vector | None, Vector | None]]] = {}
        self._heirs: dict[tuple[str, str], str] = {}
        self._ledger: dict[tuple[str, str, str], UtilityEvent] = {}

    def find_speakers(self, project_id: str, memory_ids: Iterable[str]) -> Mapping[str, Memory]:
        """See ``MemoryStore``."""
        with self._lock:
            found = {memory_id: self._find_speaker(project_id, memory_id) for memory_id in memory_ids}
        return {memory_id: memory for memory_id, memory in found.items() if memory is not None}

    def find_merged(
        self, project_id: str, memory_id: str, embedder_id: str
    ) -> Sequence[tuple[Memory, Vector | None]]:
        """See ``MemoryStore``."""
        with self._lock:
            found = [
                (memory, self._vectors.get(key, {}).get(embedder_id, (None, None))[1])
                for key, memory in self._memories.items()
                if key[0] == project_id and memory.merged_into == memory_id
            ]
        return sorted(found, key=lambda item: (item[0].created_ns, item[0].id))

    def _find_families(self, project_id: str, memory_ids: Iterable[str], run_ids: Sequence[str]) -> FamilyRecords:
        """The families of these memories and of those that these runs have credited."""
        ledger = [event for key, event in self._ledger.items() if key[0] == project_id]
        family = self._find_whole_families(
            project_id, {*memory_ids, *(event.memory_id for event in ledger if event.run_id in run_ids)}
        )
        return FamilyRecords(
            [memory for key, memory in self._memories.items() if key[0] == project_id and key[1] in family],
            {key[1]: heir for key, heir in self._heirs.items() if key[0] == project_id and key[1] in family},
            [event for event in ledger if event.memory_id in family],
        )

    def find_family_ids(self, project_id: str, memory_ids: Iterable[str]) -> set[str]:
        """These ids, those of the memories merged into them, and those whose record they carry on."""
        family = set(memory_ids)
        family |= {
            key[1] for key, memory in self._memories.items() if key[0] == project_id and memory.merged_into in family
        }
        return family | {key[1] for key, heir_id in self._heirs.items() if key[0] == project_id and heir_id in family}

    def _find_whole_families(self, project_id: str, memory_ids: set[str]) -> set[str]:
        speakers = {memory.id for memory in self.find_speakers(project_id, memory_ids).values()}
        family = self.find_family_ids(project_id, memory_ids | speakers)
        return family if family == memory_ids else self._find_whole_families(project_id, family)

    def write_succession(self, project_id: str, succession: Succession) -> None:
        """See ``MemoryStore``."""
        with self._lock:
            self._memories |= {(project_id, memory.id): memory for memory, _ in succession.resettled}
            self._ledger |= {(project_id, event.memory_id, event.run_id): event for event in succession.updated}
            if not succession.heir_id:
                return
            for key, heir_id in self._heirs.items():
                if key[0] == project_id and heir_id == succession.gone_id:
                    self._heirs[key] = succession.heir_id
            self._heirs[project_id, succession.gone_id] = succession.heir_id

    def note_served(self, noted: Iterable[tuple[str, Served]]) -> None:
        """Remember when memories were last served; what was withheld was not."""
        for project_id, served in noted:
            memory = self._memories.get((project_id, served.memory_id))
            if memory is not None and not served.withheld:
                last_ns = max(memory.last_served_ns, served.served_ns)
                self._memories[project_id, memory.id] = replace(memory, last_served_ns=last_ns)

    def _find_speaker(self, project_id: str, memory_id: str) -> Memory | None:
        memory = self._memories.get((project_id, self._heirs.get((project_id, memory_id), memory_id)))
        if memory is not None and memory.merged_into:
            return self._memories.get((project_id, memory.merged_into))
        return memory
