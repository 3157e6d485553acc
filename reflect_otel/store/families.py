"""Memories that say the same: who speaks for whom, and who carries on the record of one that is gone."""

from collections.abc import Iterable, Sequence

from reflect_otel.model.family_records import FamilyRecords
from reflect_otel.model.memory import Memory
from reflect_otel.ports import Succession, Vector
from reflect_otel.store.memory_rows import read_event, read_memory, read_vector, write_utility_events
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.session import Row, Session

_STANDING = ("merged_into", "utility", "uses", "passes", "alarm")


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


def find_families(
    session: Session, project_id: str, memory_ids: Iterable[str], run_ids: Sequence[str]
) -> FamilyRecords:
    """The families of these memories and of those that these runs have credited."""

    def fetch(name: str, key: str, ids: Iterable[str]) -> list[Row]:
        pieces = iter_pieces(ids)
        return [row for piece in pieces for row in session.fetch(name, project_id=project_id, **{key: piece})]

    credited = fetch("find_memories_credited", "run_ids", run_ids)
    memories: dict[str, Memory] = {}
    heirs: dict[str, str] = {}
    seen: set[str] = set()
    wanted = {*memory_ids, *(str(row[0]) for row in credited)}
    while wanted:
        kin = {memory.id: memory for memory in map(read_memory, fetch("find_family_members", "memory_ids", wanted))}
        heirs |= dict(fetch("find_heirs_of_family", "memory_ids", wanted | kin.keys()))
        memories |= kin
        seen |= wanted | kin.keys()
        wanted = {*heirs, *heirs.values(), *(memory.merged_into for memory in kin.values())} - seen - {""}
    events = fetch("find_events_of_memories", "memory_ids", seen)
    return FamilyRecords(memories.values(), heirs, map(read_event, events))


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
