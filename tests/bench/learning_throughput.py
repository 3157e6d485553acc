"""Runs learned from per second and statements per run, with 1k, 10k and 100k memories in the project.

    PYTHONPATH=. python tests/bench/learning_throughput.py [--sizes 1000 10000] [--runs 200] [--alone] [--statements]

Every run was served three memories and has a conversation and a review. The loop is driven in this thread on a real
store, with the offline reflector and the hashing embedder; only ``run_pending`` is timed. *cpu ms* is what the
process computed for one run, which a busy machine moves less. All runs are queued before, as after an import of
reviews, so the loop takes them in groups; ``--alone`` gives it one at a time, as they come in a quiet project.
``--statements`` tells where the time goes.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Message, MessagePrefix, Role, Step, Task, Trajectory
from reflect_otel.plugins import load_plugin
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.store.session import Session

PROJECT = "bench"
VERBS = ("Refund", "Ship", "Cancel", "Exchange", "Track", "Return", "Repair", "Invoice")
THINGS = ("coffee machine", "flight", "parcel", "hotel room", "rental car", "phone", "laptop", "concert ticket")


def fill(path: Path, size: int, embedder: Any) -> None:
    """A store with so many memories, their vectors, and no run."""
    DuckDBStore(path).close()
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(size, embedder.dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = {
        "memory_id": np.array([f"m{number}" for number in range(size)], dtype=object),
        "vector": np.array([row.tobytes() for row in vectors], dtype=object),
    }
    with duckdb.connect(str(path)) as connection:
        connection.register("rows", rows)
        connection.execute(
            """insert into memories (project_id, memory_id, task, reflection, kind, utility, uses, passes,
                created_from, created_ns, status, metadata)
            select $project, memory_id, 'task', 'Look it up first: ' || memory_id, 'strategy', 0.5, 0, 0, '', $now_ns,
                'active', '{}'
            from rows""",
            {"project": PROJECT, "now_ns": time.time_ns()},
        )
        connection.execute(
            """insert into memory_vectors (project_id, memory_id, purpose, embedder_id, vector)
            select $project, memory_id, purpose, $embedder, vector
            from rows, (values ('task'), ('content')) t(purpose)""",
            {"project": PROJECT, "embedder": embedder.id},
        )


def add_runs(store: DuckDBStore, size: int, runs: int) -> None:
    """Closed, reviewed runs that were served three memories each; every third failed."""
    for number in range(runs):
        task = f"{VERBS[number % 8]} the {THINGS[number // 8 % 8]} of customer {number}"
        answer = f"Order {number} was looked up, {number % 7} rules were checked, the mail went out."
        messages = (Message(role=Role.USER, content=task), Message(role=Role.ASSISTANT, content=answer))
        record = RunRecord(
            project_id=PROJECT,
            run_id=f"r{number}",
            state=RunState.CLOSED,
            closed_by=ClosedBy.ROOT_ENDED,
            task=task,
            served_memory_ids=tuple(f"m{(number * 37 + rank * 311) % size}" for rank in range(3)),
            first_seen_ns=number + 1,
            last_seen_ns=number + 1,
        )
        steps = (Step(messages=MessagePrefix(messages, 2)),)
        read = Trajectory(task=Task(text=task), messages=messages, steps=steps, final_response=answer)
        store.write_runs([(record, read)])
        result = ReviewResult.PASS if number % 3 else ReviewResult.FAIL
        feedback = f"Check rule {number % 97} of {THINGS[number % 8]} before step {number}: it decides what is owed."
        store.write_review(PROJECT, f"r{number}", Review(result=result, feedback=feedback, created_ns=number + 1))


@contextmanager
def watched_statements(taken: dict[str, list[float]]) -> Iterator[None]:
    """Note how long each statement of the store takes, by its name."""
    run, begin = Session._run, Session.transaction

    def timed(name: str, call: Any) -> Any:
        began = time.perf_counter()
        try:
            return call()
        finally:
            taken.setdefault(name, []).append(time.perf_counter() - began)

    def watched_run(session: Session, name: str, parameters: Any) -> Any:
        return timed(name, lambda: run(session, name, parameters))

    @contextmanager
    def watched_transaction(session: Session) -> Iterator[None]:
        transaction = begin(session)
        timed("begin", transaction.__enter__)
        with ExitStack() as ending:
            ending.push(lambda *raised: timed("commit", lambda: transaction.__exit__(*raised)))
            yield

    # every statement passes here; a product that counted its own would be slower for the bench's sake
    Session._run, Session.transaction = watched_run, watched_transaction  # type: ignore[method-assign]
    try:
        yield
    finally:
        Session._run, Session.transaction = run, begin  # type: ignore[method-assign]


def measure(size: int, runs: int, *, alone: bool) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Runs a second, milliseconds of computing and statements of one run; and every statement's seconds."""
    embedder: Any = load_plugin("reflect_otel.embedders", "hashing")()
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reflect.duckdb"
        fill(path, size, embedder)
        store = DuckDBStore(path)
        table = MemoryTable(load_plugin("reflect_otel.indexes", "faiss"))
        table.load(store.find_vectors())
        add_runs(store, size, runs)
        if alone:
            claim_jobs = store.claim_jobs
            store.claim_jobs = lambda _limit: claim_jobs(1)  # type: ignore[method-assign] # this store is ours
        loop = LearningLoop(
            store,
            table,
            embedder,
            load_plugin("reflect_otel.reflectors", "offline")(),
            time.time_ns,
        )
        began, computed = time.perf_counter(), time.process_time()
        with watched_statements(taken):
            learned = loop.run_pending()
        seconds, computed = time.perf_counter() - began, time.process_time() - computed
        store.close()
    if learned != runs or loop.counts.failed:
        raise SystemExit(f"{learned} of {runs} runs were learned from, {loop.counts.failed} tries failed")
    row = {
        "runs/s": runs / seconds,
        "cpu ms": computed / runs * 1000,
        "statements": sum(map(len, taken.values())) / runs,
    }
    return row, taken


def main() -> None:
    """Print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--alone", action="store_true", help="let the loop take one job at a time")
    parser.add_argument("--statements", action="store_true", help="also list what each statement takes")
    arguments = parser.parse_args()
    for number, size in enumerate(arguments.sizes):
        row, taken = measure(size, arguments.runs, alone=arguments.alone)
        if number == 0:
            print(f"{'memories':>10}" + "".join(f"{name:>12}" for name in row))
        print(f"{size:>10}" + "".join(f"{value:>12.1f}" for value in row.values()), flush=True)
        if arguments.statements:
            for name, values in sorted(taken.items(), key=lambda item: -sum(item[1])):
                share = sum(values) / arguments.runs * 1000
                print(f"    {name:<32}{len(values) / arguments.runs:>6.2f} a run {share:>8.2f} ms")


if __name__ == "__main__":
    main()
