"""Memories that say the same: who speaks for whom, and who carries on the record of one that is gone."""

from collections.abc import Iterable

from reflect_otel.model.memory import Memory
from reflect_otel.ports import Succession, Vector
from reflect_otel.store.memory_rows import read_memory, read_vector, write_utility_events
from reflect_otel.store.session import Session

_STANDING = ("merged_into", "utility", "uses", "passes")


def find_speakers(session: Session, project_id: str, memory_ids: Iterable[str]) -> dict[str, Memory]:
    """The memory that speaks for each of these; ids that nobody speaks for are absent."""
    asked = list(dict.fromkeys(memory_ids))
    heirs: dict[str, str] = dict(session.fetch("find_heirs", project_id=project_id, memory_ids=asked))
    present = {memory_id: heirs.get(memory_id, memory_id) for memory_id in asked}
    known = _find_by_id(session, project_id, set(present.values()))
    merged_into = {memory.merged_into for memory in known.values() if memory.merged_into}
    if merged_into:
        known |= _find_by_id(session, project_id, merged_into - known.keys())
    speakers = {key: known[key].merged_into or key for key in known}
    found = {memory_id: known.get(speakers.get(key, "")) for memory_id, key in present.items()}
    return {memory_id: memory for memory_id, memory in found.items() if memory is not None}


def find_merged(
    session: Session, project_id: str, memory_id: str, embedder_id: str
) -> list[tuple[Memory, Vector | None]]:
    """The memories merged into this one, oldest first, with their content vectors."""
    rows = session.fetch("find_merged", project_id=project_id, memory_id=memory_id, embedder_id=embedder_id)
    return [(read_memory(tuple(memory)), None if vector is None else read_vector(vector)) for vector, *memory in rows]


def write_succession(session: Session, project_id: str, succession: Succession) -> None:
    """Store how memories stand from now on, and who carries on the record of the one that is gone."""
    memories = [memory for memory, _ in succession.resettled]
    if memories:
        session.execute(
            "update_standing",
            project_id=project_id,
            memory_ids=[memory.id for memory in memories],
            statuses=[memory.status.value for memory in memories],
            **{name: [getattr(memory, name) for memory in memories] for name in _STANDING},
        )
    write_utility_events(session, project_id, succession.updated)
    if succession.heir_id:
        names = {"memory_id": succession.gone_id, "heir_id": succession.heir_id}
        session.execute("move_heirs", project_id=project_id, **names)
        session.execute("write_heir", project_id=project_id, **names)


def _find_by_id(session: Session, project_id: str, memory_ids: Iterable[str]) -> dict[str, Memory]:
    rows = session.fetch("find_memories_by_id", project_id=project_id, memory_ids=list(memory_ids))
    return {memory.id: memory for memory in map(read_memory, rows)}
