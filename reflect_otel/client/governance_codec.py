"""Messages about the standing of memories from and to the model's types, as the calling side sees them."""

from collections.abc import Iterable, Sequence
from typing import Final, TypedDict

from google.protobuf.timestamp_pb2 import Timestamp

from reflect_otel.client import codec
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.governance import (
    BlastRadius,
    HistoryEntry,
    MemoryAction,
    MemoryHistory,
    Quarantine,
    QuarantinedMemory,
    TouchedMemory,
    TouchedRun,
)
from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus
from reflect_otel.wire.v1 import reflect_pb2 as wire

_ACTIONS: Final = {
    MemoryAction.QUARANTINE: wire.MEMORY_ACTION_QUARANTINE,
    MemoryAction.RELEASE: wire.MEMORY_ACTION_RELEASE,
    MemoryAction.ARCHIVE: wire.MEMORY_ACTION_ARCHIVE,
    MemoryAction.RESTORE: wire.MEMORY_ACTION_RESTORE,
    MemoryAction.PIN: wire.MEMORY_ACTION_PIN,
    MemoryAction.UNPIN: wire.MEMORY_ACTION_UNPIN,
}
_STATUSES: Final = {
    MemoryStatus.ACTIVE: wire.MEMORY_STATUS_ACTIVE,
    MemoryStatus.MERGED: wire.MEMORY_STATUS_MERGED,
    MemoryStatus.ARCHIVED: wire.MEMORY_STATUS_ARCHIVED,
    MemoryStatus.QUARANTINED: wire.MEMORY_STATUS_QUARANTINED,
}


# --- to the wire ----------------------------------------------------------------------------------------


def build_ids(ids: Sequence[str] | str) -> list[str]:
    """One id or several as a list."""
    return [ids] if isinstance(ids, str) else list(ids)


def build_update(
    memory_ids: Sequence[str] | str, action: MemoryAction | str, reason: str
) -> wire.UpdateMemoriesRequest:
    """Request of UpdateMemories. Raises InvalidArgument for an unknown action."""
    try:
        number = _ACTIONS[MemoryAction(action)]
    except ValueError:
        raise _unknown("action", str(action), [str(item) for item in MemoryAction]) from None
    return wire.UpdateMemoriesRequest(
        memory_ids=build_ids(memory_ids), action=number, reason=codec.build_text(reason, "reason")
    )


def build_origin(
    memory_ids: Sequence[str] | str, run_ids: Sequence[str] | str, author: str, since_ns: int, until_ns: int
) -> wire.Origin:
    """Where something bad came in. Raises InvalidArgument."""
    return wire.Origin(
        memory_ids=build_ids(memory_ids),
        run_ids=build_ids(run_ids),
        author=codec.build_text(author, "author"),
        since=_build_moment(since_ns, "since_ns"),
        until=_build_moment(until_ns, "until_ns"),
    )


class MemoryWish(TypedDict, total=False):
    """Which memories to list; what is absent or ``None`` means any."""

    status: MemoryStatus | str | None
    kind: MemoryKind | str | None
    agent: str | None
    source_run_id: str | None
    author: str | None
    alarmed: bool


def build_list_memories(only: MemoryWish, page_size: int) -> wire.ListMemoriesRequest:
    """Request of ListMemories for its first page. Raises InvalidArgument."""
    status = only.get("status")
    try:
        number = _STATUSES[MemoryStatus(status)] if status else wire.MEMORY_STATUS_UNSPECIFIED
    except ValueError:
        raise _unknown("status", str(status), [str(item) for item in MemoryStatus]) from None
    return wire.ListMemoriesRequest(
        status=number,
        kind=codec.build_memory_kind(only.get("kind")),
        agent=codec.build_text(only.get("agent"), "agent"),
        source_run_id=codec.build_text(only.get("source_run_id"), "source_run_id"),
        author=codec.build_text(only.get("author"), "author"),
        alarmed=only.get("alarmed", False),
        page_size=page_size,
    )


def _build_moment(moment_ns: int, field: str) -> Timestamp | None:
    if not moment_ns:
        return None
    moment = Timestamp()
    try:
        moment.FromNanoseconds(moment_ns)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{field} must be Unix nanoseconds: {error}", field=field) from error
    return moment


def _unknown(field: str, given: str, known: Sequence[str]) -> InvalidArgument:
    return InvalidArgument(f"unknown {field} {given[:60]!r}; use one of {', '.join(known)}", field=field)


# --- from the wire --------------------------------------------------------------------------------------


def read_memories(messages: Iterable[wire.Memory]) -> list[Memory]:
    """Memories in their order."""
    return [codec.read_memory(message) for message in messages]


def read_blast_radius(message: wire.FindBlastRadiusResponse) -> BlastRadius:
    """What something bad has reached."""
    return BlastRadius(
        memories=tuple(
            TouchedMemory(memory=codec.read_memory(touched.memory), depth=touched.depth, via=touched.via)
            for touched in message.memories
        ),
        runs=tuple(
            TouchedRun(run_id=touched.run_id, depth=touched.depth, via=touched.via) for touched in message.runs
        ),
        unlisted_memories=message.memory_count - len(message.memories),
        unlisted_runs=message.run_count - len(message.runs),
    )


def read_quarantine(message: wire.Quarantine) -> Quarantine:
    """A quarantine; what its memories go back to stays with the service."""
    return Quarantine(
        id=message.id,
        reason=message.reason,
        created_ns=message.create_time.ToNanoseconds(),
        released_ns=message.release_time.ToNanoseconds(),
        spreads=message.spreads,
        members=tuple(QuarantinedMemory(memory_id=memory_id) for memory_id in message.memory_ids),
        run_ids=tuple(message.run_ids),
        unlisted_memories=message.memory_count - len(message.memory_ids),
        unlisted_runs=message.run_count - len(message.run_ids),
    )


def read_history(message: wire.GetMemoryHistoryResponse) -> MemoryHistory:
    """A memory with where it comes from and what moved it."""
    return MemoryHistory(
        memory=codec.read_memory(message.memory),
        source_runs=tuple(message.source_run_ids),
        merged_memory_ids=tuple(message.merged_memory_ids),
        quarantines=tuple(map(read_quarantine, message.quarantines)),
        entries=tuple(map(_read_entry, message.entries)),
        entry_count=message.entry_count,
    )


def _read_entry(message: wire.HistoryEntry) -> HistoryEntry:
    result = codec.read_result(message.result)
    return HistoryEntry(
        run_id=message.run_id,
        reward=message.reward,
        step=message.step,
        before=message.before,
        after=message.after,
        reviewer=message.reviewer,
        excluded=message.excluded,
        reviewed_ns=message.review_time.ToNanoseconds(),
        result=result.value if result else "",
        feedback=message.feedback,
    )
