"""Memories with their vectors, and the ledger of utility events."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from reflect_otel.model.governance import MemoryFilter
from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus, UtilityEvent
from reflect_otel.model.review import ReviewResult
from reflect_otel.ports import StoredVector, Vector
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.session import Row, Session
from reflect_otel.store.value_json import read_json, write_json

_MEMORY_COLUMNS: Final = (
    "id", "task", "reflection", "kind", "utility", "uses", "passes", "success", "created_from", "created_ns",
    "status", "agent", "metadata", "pinned", "merged_into", "last_served_ns", "author", "status_reason",
    "alarm", "reflector", "contrasted_with",
)  # fmt: skip
EVENT_FIELDS: Final = (
    "memory_id", "run_id", "reward", "alpha", "sequence", "before", "after", "reviewer", "excluded",
    "result",
)  # fmt: skip

_UTILITY_FIELDS: Final = ("utility", "uses", "passes", "alarm")

_NEWEST: Final = (2**63 - 1, "\U0010ffff")
"""Where a listing begins: behind every (created_ns, memory id)."""


def write_memory(session: Session, project_id: str, memory: Memory) -> None:
    """Upsert a memory."""
    values = dict(zip(_MEMORY_COLUMNS, _build_row(memory), strict=True))
    session.execute("write_memory", project_id=project_id, memory_id=values.pop("id"), **values)


def insert_memories(session: Session, project_id: str, memories: Sequence[Memory]) -> None:
    """Insert memories whose ids are new."""
    if memories:
        rows = zip(*map(_build_row, memories), strict=True)
        columns = dict(zip(_MEMORY_COLUMNS, map(list, rows), strict=True))
        session.execute("insert_memories", project_id=project_id, memory_id=columns.pop("id"), **columns)


def insert_vectors(session: Session, project_id: str, vectors: Iterable[StoredVector]) -> None:
    """Insert vectors that none are stored of."""
    rows = [
        (stored.memory.id, purpose, stored.embedder_id, _write_vector(vector))
        for stored in vectors
        for purpose, vector in (("task", stored.task_vector), ("content", stored.content_vector))
        if vector is not None
    ]
    if rows:
        columns = zip(("memory_id", "purpose", "embedder_id", "vector"), zip(*rows, strict=True), strict=True)
        session.execute("insert_vectors", project_id=project_id, **{name: list(values) for name, values in columns})


def write_vectors(session: Session, stored: StoredVector) -> None:
    """Upsert the vectors of one embedder; those of others stay."""
    vectors = {"task": stored.task_vector, "content": stored.content_vector}
    given = {purpose: vector for purpose, vector in vectors.items() if vector is not None}
    if given:
        session.execute(
            "write_vectors",
            project_id=stored.project_id,
            memory_id=stored.memory.id,
            purpose=list(given),
            embedder_id=stored.embedder_id,
            vector=[_write_vector(vector) for vector in given.values()],
        )


def delete_stale_vectors(session: Session, project_id: str, memory_id: str, embedder_id: str) -> None:
    """Delete a memory's vectors by all but one embedder; by all of them when that is empty."""
    session.execute("delete_other_vectors", project_id=project_id, memory_id=memory_id, embedder_id=embedder_id)


def write_utilities(session: Session, project_id: str, memories: Iterable[Memory]) -> None:
    """Set the memories' ``utility``, ``uses``, ``passes`` and ``alarm``; the rest of them stays."""
    distinct = list({memory.id: memory for memory in memories}.values())
    if distinct:
        session.execute(
            "update_utilities",
            project_id=project_id,
            memory_id=[memory.id for memory in distinct],
            **{name: [getattr(memory, name) for memory in distinct] for name in _UTILITY_FIELDS},
        )


def delete_memory(session: Session, project_id: str, memory_id: str) -> None:
    """Delete a memory with its vectors; its ledger entries stay, they are history."""
    session.execute("delete_vectors", project_id=project_id, memory_id=memory_id)
    session.execute("delete_memory", project_id=project_id, memory_id=memory_id)


def find_memory(session: Session, project_id: str, memory_id: str) -> Memory | None:
    """One memory, whatever its status."""
    rows = session.fetch("find_memory", project_id=project_id, memory_id=memory_id)
    return read_memory(rows[0]) if rows else None


def find_memories(
    session: Session, project_id: str, only: MemoryFilter, before: tuple[int, str] | None, limit: int
) -> list[Memory]:
    """Newest first by (created_ns, id), behind ``before``."""
    before_ns, before_memory_id = before or _NEWEST
    rows = session.fetch(
        "find_memories",
        project_id=project_id,
        status=only.status and only.status.value,
        kind=only.kind and only.kind.value,
        agent=only.agent,
        source_run=only.source_run,
        author=only.author,
        alarmed=only.alarmed,
        before_ns=before_ns,
        before_memory_id=before_memory_id,
        limit=limit,
    )
    return [read_memory(row) for row in rows]


def find_created_memories(session: Session, project_id: str, run_ids: Sequence[str]) -> dict[str, str]:
    """The newest memory drawn from each run; runs without one are absent."""
    return {
        str(run_id): str(memory_id)
        for piece in iter_pieces(run_ids)
        for run_id, memory_id in session.fetch("find_created_memories", project_id=project_id, run_ids=piece)
    }


def iter_served_vectors(session: Session) -> Iterator[StoredVector]:
    """Every active or merged memory with its vectors, once for each embedder."""
    yield from map(_build_stored, session.iter_rows("find_served_vectors"))


def find_vectors_of(session: Session, project_id: str, memory_ids: Sequence[str]) -> list[StoredVector]:
    """These memories, whatever their status, with their task vectors, once for each embedder."""
    rows = session.fetch("find_vectors_of_memories", project_id=project_id, memory_ids=list(memory_ids))
    return [_build_stored(row) for row in rows]


def _build_stored(row: Row) -> StoredVector:
    project_id, embedder_id, task, content, *memory = row
    return StoredVector(
        project_id=project_id,
        memory=read_memory(tuple(memory)),
        task_vector=read_vector(task),
        embedder_id=embedder_id,
        content_vector=None if content is None else read_vector(content),
    )


def read_vector(stored: bytes) -> Vector:
    """The vector as a float32 array."""
    return np.frombuffer(stored, dtype="<f4")  # type: ignore[return-value] # the port's float32 array


def find_unembedded(session: Session, embedder_id: str, limit: int) -> list[tuple[str, Memory]]:
    """Memories that lack a vector by this embedder, with their project ids."""
    rows = session.fetch("find_unembedded", embedder_id=embedder_id, limit=limit)
    return [(str(project_id), read_memory(tuple(memory))) for project_id, *memory in rows]


def write_missing_vectors(session: Session, vectors: Sequence[StoredVector]) -> list[StoredVector]:
    """Upsert the vectors of memories that still say what was embedded; those, with their memories as they are."""
    written: list[StoredVector] = []
    for stored in vectors:
        memory = find_memory(session, stored.project_id, stored.memory.id)
        if memory and (memory.task, memory.reflection) == (stored.memory.task, stored.memory.reflection):
            write_vectors(session, stored)
            written.append(replace(stored, memory=memory))
    return written


def write_utility_events(session: Session, project_id: str, events: Iterable[UtilityEvent]) -> None:
    """Upsert ledger entries by (memory, run)."""
    _write_events(session, "write_utility_events", project_id, events)


def insert_utility_events(session: Session, project_id: str, events: Iterable[UtilityEvent]) -> None:
    """Insert ledger entries of (memory, run) pairs that have none."""
    _write_events(session, "insert_utility_events", project_id, events)


def _write_events(session: Session, statement: str, project_id: str, events: Iterable[UtilityEvent]) -> None:
    distinct = list({(event.memory_id, event.run_id): event for event in events}.values())
    for piece in iter_pieces(distinct):
        columns = {name: [getattr(event, name) for event in piece] for name in EVENT_FIELDS}
        session.execute(statement, project_id=project_id, **columns)


def find_utility_events(
    session: Session, project_id: str, memory_ids: Sequence[str], run_ids: Sequence[str]
) -> list[UtilityEvent]:
    """Ledger entries of these memories and of these runs, by (sequence, run_id)."""
    rows = session.fetch(
        "find_utility_events", project_id=project_id, memory_ids=list(memory_ids), run_ids=list(run_ids)
    )
    return [read_event(row) for row in rows]


def read_event(row: Row) -> UtilityEvent:
    """A ledger entry from the columns of its table but the first."""
    return UtilityEvent(**dict(zip(EVENT_FIELDS, (*row[:-1], _read_result(row[-1])), strict=True)))


def _read_result(word: str | None) -> ReviewResult | None:
    return None if word is None else ReviewResult(word)


def _write_vector(vector: Vector) -> bytes:
    return np.asarray(vector, dtype="<f4").tobytes()


def _build_row(memory: Memory) -> Row:
    """The columns of the memory's table but the first."""
    coded = {"kind": memory.kind.value, "status": memory.status.value, "metadata": write_json(dict(memory.metadata))}
    return tuple(coded[name] if name in coded else getattr(memory, name) for name in _MEMORY_COLUMNS)


def read_memory(row: Row) -> Memory:
    """A memory from the columns of its table but the first."""
    fields: dict[str, Any] = dict(zip(_MEMORY_COLUMNS, row, strict=True))
    fields["kind"] = MemoryKind(fields["kind"])
    fields["status"] = MemoryStatus(fields["status"])
    fields["metadata"] = read_json(fields["metadata"])
    return Memory(**fields)
