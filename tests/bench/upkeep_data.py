"""A data folder as a large project leaves it: memories with vectors, the runs they come from, servings, the ledger.

The memories of ``PROJECT`` lie in islands: whatever was served to the runs of an island was drawn from earlier runs
of it, so that its first run, its author and its span of time all reach exactly the memories of the island.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from reflect_otel.learning.utility import recompute
from reflect_otel.model.memory import UtilityEvent
from reflect_otel.store.duckdb_store import DuckDBStore

PROJECT = "large"
OTHER_PROJECTS = 10
RUNS_PER_MEMORY = 0.4
SERVED_PER_RUN = 3
MERGED_EVERY = 20
VERBS = ("cancel", "refund", "ship", "track", "return", "exchange", "invoice", "repair")
THINGS = ("flight", "parcel", "coffee machine", "hotel room")
LESSON = "When a customer asks for this: look up the order first. Check: the rules allow it. " * 3
SECOND_NS = 1_000_000_000
RUN_COLUMNS = """project_id, run_id, trace_ids, state, closed_by, task, metadata, served_memory_ids, steps, llm_calls,
    llm_errors, tool_calls, tool_errors, input_tokens, output_tokens, span_count, late_spans, started_ns, ended_ns,
    first_seen_ns, last_seen_ns, inferred, last_error, author"""


@dataclass(frozen=True)
class Island:
    """Memories that reach each other and nothing else."""

    name: str
    first: int
    memories: int
    first_run: int
    runs: int
    since_ns: int

    @property
    def until_ns(self) -> int:
        """When the last of its memories had been stored."""
        return self.since_ns + self.memories * SECOND_NS


def build_tasks() -> list[str]:
    """One task of each kind."""
    return [f"Please {verb} the {thing} of the customer and confirm by mail" for verb in VERBS for thing in THINGS]


def build_islands(sizes: list[int]) -> list[Island]:
    """Islands of so many memories, one behind the other in time; they begin thirty days ago."""
    began_ns = time.time_ns() - 30 * 24 * 3600 * SECOND_NS
    islands: list[Island] = []
    for size in sizes:
        first = sum(island.memories for island in islands)
        first_run = sum(island.runs for island in islands)
        runs = max(2, round(size * RUNS_PER_MEMORY))
        islands.append(Island(f"island-{size}", first, size, first_run, runs, began_ns + first * SECOND_NS))
    return islands


def fill(path: Path, islands: list[Island], others: int, embedder: Any) -> None:
    """A database with the islands, and so many memories of other projects."""
    DuckDBStore(path).close()
    rng = np.random.default_rng(7)
    memories, runs, events = [], [], []
    for island in islands:
        drawn, made, ledger = _build_island(island, rng)
        memories += drawn
        runs += made
        events += ledger
    memories += [
        (f"other-{number % OTHER_PROJECTS}", f"o{number}", "", "", time.time_ns(), "active", "", 0.5, 0, 0)
        for number in range(others)
    ]
    with duckdb.connect(str(path)) as connection:
        _insert_memories(connection, memories)
        _insert_vectors(connection, memories, _build_vectors(len(memories), rng, embedder), embedder)
        _insert_runs(connection, runs)
        _insert_ledger(connection, events)


def _build_island(island: Island, rng: Any) -> tuple[list[Any], list[Any], list[UtilityEvent]]:
    """Rows of memories and runs, and the ledger; every run was served memories of earlier runs."""
    runs: list[Any] = []
    by_memory: dict[str, list[UtilityEvent]] = {}
    for number in range(island.runs):
        known = max(0, -(-number * island.memories // island.runs))
        chosen = rng.integers(known, size=SERVED_PER_RUN).tolist() if known else []
        served = list(dict.fromkeys(_name(island, _speaker(at)) for at in chosen))
        run_id, ended_ns = f"r{island.first_run + number}", island.since_ns + number * SECOND_NS
        runs.append((run_id, island.first_run + number + 1, served, island.name, ended_ns))
        reward = float(rng.random() < 0.8)
        for memory_id in served:
            event = UtilityEvent(memory_id=memory_id, run_id=run_id, reward=reward, sequence=ended_ns)
            by_memory.setdefault(memory_id, []).append(event)
    states = {memory_id: recompute(ledger) for memory_id, ledger in by_memory.items()}
    memories: list[Any] = []
    for at in range(island.memories):
        memory_id, speaker = _name(island, at), _speaker(at)
        status, merged_into = ("active", "") if speaker == at else ("merged", _name(island, speaker))
        source = f"r{island.first_run + at * island.runs // island.memories}"
        state = states.get(memory_id, recompute(()))
        created_ns = island.since_ns + at * SECOND_NS
        record = (state.utility, state.uses, state.passes)
        memories.append((PROJECT, memory_id, source, island.name, created_ns, status, merged_into, *record))
    return memories, runs, [event for state in states.values() for event in state.events]


def _speaker(at: int) -> int:
    return at - 1 if at % MERGED_EVERY == MERGED_EVERY - 1 else at


def _name(island: Island, at: int) -> str:
    return f"m{island.first + at}"


def _build_vectors(size: int, rng: Any, embedder: Any) -> Any:
    centres = np.stack(embedder.embed(build_tasks()))
    noise = rng.normal(size=(size, embedder.dimensions)) / np.sqrt(embedder.dimensions)
    vectors = centres[rng.integers(len(centres), size=size)] + 0.9 * noise
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _insert_memories(connection: Any, memories: list[Any]) -> None:
    names = ("project_id", "memory_id", "created_from", "author", "created_ns", "status", "merged_into",
             "utility", "uses", "passes")  # fmt: skip
    connection.register("rows", _columns(names, memories))
    connection.execute(
        f"""insert into memories ({", ".join(names)}, task, reflection, kind, metadata)
        select *, 'task', $lesson || memory_id, 'strategy', '{{}}' from rows""",
        {"lesson": LESSON},
    )


def _insert_vectors(connection: Any, memories: list[Any], vectors: Any, embedder: Any) -> None:
    rows = [(row[0], row[1], vector.tobytes()) for row, vector in zip(memories, vectors, strict=True)]
    connection.register("rows", _columns(("project_id", "memory_id", "vector"), rows))
    connection.execute(
        """insert into memory_vectors (project_id, memory_id, purpose, embedder_id, vector)
        select project_id, memory_id, purpose, $embedder, vector
        from rows, (values ('task'), ('content')) t(purpose)""",
        {"embedder": embedder.id},
    )


def _insert_runs(connection: Any, runs: list[Any]) -> None:
    rows = [
        (run_id, number.to_bytes(16, "big"), f'["{number:032x}"]', json.dumps(served), author, ended_ns, number)
        for run_id, number, served, author, ended_ns in runs
    ]
    names = ("run_id", "trace_id", "trace_ids", "served", "author", "ended_ns", "number")
    connection.register("rows", _columns(names, rows))
    connection.execute(
        f"""insert into runs ({RUN_COLUMNS})
        select '{PROJECT}', run_id, trace_ids, 'closed', 'root_ended', 'task', '{{}}', served, 1, 1, 0, 0, 0, 0, 0, 1,
            0, ended_ns, ended_ns, ended_ns, ended_ns, false, '', author
        from rows"""
    )
    connection.execute(f"insert into run_traces select '{PROJECT}', trace_id, run_id, number from rows")
    servings = [
        (run_id, memory_id, rank, number.to_bytes(16, "big"), ended_ns, number * SERVED_PER_RUN + rank)
        for run_id, number, served, _, ended_ns in runs
        for rank, memory_id in enumerate(served)
    ]
    names = ("run_id", "memory_id", "rank", "trace_id", "served_ns", "ordinal")
    connection.register("rows", _columns(names, servings))
    connection.execute(
        f"""insert into servings (project_id, memory_id, trace_id, run_id, rank, similarity, utility, score,
            served_ns, ordinal, withheld, control_share)
        select '{PROJECT}', memory_id, trace_id, run_id, rank, 0.5, 0.5, 0.5, served_ns, ordinal, false, 0
        from rows"""
    )


def _insert_ledger(connection: Any, events: list[UtilityEvent]) -> None:
    names = ("memory_id", "run_id", "reward", "sequence", "before", "after")
    rows = [tuple(getattr(event, name) for name in names) for event in events]
    connection.register("rows", _columns(names, rows))
    connection.execute(
        f"""insert into utility_events (project_id, {", ".join(names)}, reviewer, excluded)
        select '{PROJECT}', *, 'human', '' from rows"""
    )


def _columns(names: tuple[str, ...], rows: list[Any]) -> dict[str, Any]:
    columns = zip(*rows, strict=True)
    return {
        name: np.array(column, dtype=object if isinstance(column[0], str | bytes) else None)
        for name, column in zip(names, columns, strict=True)
    }
