"""The part of the in-memory store that governs memories."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reflect_otel.model.governance import GovernanceChange, Origin, Quarantine, build_late_member
from reflect_otel.model.memory import Memory, MemoryStatus, Served
from reflect_otel.model.review import Review
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import LearningOutcome, StoredVector
from reflect_otel.testing.in_memory_vectors import InMemoryVectors
from reflect_otel.testing.run_entry import RunEntry

_STANDING = ("status", "status_reason", "pinned", "utility", "uses", "passes", "alarm")


class InMemoryGovernance(InMemoryVectors, ABC):
    """Part of ``InMemoryStore``. Safe to call from any thread."""

    _runs: dict[tuple[str, str], RunEntry]

    _served: list[tuple[str, Served]]

    def __init__(self) -> None:
        super().__init__()
        self._quarantines: dict[tuple[str, str], Quarantine] = {}

    def write_change(self, project_id: str, change: GovernanceChange) -> None:
        """See ``GovernanceStore``."""
        with self._lock:
            if change.opened is not None:
                self._quarantines[project_id, change.opened.id] = change.opened
            for key in ((project_id, released_id) for released_id in change.released_ids):
                self._quarantines[key] = replace(self._quarantines[key], released_ns=change.released_ns)
            self._free(project_id, {*change.freed_memory_ids, *change.deleted_memory_ids})
            for memory in change.memories:
                self._update(project_id, memory)
            for event in change.events:
                self._ledger[project_id, event.memory_id, event.run_id] = event
            for memory_id in change.deleted_memory_ids:
                self._delete_memory(project_id, memory_id)
            for (project, _), entry in self._runs.items():
                if project == project_id:
                    entry.claimed = -1

    def find_quarantines(
        self, project_id: str, *, quarantine_id: str | None = None, open_only: bool = False
    ) -> Sequence[Quarantine]:
        """See ``GovernanceStore``."""
        with self._lock:
            found = [
                item
                for (project, _), item in self._quarantines.items()
                if project == project_id and quarantine_id in (None, item.id) and not (open_only and item.released_ns)
            ]
        return sorted(found, key=lambda item: (item.created_ns, item.id), reverse=True)

    def find_quarantines_of(
        self, project_id: str, *, memory_ids: Sequence[str] = (), run_ids: Sequence[str] = ()
    ) -> Sequence[Quarantine]:
        """See ``GovernanceStore``."""
        return [
            item
            for item in self.find_quarantines(project_id, open_only=True)
            if {member.memory_id for member in item.members} & set(memory_ids) or set(item.run_ids) & set(run_ids)
        ]

    def find_memories_of(self, project_id: str, origin: Origin) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        with self._lock:
            memories = self._of_project(project_id)
        found = [memory for memory in memories if _is_named(memory, origin)]
        return sorted(found, key=lambda memory: (memory.created_ns, memory.id))

    def find_kin(self, project_id: str, memory_ids: Sequence[str]) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        asked = set(memory_ids)
        with self._lock:
            memories = self._of_project(project_id)
        speakers = {memory.merged_into for memory in memories if memory.id in asked} - {""}
        found = [memory for memory in memories if memory.merged_into in asked or memory.id in speakers]
        return sorted(
            (memory for memory in found if memory.id not in asked), key=lambda memory: (memory.created_ns, memory.id)
        )

    def find_runs_of_author(self, project_id: str, author: str) -> Sequence[str]:
        """See ``GovernanceStore``."""
        with self._lock:
            records = [entry.record for (project, _), entry in self._runs.items() if project == project_id]
        found = [record for record in records if record.author and record.author == author]
        return [record.run_id for record in sorted(found, key=lambda item: (item.first_seen_ns, item.run_id))]

    def find_runs_served(self, project_id: str, memory_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """See ``GovernanceStore``."""
        found: dict[str, set[str]] = {}
        with self._lock:
            for project, memory_id, run_id in self._ledger:
                if project == project_id and memory_id in memory_ids:
                    found.setdefault(run_id, set()).add(memory_id)
            for (project, run_id), entry in self._runs.items():
                served = set(self._find_served(entry.record)) & set(memory_ids) if project == project_id else ()
                if served:
                    found.setdefault(run_id, set()).update(served)
        return {run_id: sorted(found[run_id]) for run_id in sorted(found)}

    def find_reviews(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, Sequence[Review]]:
        """See ``GovernanceStore``."""
        with self._lock:
            entries = {run_id: self._runs.get((project_id, run_id)) for run_id in run_ids}
            found = {run_id: list(entry.reviews.values()) for run_id, entry in entries.items() if entry}
        return {run_id: reviews for run_id, reviews in found.items() if reviews}

    def find_vectors_of(self, project_id: str, memory_ids: Sequence[str]) -> Sequence[StoredVector]:
        """See ``MemoryStore``."""
        with self._lock:
            return [
                StoredVector(
                    project_id=project_id,
                    memory=self._memories[project_id, memory_id],
                    task_vector=task_vector,
                    embedder_id=embedder_id,
                    content_vector=content_vector,
                )
                for memory_id in memory_ids
                if (project_id, memory_id) in self._memories
                for embedder_id, (task_vector, content_vector) in self._vectors.get(
                    (project_id, memory_id), {}
                ).items()
                if task_vector is not None
            ]

    def count_memories_by_status(self) -> Mapping[str, tuple[int, int]]:
        """See ``GovernanceStore``."""
        with self._lock:
            counts = Counter(memory.status.value for memory in self._memories.values())
            alarmed = Counter(memory.status.value for memory in self._memories.values() if memory.alarm)
        return {status: (count, alarmed[status]) for status, count in sorted(counts.items())}

    def count_active_by_project(self) -> Mapping[str, int]:
        """See ``GovernanceStore``."""
        with self._lock:
            active = [key[0] for key, memory in self._memories.items() if memory.status is MemoryStatus.ACTIVE]
        return Counter(active)

    def count_memories_of_author(self, project_id: str, author: str, since_ns: int) -> int:
        """See ``GovernanceStore``."""
        with self._lock:
            memories = self._of_project(project_id)
        return sum(memory.author == author and memory.created_ns > since_ns for memory in memories)

    def count_unworthy_by_project(
        self, *, min_uses: int, min_utility: float, idle_before_ns: int
    ) -> Mapping[str, int]:
        """See ``GovernanceStore``."""
        with self._lock:
            projects, most = sorted({project_id for project_id, _ in self._memories}), len(self._memories)
        found = {
            project_id: self.find_unworthy_memories(
                project_id, min_uses=min_uses, min_utility=min_utility, idle_before_ns=idle_before_ns, limit=most
            )
            for project_id in projects
        }
        return {project_id: len(memories) for project_id, memories in found.items() if memories}

    def find_unworthy_memories(
        self, project_id: str, *, min_uses: int, min_utility: float, idle_before_ns: int, limit: int
    ) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        found = [
            memory
            for memory in self._archivable(project_id)
            if (memory.uses >= min_uses and memory.utility < min_utility)
            or max(memory.created_ns, memory.last_served_ns) < idle_before_ns
        ]
        return sorted(found, key=lambda memory: (memory.created_ns, memory.id))[:limit]

    def find_least_useful_memories(self, project_id: str, limit: int) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        found = self._archivable(project_id)
        return sorted(found, key=lambda item: (item.utility, -item.uses, item.created_ns, item.id))[:limit]

    @abstractmethod
    def _find_served(self, record: RunRecord) -> tuple[str, ...]:
        """Memory ids served to a run."""

    @abstractmethod
    def _delete_memory(self, project_id: str, memory_id: str) -> None:
        """Drop a memory with its vectors and ledger."""

    # --- inside -----------------------------------------------------------------------------------------

    def _join_quarantines(self, outcome: LearningOutcome) -> None:
        project_id, run_id, memory = outcome.job.project_id, outcome.job.run_id, outcome.memory
        for quarantine_id in outcome.quarantine_ids:
            item = self._quarantines[project_id, quarantine_id]
            members = {member.memory_id: member for member in item.members}
            if memory is not None:
                members.setdefault(memory.id, build_late_member(memory))
            runs = dict.fromkeys((*item.run_ids, run_id)) if item.spreads else item.run_ids
            self._quarantines[project_id, quarantine_id] = replace(
                item, members=tuple(members[key] for key in sorted(members)), run_ids=tuple(sorted(runs))
            )

    def _move_quarantined_run(self, project_id: str, from_run_id: str, run_id: str) -> None:
        for key, item in self._quarantines.items():
            if key[0] == project_id and from_run_id in item.run_ids:
                runs = {run_id if known == from_run_id else known for known in item.run_ids}
                self._quarantines[key] = replace(item, run_ids=tuple(sorted(runs)))

    def _free(self, project_id: str, memory_ids: set[str]) -> None:
        for key, item in self._quarantines.items():
            if key[0] == project_id and not item.released_ns:
                members = tuple(member for member in item.members if member.memory_id not in memory_ids)
                self._quarantines[key] = replace(item, members=members)

    def _update(self, project_id: str, memory: Memory) -> None:
        known = self._memories.get((project_id, memory.id))
        if known is not None:
            standing: dict[str, Any] = {name: getattr(memory, name) for name in _STANDING}
            self._memories[project_id, memory.id] = replace(known, **standing)

    def _archivable(self, project_id: str) -> list[Memory]:
        with self._lock:
            return [
                memory
                for memory in self._of_project(project_id)
                if memory.status is MemoryStatus.ACTIVE and not memory.pinned and not memory.status_reason
            ]

    def _of_project(self, project_id: str) -> list[Memory]:
        return [memory for (project, _), memory in self._memories.items() if project == project_id]


def _is_named(memory: Memory, origin: Origin) -> bool:
    runs = {memory.created_from, memory.contrasted_with} - {""}
    since_ns, until_ns = origin.since_ns, origin.until_ns
    return (
        memory.id in origin.memory_ids
        or (bool(memory.merged_into) and memory.merged_into in origin.memory_ids)
        or not runs.isdisjoint(origin.run_ids)
        or (bool(memory.author) and memory.author == origin.author)
        or (bool(since_ns or until_ns) and since_ns <= memory.created_ns < (until_ns or 2**63))
    )
