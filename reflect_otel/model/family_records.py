"""Memories with those that say the same, and every ledger entry of theirs: what credit is worked out from."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from reflect_otel.model.memory import SERVED, Memory, UtilityEvent


class FamilyRecords:
    """A part of the memories and the ledger of one project: whole families with all their entries.

    Read in one piece, it is kept up with what one run after another teaches until all of it is committed. Not for use
    by two threads at a time.

    Args:
        memories: whatever their status.
        heirs: who carries on the record of a memory that is gone, by its id.
        events: every ledger entry of these memories, and of those that they carry on.
    """

    def __init__(self, memories: Iterable[Memory], heirs: Mapping[str, str], events: Iterable[UtilityEvent]) -> None:
        self._memories = {memory.id: memory for memory in memories}
        self._heirs = dict(heirs)
        self._ledger: defaultdict[str, dict[str, UtilityEvent]] = defaultdict(dict)
        self._credited: defaultdict[str, set[str]] = defaultdict(set)
        self.write_events(events)

    def find_memory(self, memory_id: str) -> Memory | None:
        """The memory of this id."""
        return self._memories.get(memory_id)

    def find_heir_id(self, memory_id: str) -> str:
        """Who carries on the record of this memory; empty when nobody does."""
        return self._heirs.get(memory_id, "")

    def find_speakers(self, memory_ids: Iterable[str]) -> dict[str, Memory]:
        """Who speaks for each memory: its heir, else the one it was merged into, else itself.

        An id that nobody speaks for is absent.
        """
        found = {memory_id: self._find_speaker(memory_id) for memory_id in memory_ids}
        return {memory_id: memory for memory_id, memory in found.items() if memory is not None}

    def find_credited(self, run_id: str) -> set[str]:
        """The memories that have a ledger entry of this run."""
        return self._credited.get(run_id, set())

    def read_ledger(self, memory_ids: Iterable[str]) -> list[UtilityEvent]:
        """The entries of these memories, of those merged into them and of those they carry on.

        By (sequence, run id, memory id).
        """
        family = set(memory_ids)
        family |= {memory.id for memory in self._memories.values() if memory.merged_into in family}
        family |= {gone_id for gone_id, heir_id in self._heirs.items() if heir_id in family}
        found = (event for memory_id in family for event in self._ledger.get(memory_id, {}).values())
        return sorted(found, key=lambda event: (event.sequence, event.run_id, event.memory_id))

    def write_memory(self, memory: Memory) -> None:
        """Add a memory that was just drawn."""
        self._memories[memory.id] = memory
        if memory.status in SERVED:
            self._heirs.pop(memory.id, None)

    def write_utility(self, memory: Memory) -> None:
        """Set a memory's utility, uses, passes and alarm; an unknown one is ignored."""
        known = self._memories.get(memory.id)
        if known is not None:
            self._memories[memory.id] = replace(
                known, utility=memory.utility, uses=memory.uses, passes=memory.passes, alarm=memory.alarm
            )

    def write_events(self, events: Iterable[UtilityEvent]) -> None:
        """Upsert ledger entries by (memory, run)."""
        for event in events:
            self._ledger[event.memory_id][event.run_id] = event
            self._credited[event.run_id].add(event.memory_id)

    def _find_speaker(self, memory_id: str) -> Memory | None:
        memory = self._memories.get(self._heirs.get(memory_id, memory_id))
        return self._memories.get(memory.merged_into) if memory is not None and memory.merged_into else memory
