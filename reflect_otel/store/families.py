"""Memories that say the same: who speaks for whom, and who carries on the record of one that is gone."""

from collections.abc import Iterable

from reflect_otel.model.memory import Memory
from reflect_otel.ports import Succession, Vector
from reflect_otel.store.memory_rows import find_memory, read_memory, read_vector, write_utility_event
from reflect_otel.store.session import Session

_STANDING = ("merged_into", "utility", "uses", "passes")


def find_speakers(session: Session, project_id: str, memory_ids: Iterable[str]) -> dict[str, Memory]:
    """The memory that speaks for each of these; ids that nobody speaks for are absent."""
    found = ((memory_id, _find_speaker(session, project_id, memory_id)) for memory_id in dict.fromkeys(memory_ids))
    return {memory_id: memory for memory_id, memory in found if memory is not None}


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
    for event in succession.updated:
        write_utility_event(session, project_id, event)
    if succession.heir_id:
        names = {"memory_id": succession.gone_id, "heir_id": succession.heir_id}
        session.execute("move_heirs", project_id=project_id, **names)
        session.execute("write_heir", project_id=project_id, **names)


def _find_speaker(session: Session, project_id: str, memory_id: str) -> Memory | None:
    heirs = session.fetch("find_heir", project_id=project_id, memory_id=memory_id)
    memory = find_memory(session, project_id, heirs[0][0] if heirs else memory_id)
    if memory is not None and memory.merged_into:
        return find_memory(session, project_id, memory.merged_into)
    return memory
