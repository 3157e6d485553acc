"""Whether a memory just drawn may be served: not from a quarantined run, and not too many of one author."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.model.governance import HELD_BY, Quarantine
from reflect_otel.model.memory import Memory, MemoryStatus
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.ports import Clock, GovernanceStore, RunDetail

_HOUR_NS: Final = 3600 * 1_000_000_000


class EntryCheck:
    """Decides the status that a memory begins with. Reads the store, writes nothing."""

    def __init__(self, store: GovernanceStore, clock: Clock, find_settings: Callable[[str], ProjectSettings]) -> None:
        self._store = store
        self._clock = clock
        self._find_settings = find_settings

    def find_tainting(self, detail: RunDetail) -> Sequence[Quarantine]:
        """Open quarantines that the run belongs to, or a memory that it was served."""
        found = self._store.find_quarantines_of(
            detail.record.project_id, run_ids=[detail.record.run_id], memory_ids=detail.served
        )
        return [quarantine for quarantine in found if quarantine.spreads]

    def admit(self, project_id: str, memory: Memory, quarantine_ids: Sequence[str], *, is_new: bool) -> Memory:
        """The memory with the status it is stored with; the reason says why it is not served.

        Args:
            project_id: whose memory it is.
            memory: as drawn.
            quarantine_ids: open quarantines that its run belongs to.
            is_new: False when it is drawn again from a run that was learned from before.
        """
        if memory.status is MemoryStatus.QUARANTINED and not memory.status_reason.startswith(HELD_BY):
            return memory
        holding = [item.id for item in self._store.find_quarantines_of(project_id, memory_ids=[memory.id])]
        if quarantine_ids or holding:
            ids = ", ".join(dict.fromkeys((*quarantine_ids, *holding)))
            return replace(memory, status=MemoryStatus.QUARANTINED, status_reason=f"{HELD_BY}{ids}")
        if is_new and memory.author and memory.status is MemoryStatus.ACTIVE:
            return self._ration(project_id, memory)
        return memory

    def _ration(self, project_id: str, memory: Memory) -> Memory:
        quota = self._find_settings(project_id).author_quota_per_hour
        stored = self._store.count_memories_of_author(project_id, memory.author, self._clock() - _HOUR_NS)
        if stored < quota:
            return memory
        reason = f"over the quota of {quota} new memories an hour from user {memory.author[:60]!r}"
        return replace(memory, status=MemoryStatus.QUARANTINED, status_reason=reason)
