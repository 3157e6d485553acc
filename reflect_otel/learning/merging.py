"""Memories that say the same speak with one voice.

A new memory whose text has a content cosine of ``MERGE_COSINE`` or more to that of an older one of the same kind and
metadata is stored as *merged* into it: the older text is served, the newer task stays a further key by which it is
found, and the rewards of both make one record. A pinned memory is never merged away. When the older one goes, or says
something else by now, the oldest of those merged into it takes its place and carries on its record.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.learning.credit import with_utility
from reflect_otel.learning.lesson import read_cosine
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.utility import recompute
from reflect_otel.model.family_records import FamilyRecords
from reflect_otel.model.memory import Memory, MemoryStatus, UtilityEvent
from reflect_otel.ports import LearningOutcome, MemoryStore, StoredVector, Succession, Vector

MERGE_COSINE: Final = 0.90
NEAREST_LESSONS: Final = 16
"""How many of the nearest lessons are looked at for one with the same metadata."""


class Merger:
    """Decides who speaks for the memory of a learning outcome, and for those that its run's old memory spoke for."""

    def __init__(self, store: MemoryStore, table: MemoryTable) -> None:
        self._store = store
        self._table = table

    def settle(self, outcome: LearningOutcome, families: FamilyRecords, embedder_id: str) -> LearningOutcome:
        """The outcome with its memory merged where it says nothing new, and with what follows from one that goes.

        Args:
            outcome: as the run and its reviews make it; its memory stands as it did before.
            families: what is known of the memory.
            embedder_id: compares what memories say.
        """
        outcome = _with_present_record(outcome)
        project_id, memory = outcome.job.project_id, outcome.memory
        known = families.find_memory(memory.id) if memory is not None else None
        if memory is not None and (known is None or known.reflection != memory.reflection):
            if known is not None:
                outcome = self._release(outcome, memory.id, embedder_id)
            outcome = self._merge(outcome, memory, is_speaking=known is not None and self._speaks(project_id, known))
        if outcome.removed_memory_id is not None:
            succession = read_succession(self._store, project_id, outcome.removed_memory_id, embedder_id)
            outcome = replace(outcome, succession=succession)
        return outcome

    def read_late_merge(self, stored: StoredVector) -> Succession | None:
        """How a memory stands that had no vectors when it was drawn; ``None``: it speaks for itself.

        One that runs have used meanwhile has a record of its own and keeps it.
        """
        project_id, memory = stored.project_id, self._store.find_memory(stored.project_id, stored.memory.id)
        if memory is None or not memory.created_from or memory.uses or self._speaks(project_id, memory):
            return None
        speaker = self._find_same(project_id, memory, stored.embedder_id, stored.content_vector, {memory.id})
        if speaker is None:
            return None
        merged = replace(memory, status=MemoryStatus.MERGED, merged_into=speaker.id)
        return Succession(
            gone_id=memory.id, resettled=[(merged, stored.content_vector)], embedder_id=stored.embedder_id
        )

    def _speaks(self, project_id: str, memory: Memory) -> bool:
        return bool(self._store.find_merged(project_id, memory.id, ""))

    def _release(self, outcome: LearningOutcome, memory_id: str, embedder_id: str) -> LearningOutcome:
        """Let those go that do not say what the rewritten memory says now; it keeps its own record."""
        merged = self._store.find_merged(outcome.job.project_id, memory_id, embedder_id)
        stranded = [item for item in merged if not _is_near(item[1], outcome.content_vector)]
        ledger = self._store.find_utility_events(outcome.job.project_id, memory_ids=[key.id for key, _ in stranded])
        succession = _build_succession(memory_id, "", resettle(stranded), ledger, embedder_id)
        return replace(outcome, succession=succession if stranded else None)

    def _merge(self, outcome: LearningOutcome, memory: Memory, *, is_speaking: bool) -> LearningOutcome:
        if memory.status is MemoryStatus.MERGED:
            memory = replace(memory, status=MemoryStatus.ACTIVE, merged_into="")
        gone = {memory.id, outcome.removed_memory_id}
        speaker = (
            None
            if is_speaking
            else self._find_same(outcome.job.project_id, memory, outcome.embedder_id, outcome.content_vector, gone)
        )
        if speaker is None:
            return replace(outcome, memory=memory)
        memory = replace(memory, status=MemoryStatus.MERGED, merged_into=speaker.id)
        return self._with_record(replace(outcome, memory=memory), speaker, memory)

    def _find_same(
        self,
        project_id: str,
        memory: Memory,
        embedder_id: str,
        content_vector: Vector | None,
        gone: Container[str | None],
    ) -> Memory | None:
        """The memory, none of those that are gone, that says the same as this one and may speak for it."""
        if memory.pinned or memory.status is not MemoryStatus.ACTIVE or content_vector is None:
            return None
        near = self._table.search_lessons(project_id, embedder_id, memory.kind, content_vector, NEAREST_LESSONS)
        return next(
            (
                item.memory
                for item in near
                if item.cosine >= MERGE_COSINE
                and item.memory.id not in gone
                and item.memory.metadata == memory.metadata
            ),
            None,
        )

    def _with_record(self, outcome: LearningOutcome, speaker: Memory, memory: Memory) -> LearningOutcome:
        """Unite the records, should the merged memory have one from the time it spoke for itself."""
        if not memory.uses:
            return outcome
        project_id, run_id = outcome.job.project_id, outcome.job.run_id
        ledger = self._store.find_utility_events(project_id, memory_ids=[speaker.id, memory.id])
        family = {speaker.id, memory.id, *(event.memory_id for event in ledger)}
        changed = {(event.memory_id, event.run_id): event for event in (*outcome.updated, *outcome.events)}
        entries = {(event.memory_id, event.run_id): event for event in ledger if event.run_id != run_id}
        entries |= {key: event for key, event in changed.items() if key[0] in family}
        state = recompute(entries.values())
        for event in state.events:
            changed[event.memory_id, event.run_id] = event
        others = [known for known in outcome.recomputed if known.id != speaker.id]
        return replace(
            outcome,
            events=[event for event in changed.values() if event.run_id == run_id],
            updated=[event for event in changed.values() if event.run_id != run_id],
            recomputed=[*others, with_utility(speaker, state)],
        )


def read_succession(store: MemoryStore, project_id: str, gone_id: str, embedder_id: str) -> Succession | None:
    """What follows when a memory goes: by deletion, or with the review it was drawn from. Call it before it is gone.

    Returns:
        Who takes its place and carries on its record, or ``None`` when nobody says the same.
    """
    gone = store.find_memory(project_id, gone_id)
    if gone is None:
        return None
    if gone.merged_into:
        return Succession(gone_id=gone_id, heir_id=gone.merged_into, embedder_id=embedder_id)
    merged = resettle(store.find_merged(project_id, gone_id, embedder_id))
    if not merged:
        return None
    ledger = store.find_utility_events(project_id, memory_ids=[gone_id])
    return _build_succession(gone_id, merged[0][0].id, merged, ledger, embedder_id)


def resettle(
    merged: Sequence[tuple[Memory, Vector | None]],
) -> list[tuple[Memory, Vector | None]]:
    """How memories stand that lost who spoke for them, given oldest first with their content vectors.

    The first speaks for itself; each later one is merged into the first speaker that says the same, or speaks, too.
    """
    settled: list[tuple[Memory, Vector | None]] = []
    speakers: list[tuple[Memory, Vector | None]] = []
    for memory, vector in merged:
        speaker = next((key.id for key, other in speakers if _is_near(vector, other)), "")
        status = MemoryStatus.MERGED if speaker else MemoryStatus.ACTIVE
        stands = (replace(memory, status=status, merged_into=speaker), vector)
        settled.append(stands)
        speakers += [] if speaker else [stands]
    return settled


def _with_present_record(outcome: LearningOutcome) -> LearningOutcome:
    """The outcome whose memory has the numbers that this very run's reward may have moved."""
    memory = outcome.memory
    moved = next((known for known in outcome.recomputed if memory is not None and known.id == memory.id), None)
    if memory is None or moved is None:
        return outcome
    drawn = replace(memory, utility=moved.utility, uses=moved.uses, passes=moved.passes, alarm=moved.alarm)
    return replace(outcome, memory=drawn)


def _build_succession(
    gone_id: str,
    heir_id: str,
    settled: Sequence[tuple[Memory, Vector | None]],
    ledger: Iterable[UtilityEvent],
    embedder_id: str,
) -> Succession:
    """The succession with every speaker's record: its own, of those merged into it, and for the heir all the rest."""
    speaker_of = {memory.id: memory.merged_into or memory.id for memory, _ in settled}
    records: dict[str, list[UtilityEvent]] = {}
    for event in ledger:
        records.setdefault(speaker_of.get(event.memory_id, heir_id), []).append(event)
    states = {speaker_id: recompute(record) for speaker_id, record in records.items() if speaker_id}
    before = {(event.memory_id, event.run_id): event for record in records.values() for event in record}
    replayed = (event for state in states.values() for event in state.events)
    return Succession(
        gone_id=gone_id,
        heir_id=heir_id,
        resettled=[
            (with_utility(memory, states[memory.id]) if memory.id in states else memory, vector)
            for memory, vector in settled
        ],
        updated=[event for event in replayed if event != before[event.memory_id, event.run_id]],
        embedder_id=embedder_id,
    )


def _is_near(first: Vector | None, second: Vector | None) -> bool:
    return first is not None and second is not None and read_cosine(first, second) >= MERGE_COSINE
