"""Quarantines, how far a memory has reached, and what one act of governance changes."""

from collections.abc import Sequence
from typing import Any, Final

from reflect_otel.model.governance import (
    GovernanceChange,
    Origin,
    Quarantine,
    QuarantinedMemory,
    build_late_member,
)
from reflect_otel.model.memory import Memory, MemoryStatus
from reflect_otel.store.memory_rows import delete_memory, read_memory, write_utility_events
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.session import Row, Session

_STANDING: Final = ("status_reason", "pinned", "utility", "uses", "passes", "alarm")
_FOREVER: Final = 2**63 - 1


def write_change(session: Session, project_id: str, change: GovernanceChange) -> None:
    """Everything that one act changes."""
    if change.opened is not None:
        _write_quarantine(session, project_id, change.opened)
    if change.released_ids:
        session.execute(
            "release_quarantines",
            project_id=project_id,
            quarantine_ids=list(change.released_ids),
            released_ns=change.released_ns,
        )
    gone = [*change.freed_memory_ids, *change.deleted_memory_ids]
    if gone:
        session.execute("delete_quarantined_memories", project_id=project_id, memory_ids=gone)
    _write_standing(session, project_id, change.memories)
    write_utility_events(session, project_id, change.events)
    for memory_id in change.deleted_memory_ids:
        delete_memory(session, project_id, memory_id)
    if change.deleted_memory_ids:
        session.execute(
            "delete_ledger_of_memories", project_id=project_id, memory_ids=list(change.deleted_memory_ids)
        )


def join_quarantines(
    session: Session, project_id: str, quarantine_ids: Sequence[str], run_id: str, memory: Memory | None
) -> None:
    """Note that a run, and the memory drawn from it, belong to these quarantines; once."""
    found = {item.id: item for item in find_quarantines(session, project_id, open_only=True)}
    for quarantine_id in quarantine_ids:
        quarantine = found.get(quarantine_id)
        if quarantine is None:
            continue
        members: tuple[QuarantinedMemory, ...] = ()
        if memory is not None and memory.id not in {member.memory_id for member in quarantine.members}:
            members = (build_late_member(memory),)
        runs = () if not quarantine.spreads or run_id in quarantine.run_ids else (run_id,)
        _write_members(session, project_id, quarantine_id, members, runs)


def find_quarantines(
    session: Session, project_id: str, *, quarantine_id: str | None = None, open_only: bool
) -> list[Quarantine]:
    """Quarantines with their members, newest first."""
    rows = session.fetch("find_quarantines", project_id=project_id, quarantine_id=quarantine_id, open_only=open_only)
    return _build_quarantines(session, project_id, rows)


def find_quarantines_of(
    session: Session, project_id: str, memory_ids: Sequence[str], run_ids: Sequence[str]
) -> list[Quarantine]:
    """Open quarantines that hold any of these memories or runs, newest first."""
    rows = session.fetch(
        "find_quarantines_of_members", project_id=project_id, memory_ids=list(memory_ids), run_ids=list(run_ids)
    )
    return _build_quarantines(session, project_id, rows)


def find_memories_of(session: Session, project_id: str, origin: Origin) -> list[Memory]:
    """The memories that an origin names, oldest first."""
    rows = session.fetch(
        "find_memories_of_origin",
        project_id=project_id,
        memory_ids=list(origin.memory_ids),
        run_ids=list(origin.run_ids),
        author=origin.author,
        timed=bool(origin.since_ns or origin.until_ns),
        since_ns=origin.since_ns,
        until_ns=origin.until_ns or _FOREVER,
    )
    return [read_memory(row) for row in rows]


def find_kin(session: Session, project_id: str, memory_ids: Sequence[str]) -> list[Memory]:
    """The other memories that say the same as these, oldest first."""
    return [read_memory(row) for row in session.fetch("find_kin", project_id=project_id, memory_ids=list(memory_ids))]


def find_runs_served(session: Session, project_id: str, memory_ids: Sequence[str]) -> dict[str, list[str]]:
    """Runs that were served any of these memories, with those of them; also deleted runs that the ledger knows."""
    found: dict[str, list[str]] = {}
    for run_id, memory_id in session.fetch("find_runs_served", project_id=project_id, memory_ids=list(memory_ids)):
        found.setdefault(run_id, []).append(memory_id)
    return found


def _write_quarantine(session: Session, project_id: str, quarantine: Quarantine) -> None:
    session.execute(
        "insert_quarantine",
        project_id=project_id,
        quarantine_id=quarantine.id,
        reason=quarantine.reason,
        spreads=quarantine.spreads,
        created_ns=quarantine.created_ns,
        released_ns=quarantine.released_ns,
    )
    _write_members(session, project_id, quarantine.id, quarantine.members, quarantine.run_ids)


def _write_members(
    session: Session,
    project_id: str,
    quarantine_id: str,
    members: Sequence[QuarantinedMemory],
    run_ids: Sequence[str],
) -> None:
    rows: list[tuple[str | None, str | None, str, str]] = [
        (member.memory_id, None, member.status.value, member.reason) for member in members
    ]
    rows += [(None, run_id, "", "") for run_id in run_ids]
    for piece in iter_pieces(rows):
        memory_id, run_id, status, reason = map(list, zip(*piece, strict=True))
        session.execute(
            "insert_quarantine_members",
            project_id=project_id,
            quarantine_id=quarantine_id,
            memory_id=memory_id,
            run_id=run_id,
            status=status,
            reason=reason,
        )


def _write_standing(session: Session, project_id: str, memories: Sequence[Memory]) -> None:
    for piece in iter_pieces(memories):
        session.execute(
            "update_memories",
            project_id=project_id,
            memory_id=[memory.id for memory in piece],
            status=[memory.status.value for memory in piece],
            **{name: [getattr(memory, name) for memory in piece] for name in _STANDING},
        )


def _build_quarantines(session: Session, project_id: str, rows: Sequence[Row]) -> list[Quarantine]:
    if not rows:
        return []
    ids = [str(row[0]) for row in rows]
    members: dict[str, list[QuarantinedMemory]] = {}
    runs: dict[str, list[str]] = {}
    for quarantine_id, memory_id, run_id, status, reason in session.fetch(
        "find_quarantine_members", project_id=project_id, quarantine_ids=ids
    ):
        if memory_id is None:
            runs.setdefault(quarantine_id, []).append(run_id)
        else:
            member = QuarantinedMemory(memory_id=memory_id, status=MemoryStatus(status), reason=reason)
            members.setdefault(quarantine_id, []).append(member)
    return [_build_quarantine(row, members, runs) for row in rows]


def _build_quarantine(
    row: Row, members: dict[str, list[QuarantinedMemory]], runs: dict[str, list[str]]
) -> Quarantine:
    known: dict[str, Any] = dict(zip(("id", "reason", "spreads", "created_ns", "released_ns"), row, strict=True))
    return Quarantine(**known, members=tuple(members.get(known["id"], ())), run_ids=tuple(runs.get(known["id"], ())))
