"""What people decide about memories, and what follows for everything else; each act is one transaction.

Takes turns with the learning loop: a job that was read before an act is refused by the store and read again.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.errors import FailedPrecondition, NotFound
from reflect_otel.learning.blast_radius import find_blast_radius
from reflect_otel.learning.credit import with_utility
from reflect_otel.learning.history import build_history
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.merging import read_succession
from reflect_otel.learning.slices import iter_slices
from reflect_otel.learning.utility import EXCLUDED_BY_QUARANTINE, recompute
from reflect_otel.model.governance import (
    HELD_BY,
    RESTORED_BY_HAND,
    BlastRadius,
    GovernanceChange,
    MemoryAction,
    MemoryHistory,
    Origin,
    Quarantine,
    QuarantinedMemory,
)
from reflect_otel.model.memory import SERVED, Memory, MemoryStatus, UtilityEvent
from reflect_otel.ports import Clock, Store

_BY_HAND: Final = "by hand"
_VECTORS_AT_ONCE: Final = 1000
"""Memories whose vectors are read in one statement, some megabytes."""


class Governance:
    """Pins, archives, quarantines, releases and deletes memories. Safe to call from any thread.

    Args:
        store: the durable truth.
        table: what augmentations read; written through after every commit.
        clock: Unix time in nanoseconds.
        ids: makes the id of a quarantine.
        committing: held by whoever commits to the ledger.
        embedder_id: of what compares the texts of memories now.
    """

    def __init__(
        self,
        store: Store,
        table: MemoryTable,
        clock: Clock,
        ids: Callable[[], str],
        committing: threading.RLock,  # type: ignore[valid-type, unused-ignore] # a function before Python 3.13
        embedder_id: Callable[[], str],
    ) -> None:
        self._embedder_id = embedder_id
        self._store = store
        self._table = table
        self._clock = clock
        self._ids = ids
        self._committing = committing

    # --- looking ----------------------------------------------------------------------------------------

    def find_blast_radius(self, project_id: str, origin: Origin) -> BlastRadius:
        """Every memory and run within reach of the origin.

        Raises:
            NotFound: it names a memory or run that this project does not have.
        """
        self._require_known(project_id, origin)
        return find_blast_radius(self._store, project_id, origin)

    def get_history(
        self, project_id: str, memory_id: str, limit: int, weights: Mapping[str, float] | None = None
    ) -> MemoryHistory:
        """Where a memory comes from and how it came by its utility, with the ``limit`` newest entries.

        Args:
            project_id: whose memory.
            memory_id: which.
            limit: most entries.
            weights: the project's own reviewer weights.

        Raises:
            NotFound: no such memory in this project.
        """
        memory = self._get_memories(project_id, [memory_id])[0]
        return build_history(self._store, project_id, memory, limit, weights)

    def find_quarantines(self, project_id: str) -> Sequence[Quarantine]:
        """Every quarantine of the project, newest first, released ones too."""
        return self._store.find_quarantines(project_id)

    # --- single memories --------------------------------------------------------------------------------

    def update_memories(
        self, project_id: str, memory_ids: Sequence[str], action: MemoryAction, reason: str
    ) -> Sequence[Memory]:
        """Do this to all of them, or, when one of them does not allow it, to none; as they are then.

        Raises:
            NotFound: one of them does not exist in this project.
            FailedPrecondition: one of them is not in the state the action needs; names the action that fits.
        """
        with self._committing:
            memories = self._get_memories(project_id, memory_ids)
            change = self._build_change(project_id, memories, action, reason or _BY_HAND)
            self._commit(project_id, change)
            return self._get_memories(project_id, memory_ids)

    def delete_memories(self, project_id: str, memory_ids: Sequence[str]) -> int:
        """Delete memories with their vectors and ledger; unknown ids are ignored. Returns how many there were."""
        with self._committing:
            known = [item.id for item in self._find_memories(project_id, memory_ids)]
            heirs = [heir_id for memory_id in known for heir_id in self._pass_on(project_id, memory_id)]
            if known:
                emptied = _find_emptied(self._store.find_quarantines_of(project_id, memory_ids=known), known)
                self._commit(
                    project_id,
                    GovernanceChange(deleted_memory_ids=known, released_ids=emptied, released_ns=self._clock()),
                )
            for stored in self._store.find_vectors_of(project_id, sorted(set(heirs) - set(known))):
                self._table.write(stored)
            return len(known)

    def delete_memories_of(self, project_id: str, run_ids: Sequence[str]) -> int:
        """Delete the memories drawn from these runs, as ``delete_memories`` does. Returns how many there were."""
        drawn = self._store.find_memories_of(project_id, Origin(run_ids=tuple(run_ids)))
        return self.delete_memories(project_id, [memory.id for memory in drawn])

    def archive(self, project_id: str, reasons: Mapping[str, str]) -> int:
        """Archive these memories for these reasons, as far as they are still active and not pinned; how many."""
        with self._committing:
            found = self._find_memories(project_id, list(reasons))
            fit = [memory for memory in found if memory.status is MemoryStatus.ACTIVE and not memory.pinned]
            archived = [
                replace(memory, status=MemoryStatus.ARCHIVED, status_reason=reasons[memory.id]) for memory in fit
            ]
            if archived:
                self._commit(project_id, GovernanceChange(memories=archived))
            return len(archived)

    # --- a whole reach ----------------------------------------------------------------------------------

    def quarantine(self, project_id: str, origin: Origin, reason: str) -> Quarantine:
        """Take every memory within reach out of service and every run within reach out of the ledger, at once.

        Raises:
            NotFound: the origin names a memory or run that this project does not have.
            FailedPrecondition: nothing is within reach.
        """
        with self._committing:
            radius = self.find_blast_radius(project_id, origin)
            if not (radius.memories or radius.runs):
                raise FailedPrecondition("nothing is within reach of that; there is nothing to quarantine")
            memories = [touched.memory for touched in radius.memories]
            run_ids = tuple(touched.run_id for touched in radius.runs)
            opened = self._build_quarantine(project_id, memories, reason or _BY_HAND, run_ids, spreads=True)
            held = [_quarantined(memory, opened) for memory in memories]
            recounted, events = self._recount(project_id, run_ids, EXCLUDED_BY_QUARANTINE, held)
            self._commit(project_id, GovernanceChange(opened=opened, memories=recounted, events=events))
            return opened

    def release(self, project_id: str, quarantine_id: str) -> Quarantine:
        """Put everything back that no other quarantine holds; releasing it again changes nothing.

        Raises:
            NotFound: no such quarantine in this project.
        """
        with self._committing:
            released = self._get_quarantine(project_id, quarantine_id)
            if released.released_ns:
                return released
            others = [
                item for item in self._store.find_quarantines(project_id, open_only=True) if item.id != quarantine_id
            ]
            held_runs = {run_id for item in others for run_id in item.run_ids}
            run_ids = [run_id for run_id in released.run_ids if run_id not in held_runs]
            memories = self._put_back(project_id, released, others)
            recounted, events = self._recount(project_id, run_ids, "", memories)
            self._commit(
                project_id,
                GovernanceChange(
                    memories=recounted, events=events, released_ids=[quarantine_id], released_ns=self._clock()
                ),
            )
            return self._get_quarantine(project_id, quarantine_id)

    # --- inside -----------------------------------------------------------------------------------------

    def _build_change(
        self, project_id: str, memories: Sequence[Memory], action: MemoryAction, reason: str
    ) -> GovernanceChange:
        match action:
            case MemoryAction.QUARANTINE:
                fresh = [memory for memory in memories if memory.status is not MemoryStatus.QUARANTINED]
                if not fresh:
                    return GovernanceChange()
                opened = self._build_quarantine(project_id, fresh, reason, (), spreads=False)
                return GovernanceChange(opened=opened, memories=[_quarantined(item, opened) for item in fresh])
            case MemoryAction.RELEASE:
                return self._build_release(project_id, memories)
            case _:
                return GovernanceChange(memories=[_act(memory, action, reason) for memory in memories])

    def _build_release(self, project_id: str, memories: Sequence[Memory]) -> GovernanceChange:
        ids = [memory.id for memory in memories]
        former: dict[str, QuarantinedMemory] = {}
        holding = self._store.find_quarantines_of(project_id, memory_ids=ids)
        for quarantine in holding:
            former |= {member.memory_id: member for member in quarantine.members}
        released = [
            _put_back(memory, former.get(memory.id, QuarantinedMemory(memory_id=memory.id)))
            for memory in memories
            if _require_status(memory, MemoryStatus.QUARANTINED, MemoryStatus.ACTIVE).status
            is MemoryStatus.QUARANTINED
        ]
        return GovernanceChange(
            memories=released,
            freed_memory_ids=ids,
            released_ids=_find_emptied(holding, ids),
            released_ns=self._clock(),
        )

    def _build_quarantine(
        self, project_id: str, memories: Sequence[Memory], reason: str, run_ids: tuple[str, ...], *, spreads: bool
    ) -> Quarantine:
        ids = [memory.id for memory in memories]
        former: dict[str, QuarantinedMemory] = {}
        for quarantine in self._store.find_quarantines_of(project_id, memory_ids=ids):
            former |= {member.memory_id: member for member in quarantine.members}
        members = [
            former.get(
                memory.id,
                QuarantinedMemory(memory_id=memory.id, status=memory.status, reason=memory.status_reason),
            )
            for memory in memories
        ]
        return Quarantine(
            id=self._ids(),
            reason=reason,
            created_ns=self._clock(),
            spreads=spreads,
            members=tuple(members),
            run_ids=run_ids,
        )

    def _put_back(self, project_id: str, released: Quarantine, others: Sequence[Quarantine]) -> list[Memory]:
        held = {member.memory_id for item in others for member in item.members}
        former = {item.memory_id: item for item in released.members if item.memory_id not in held}
        found = self._find_memories(project_id, list(former))
        return [_put_back(memory, former[memory.id]) for memory in found if memory.status is MemoryStatus.QUARANTINED]

    def _recount(
        self, project_id: str, run_ids: Iterable[str], excluded: str, changed: Sequence[Memory]
    ) -> tuple[list[Memory], list[UtilityEvent]]:
        """The memories that these runs have credited, and ``changed``, recomputed with the runs in or out."""
        runs = set(run_ids)
        memories, ledgers = self._find_ledgers(project_id, sorted(runs)) if runs else ({}, {})
        memories |= {memory.id: memory for memory in changed}
        events: list[UtilityEvent] = []
        for piece in iter_slices(list(ledgers.items())):
            for memory_id, ledger in piece:
                marked = [replace(event, excluded=excluded) if event.run_id in runs else event for event in ledger]
                state = recompute(marked)
                now = {_key(event): event for event in (*marked, *state.events)}
                events += [now[_key(event)] for event in ledger if now[_key(event)] != event]
                if memory_id in memories:
                    memories[memory_id] = with_utility(memories[memory_id], state)
        return list(memories.values()), events

    def _find_ledgers(
        self, project_id: str, run_ids: Sequence[str]
    ) -> tuple[dict[str, Memory], dict[str, list[UtilityEvent]]]:
        """The memories that these runs have credited, and every entry of each, by who speaks for them now."""
        own = self._store.find_utility_events(project_id, run_ids=run_ids)
        credited = {event.memory_id for event in own}
        speakers = dict(self._store.find_speakers(project_id, sorted(credited)))
        heads = {memory.id for memory in speakers.values()}
        entries = self._store.find_utility_events(project_id, memory_ids=sorted(credited | heads))
        others = {event.memory_id for event in entries} - credited
        speakers |= self._store.find_speakers(project_id, sorted(others))
        ledgers: dict[str, list[UtilityEvent]] = {}
        for event in entries:
            speaker = speakers.get(event.memory_id)
            ledgers.setdefault(speaker.id if speaker else event.memory_id, []).append(event)
        return {memory.id: memory for memory in speakers.values()}, ledgers

    def _commit(self, project_id: str, change: GovernanceChange) -> None:
        self._store.write_change(project_id, change)
        gone = [memory.id for memory in change.memories if memory.status not in SERVED]
        self._table.remove_all(project_id, [*change.deleted_memory_ids, *gone])
        served_again: list[str] = []
        for piece in iter_slices([memory for memory in change.memories if memory.status in SERVED]):
            for memory in piece:
                if self._table.find(project_id, memory.id) is None:
                    served_again.append(memory.id)
                else:
                    self._table.write_utility(project_id, memory)
        for ids in iter_slices(served_again, _VECTORS_AT_ONCE):
            self._table.add_all(self._store.find_vectors_of(project_id, ids))

    def _pass_on(self, project_id: str, memory_id: str) -> list[str]:
        """Let those that say the same speak for themselves; their ids."""
        succession = read_succession(self._store, project_id, memory_id, self._embedder_id())
        if succession is None:
            return []
        self._store.write_succession(project_id, succession)
        return [memory.id for memory, _ in succession.resettled]

    def _find_memories(self, project_id: str, memory_ids: Sequence[str]) -> list[Memory]:
        """Those that exist, in the order asked for."""
        wanted = {memory_id: at for at, memory_id in enumerate(memory_ids)}
        if not wanted:
            return []
        found = self._store.find_memories_of(project_id, Origin(memory_ids=tuple(wanted)))
        return sorted((memory for memory in found if memory.id in wanted), key=lambda memory: wanted[memory.id])

    def _get_memories(self, project_id: str, memory_ids: Sequence[str]) -> list[Memory]:
        found = self._find_memories(project_id, memory_ids)
        _require_all(memory_ids, {memory.id for memory in found}, "memory")
        return found

    def _get_quarantine(self, project_id: str, quarantine_id: str) -> Quarantine:
        found = self._store.find_quarantines(project_id, quarantine_id=quarantine_id)
        _require_all([quarantine_id], {item.id for item in found}, "quarantine")
        return found[0]

    def _require_known(self, project_id: str, origin: Origin) -> None:
        self._get_memories(project_id, origin.memory_ids)
        known = {run_id for run_id in origin.run_ids if self._knows_run(project_id, run_id)}
        _require_all(origin.run_ids, known, "run")

    def _knows_run(self, project_id: str, run_id: str) -> bool:
        """Also one that was deleted while a memory drawn from it, or its rewards, stayed."""
        detail = self._store.find_run(project_id, run_id)
        if detail is not None:
            return detail.record.run_id == run_id
        drawn = self._store.find_memories_of(project_id, Origin(run_ids=(run_id,)))
        return bool(drawn or self._store.find_utility_events(project_id, run_id=run_id))


def _act(memory: Memory, action: MemoryAction, reason: str) -> Memory:
    active, archived = MemoryStatus.ACTIVE, MemoryStatus.ARCHIVED
    match action:
        case MemoryAction.ARCHIVE:
            _require_status(memory, active, archived)
            if memory.pinned:
                raise FailedPrecondition(f"memory {memory.id!r} is pinned; unpin it first, or quarantine it")
            return replace(memory, status=archived, status_reason=reason)
        case MemoryAction.RESTORE:
            if _require_status(memory, archived, active).status is active:
                return memory
            return replace(memory, status=active, status_reason=RESTORED_BY_HAND)
        case _:
            return replace(memory, pinned=action is MemoryAction.PIN)


def _require_status(memory: Memory, *allowed: MemoryStatus) -> Memory:
    if memory.status in allowed:
        return memory
    remedy = {
        MemoryStatus.ACTIVE: "it is served already",
        MemoryStatus.ARCHIVED: "restore it",
        MemoryStatus.QUARANTINED: "release it",
        MemoryStatus.MERGED: f"act on {memory.merged_into!r}, which speaks for it",
    }[memory.status]
    raise FailedPrecondition(f"memory {memory.id!r} is {memory.status.value}; {remedy}")


def _key(event: UtilityEvent) -> tuple[str, str]:
    return event.memory_id, event.run_id


def _quarantined(memory: Memory, quarantine: Quarantine) -> Memory:
    return replace(
        memory, status=MemoryStatus.QUARANTINED, status_reason=f"{HELD_BY}{quarantine.id}: {quarantine.reason}"
    )


def _find_emptied(quarantines: Iterable[Quarantine], gone_memory_ids: Iterable[str]) -> list[str]:
    """Those that hold nothing once these memories are gone, and that nothing will join."""
    gone = set(gone_memory_ids)
    alone = (item for item in quarantines if not item.spreads)
    return [item.id for item in alone if {member.memory_id for member in item.members} <= gone]


def _put_back(memory: Memory, former: QuarantinedMemory) -> Memory:
    return replace(memory, status=former.status, status_reason=former.reason)


def _require_all(wanted: Iterable[str], known: set[str], kind: str) -> None:
    for name in wanted:
        if name not in known:
            raise NotFound(f"no {kind} {name!r} in this project", resource_type=kind, resource_name=name)
