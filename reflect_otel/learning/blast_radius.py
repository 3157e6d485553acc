"""How far something bad has reached: from where it came in, over what was served and what was learned from that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.learning.slices import iter_slices
from reflect_otel.model.governance import BlastRadius, Origin, TouchedMemory, TouchedRun
from reflect_otel.model.memory import Memory
from reflect_otel.ports import GovernanceStore

_SLICE: Final = 512
"""Of memories that are merely looked at."""


def find_blast_radius(store: GovernanceStore, project_id: str, origin: Origin) -> BlastRadius:
    """Every memory and run within reach of the origin, nearest first; each is listed once, by its shortest way."""
    run_ids = (*origin.run_ids, *(store.find_runs_of_author(project_id, origin.author) if origin.author else ()))
    runs = {run_id: TouchedRun(run_id=run_id, depth=0) for run_id in run_ids}
    memories: dict[str, TouchedMemory] = {}
    fresh = _add(memories, store.find_memories_of(project_id, replace(origin, run_ids=run_ids)), 0, {})
    fresh |= _add_kin(store, project_id, memories, fresh, 0)
    depth = 0
    while fresh:
        depth += 1
        served = store.find_runs_served(project_id, sorted(fresh))
        reached = {run_id: via[0] for run_id, via in served.items() if run_id not in runs}
        runs |= {run_id: TouchedRun(run_id=run_id, depth=depth, via=via) for run_id, via in reached.items()}
        fresh = _add(memories, _find_learned(store, project_id, reached), depth, reached)
        fresh |= _add_kin(store, project_id, memories, fresh, depth)
    return BlastRadius(memories=tuple(memories.values()), runs=tuple(runs.values()))


def _find_learned(store: GovernanceStore, project_id: str, run_ids: Iterable[str]) -> Sequence[Memory]:
    wanted = tuple(run_ids)
    return store.find_memories_of(project_id, Origin(run_ids=wanted)) if wanted else ()


def _add(
    memories: dict[str, TouchedMemory], found: Sequence[Memory], depth: int, runs: Mapping[str, str]
) -> set[str]:
    """Note what is new, with the run that it was learned from; the ids of that."""
    new = [memory for memory in found if memory.id not in memories]
    for piece in iter_slices(new, _SLICE):
        for memory in piece:
            sources = (memory.created_from, memory.contrasted_with)
            via = next((run_id for run_id in sources if run_id in runs), "")
            memories[memory.id] = TouchedMemory(memory=memory, depth=depth, via=via)
    return {memory.id for memory in new}


def _add_kin(
    store: GovernanceStore, project_id: str, memories: dict[str, TouchedMemory], fresh: set[str], depth: int
) -> set[str]:
    """Note the memories that say the same as these: what they are merged into, and what is merged into them."""
    added: set[str] = set()
    waiting = set(fresh)
    while waiting:
        merged = {memories[memory_id].memory.merged_into: memory_id for memory_id in sorted(waiting, reverse=True)}
        found = store.find_kin(project_id, sorted(waiting))
        new = [memory for memory in found if memory.id not in memories]
        for memory in new:
            via = memory.merged_into if memory.merged_into in waiting else merged.get(memory.id, "")
            memories[memory.id] = TouchedMemory(memory=memory, depth=depth, via=via)
        waiting = {memory.id for memory in new}
        added |= waiting
    return added
