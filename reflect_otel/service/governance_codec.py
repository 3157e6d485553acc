"""Messages about the standing of memories from and to the model's types, as the service sees them."""

from collections.abc import Mapping
from typing import Any, Final

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.governance import (
    BlastRadius,
    HistoryEntry,
    MemoryAction,
    MemoryFilter,
    MemoryHistory,
    Origin,
    Quarantine,
)
from reflect_otel.model.memory import MemoryStatus
from reflect_otel.model.review import ReviewResult
from reflect_otel.service import codec
from reflect_otel.wire.v1 import reflect_pb2 as wire

LONGEST_LIST: Final = 1000
_LAST_MOMENT_NS: Final = 2**63 - 1

_STATUSES: Final[Mapping[MemoryStatus, Any]] = codec.build_numbers(wire.MemoryStatus, "MEMORY_STATUS", MemoryStatus)
_ACTIONS: Final[Mapping[MemoryAction, Any]] = codec.build_numbers(wire.MemoryAction, "MEMORY_ACTION", MemoryAction)


def read_action(number: int) -> MemoryAction:
    """What to do. Raises InvalidArgument when it is missing or unknown."""
    return codec.read_choice(number, _ACTIONS, "action")


def read_filter(request: wire.ListMemoriesRequest) -> MemoryFilter:
    """Which memories to list. Raises InvalidArgument for a status or kind we do not know."""
    return MemoryFilter(
        status=codec.read_choice(request.status, _STATUSES, "status") if request.status else None,
        kind=codec.read_kind(request.kind),
        agent=request.agent or None,
        source_run=request.source_run_id or None,
        author=request.author or None,
        alarmed=request.alarmed,
    )


def read_origin(origin: wire.Origin) -> Origin:
    """Where something bad came in. Raises InvalidArgument for a time that nothing can be compared with."""
    return Origin(
        memory_ids=tuple(origin.memory_ids),
        run_ids=tuple(origin.run_ids),
        author=origin.author,
        since_ns=_read_bound(origin, "since"),
        until_ns=_read_bound(origin, "until"),
    )


def _read_bound(origin: wire.Origin, field: str) -> int:
    """Unix nanoseconds; 0 when not given, which a time that cannot be compared is not: that would widen the reach."""
    if not origin.HasField(field):
        return 0
    moment_ns = codec.read_nanoseconds(getattr(origin, field))
    if not 0 <= moment_ns <= _LAST_MOMENT_NS:
        raise InvalidArgument(f"origin.{field} lies outside of the years 1970 to 2262", field=f"origin.{field}")
    return max(moment_ns, 1)


def build_blast_radius(radius: BlastRadius) -> wire.FindBlastRadiusResponse:
    """The nearest thousand memories and runs, and how many there are in all."""
    return wire.FindBlastRadiusResponse(
        memories=[
            wire.TouchedMemory(
                memory=codec.build_memory(touched.memory), depth=touched.depth, via=codec.build_text(touched.via)
            )
            for touched in radius.memories[:LONGEST_LIST]
        ],
        runs=[
            wire.TouchedRun(
                run_id=codec.build_text(touched.run_id), depth=touched.depth, via=codec.build_text(touched.via)
            )
            for touched in radius.runs[:LONGEST_LIST]
        ],
        memory_count=len(radius.memories),
        run_count=len(radius.runs),
    )


def build_quarantine(quarantine: Quarantine) -> wire.Quarantine:
    """A quarantine with its first thousand memories and runs."""
    return wire.Quarantine(
        id=quarantine.id,
        reason=codec.build_text(quarantine.reason),
        create_time=codec.build_timestamp(quarantine.created_ns),
        release_time=codec.build_timestamp(quarantine.released_ns),
        memory_ids=[codec.build_text(member.memory_id) for member in quarantine.members[:LONGEST_LIST]],
        run_ids=[codec.build_text(run_id) for run_id in quarantine.run_ids[:LONGEST_LIST]],
        memory_count=len(quarantine.members),
        run_count=len(quarantine.run_ids),
        spreads=quarantine.spreads,
    )


def build_history(history: MemoryHistory) -> wire.GetMemoryHistoryResponse:
    """A memory with where it comes from and what moved it."""
    return wire.GetMemoryHistoryResponse(
        memory=codec.build_memory(history.memory),
        source_run_ids=[codec.build_text(run_id) for run_id in history.source_runs],
        merged_memory_ids=[codec.build_text(memory_id) for memory_id in history.merged_memory_ids],
        quarantines=[build_quarantine(quarantine) for quarantine in history.quarantines],
        entries=[_build_entry(entry) for entry in history.entries],
        entry_count=history.entry_count,
    )


def _build_entry(entry: HistoryEntry) -> wire.HistoryEntry:
    return wire.HistoryEntry(
        run_id=codec.build_text(entry.run_id),
        reward=entry.reward,
        step=entry.step,
        before=entry.before,
        after=entry.after,
        reviewer=codec.build_text(entry.reviewer),
        excluded=entry.excluded,
        review_time=codec.build_timestamp(entry.reviewed_ns),
        result=codec.build_result(ReviewResult(entry.result)) if entry.result else wire.REVIEW_RESULT_UNSPECIFIED,
        feedback=codec.build_text(entry.feedback),
    )
