"""Whether a memory just drawn may be served: not from a quarantined run, and not too many of one author."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.model.governance import HELD_BY
from reflect_otel.model.memory import Memory, MemoryStatus
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.ports import Clock, GovernanceStore

_HOUR_NS: Final = 3600 * 1_000_000_000


class EntryCheck:
    """Decides the status that a memory begins with. Reads the store, writes nothing."""

    def __init__(self, store: GovernanceStore, clock: Clock, find_settings: Callable[[str], ProjectSettings]) -> None:
        self._store = store
        self._clock = clock
        self._find_settings = find_settings

    def admit(
        self,
        project_id: str,
        memory: Memory,
        quarantine_ids: Sequence[str],
        *,
        is_new: bool,
        uncommitted: Iterable[Memory],
    ) -> Memory:
        """The memory with the status it is stored with; the reason says why it is not served.

        Args:
            project_id: whose memory it is.
            memory: as drawn.
            quarantine_ids: open quarantines that it or its run belongs to.
            is_new: False when it is drawn again from a run that was learned from before.
            uncommitted: memories drawn before it that the store does not have yet.
        """
        if memory.status is MemoryStatus.QUARANTINED and not memory.status_reason.startswith(HELD_BY):
            return memory
        if quarantine_ids:
            ids = ", ".join(dict.fromkeys(quarantine_ids))
            return replace(memory, status=MemoryStatus.QUARANTINED, status_reason=f"{HELD_BY}{ids}")
        if is_new and memory.author and memory.status is MemoryStatus.ACTIVE:
            return self._ration(project_id, memory, uncommitted)
        return memory

    def _ration(self, project_id: str, memory: Memory, uncommitted: Iterable[Memory]) -> Memory:
        quota = self._find_settings(project_id).author_quota_per_hour
        stored = self._store.count_memories_of_author(project_id, memory.author, self._clock() - _HOUR_NS)
        if stored + sum(other.author == memory.author for other in uncommitted) < quota:
            return memory
        reason = f"over the quota of {quota} new memories an hour from user {memory.author[:60]!r}"
        return replace(memory, status=MemoryStatus.QUARANTINED, status_reason=reason)
