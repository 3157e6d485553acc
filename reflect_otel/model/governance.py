"""What people do to memories: pin, archive, quarantine and release them, and see how far a bad one has reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus, UtilityEvent

HELD_BY: Final = "quarantine "
"""How the ``status_reason`` of a memory begins that a quarantine holds; its id follows."""

RESTORED_BY_HAND: Final = "restored by hand"
"""``status_reason`` of an active memory that the archive rules leave alone because somebody brought it back."""


class MemoryAction(StrEnum):
    """What can be done to single memories."""

    QUARANTINE = "quarantine"
    RELEASE = "release"
    ARCHIVE = "archive"
    RESTORE = "restore"
    PIN = "pin"
    UNPIN = "unpin"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFilter:
    """Which memories a list holds; ``None`` means any.

    Attributes:
        source_run: run id they were drawn from.
        author: whose runs they were drawn from.
        alarmed: only those whose utility has jumped.
    """

    status: MemoryStatus | None = None
    kind: MemoryKind | None = None
    agent: str | None = None
    source_run: str | None = None
    author: str | None = None
    alarmed: bool = False

    def holds(self, memory: Memory) -> bool:
        """Whether the memory passes."""
        return (
            self.status in (None, memory.status)
            and self.kind in (None, memory.kind)
            and self.agent in (None, memory.agent)
            and self.source_run in (None, memory.created_from)
            and self.author in (None, memory.author)
            and (not self.alarmed or bool(memory.alarm))
        )


ANY_MEMORY: Final = MemoryFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something bad came in. Several parts may be given; each adds to the others.

    Attributes:
        author: every run made for this end user, and every memory drawn from them.
        since_ns, until_ns: memories stored in [since, until), Unix nanoseconds; 0 = not given.
    """

    memory_ids: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    author: str = ""
    since_ns: int = 0
    until_ns: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return not (self.memory_ids or self.run_ids or self.author or self.since_ns or self.until_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedMemory:
    """A memory within reach; ``depth`` 0 is the origin itself, ``via`` the run or memory it was reached by."""

    memory: Memory
    depth: int
    via: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedRun:
    """A run within reach; ``via`` is the memory it was served, empty for a run of the origin."""

    run_id: str
    depth: int
    via: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """Every memory and run that an origin has reached, nearest first.

    A run is reached when it was served a memory within reach; a memory when it was drawn from a run within reach, or
    says the same as a memory within reach (merged).

    Attributes:
        unlisted_memories, unlisted_runs: how many more there are; a client is sent the nearest thousand of each.
    """

    memories: Sequence[TouchedMemory] = ()
    runs: Sequence[TouchedRun] = ()
    unlisted_memories: int = 0
    unlisted_runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedMemory:
    """A memory of a quarantine, with the status and reason that it goes back to."""

    memory_id: str
    status: MemoryStatus = MemoryStatus.ACTIVE
    reason: str = ""


def build_late_member(memory: Memory) -> QuarantinedMemory:
    """A memory that joins a quarantine as it is drawn; what other reasons hold back stays held back without it."""
    if memory.status is MemoryStatus.QUARANTINED and not memory.status_reason.startswith(HELD_BY):
        return QuarantinedMemory(memory_id=memory.id, status=memory.status, reason=memory.status_reason)
    return QuarantinedMemory(memory_id=memory.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """Memories that are not served and runs whose rewards do not count, together, until it is released.

    While it is open, runs that were served one of its memories join it as they are learned from, and so do the
    memories drawn from its runs.

    Attributes:
        spreads: whether runs that were served its memories belong to it; False for single memories taken out by hand.
        released_ns: 0 while it is open.
        unlisted_memories, unlisted_runs: how many more there are; a client is sent the first thousand of each.
    """

    id: str
    reason: str
    created_ns: int
    spreads: bool = True
    released_ns: int = 0
    members: tuple[QuarantinedMemory, ...] = ()
    run_ids: tuple[str, ...] = ()
    unlisted_memories: int = 0
    unlisted_runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernanceChange:
    """Everything one act changes; committed in one transaction.

    Attributes:
        memories: rows to update: status and its reason, pin, utility, uses, passes, alarm. Texts and vectors stay.
        events: ledger entries to rewrite.
        opened: a new quarantine.
        released_ids: quarantines that end; their members are remembered.
        freed_memory_ids: memories that leave every open quarantine.
        deleted_memory_ids: memories that go with their vectors, ledger entries and memberships.
    """

    memories: Sequence[Memory] = ()
    events: Sequence[UtilityEvent] = ()
    opened: Quarantine | None = None
    released_ids: Sequence[str] = ()
    released_ns: int = 0
    freed_memory_ids: Sequence[str] = ()
    deleted_memory_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One run that was served a memory and reviewed, and what that did to the memory's utility.

    Attributes:
        step: step size that was applied; 0 when the entry does not count.
        excluded: why it does not count; empty when it does.
        reviewed_ns: time of the run's first review, Unix nanoseconds.
        result, feedback: of the run's most trusted review; empty when the run was deleted.
    """

    run_id: str
    reward: float
    step: float
    before: float
    after: float
    reviewer: str
    excluded: str
    reviewed_ns: int
    result: str = ""
    feedback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryHistory:
    """Where a memory comes from and how it came by its utility.

    Attributes:
        source_runs: runs it was drawn from, those of memories merged into it among them.
        merged_memory_ids: memories that say the same and are spoken for by it.
        quarantines: open ones that hold it.
        entries: newest first, at most those asked for.
        entry_count: how many there are in all.
    """

    memory: Memory
    source_runs: tuple[str, ...] = ()
    merged_memory_ids: tuple[str, ...] = ()
    quarantines: tuple[Quarantine, ...] = ()
    entries: tuple[HistoryEntry, ...] = ()
    entry_count: int = 0
