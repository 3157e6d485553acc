"""Milliseconds of a lift report's aggregates over 10k and 100k runs with three memories each, on the real store.

    python tests/bench/lift_cost.py [--sizes 10000 100000] [--rounds 5]

Half the runs are named by run id and half by their trace; verdicts are written straight into the file, since learning
from each run would take most of the time.
"""

import argparse
import statistics
import tempfile
import time
from itertools import count
from pathlib import Path

import duckdb

from reflect_otel.learning.harm import build_harm_evidence
from reflect_otel.model.lift import LiftScope
from reflect_otel.model.memory import Served
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import TelemetryBatch
from reflect_otel.store.duckdb_store import DuckDBStore

PROJECT = "bench"
MEMORIES = 500
SHARE = 0.05
BATCH = 5000
AGENTS = ("support", "sales", "triage")


def fill(path: Path, size: int) -> None:
    """A store with so many runs, all served or denied three memories, all with a verdict."""
    store = DuckDBStore(path)
    offsets = count(1)
    for first in range(0, size, BATCH):
        numbers = range(first, min(size, first + BATCH))
        store.write_telemetry(
            TelemetryBatch(
                journal_offset=next(offsets),
                received_ns=1,
                runs=[build_run(number) for number in numbers],
                joined=[(PROJECT, number.to_bytes(16, "big"), run_id(number)) for number in numbers],
                served=[(PROJECT, served) for number in numbers for served in build_served(number)],
            )
        )
    store.close()
    with duckdb.connect(str(path)) as database:
        database.execute(
            "insert into run_verdicts "
            "select project_id, run_id, if(hash(run_id) % 3 = 0, 'fail', 'pass'), 0.5 from runs"
        )


def run_id(number: int) -> str:
    """The name of a run."""
    return number.to_bytes(16, "big").hex()


def build_run(number: int) -> RunRecord:
    """A closed run of one of the agents."""
    return RunRecord(
        project_id=PROJECT,
        run_id=run_id(number),
        trace_ids=(run_id(number),),
        state=RunState.CLOSED,
        agent=AGENTS[number % len(AGENTS)],
        first_seen_ns=number + 1,
        last_seen_ns=number + 1,
    )


def build_served(number: int) -> list[Served]:
    """Three memories, in one of twenty runs withheld."""
    trace_id = number.to_bytes(16, "big")
    return [
        Served(
            memory_id=f"m{(number * 7 + rank * 31) % MEMORIES}",
            run_id=run_id(number) if number % 2 else None,
            trace_id=trace_id,
            rank=rank,
            served_ns=number + 1,
            withheld=number % 20 == 0,
            control_share=SHARE,
        )
        for rank in (1, 2, 3)
    ]


def milliseconds(store: DuckDBStore, scope: LiftScope, rounds: int) -> float:
    """Median of counting by this scope, after a warm-up."""
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        counts = store.find_arm_counts(PROJECT, scope)
        build_harm_evidence(counts if scope is LiftScope.PROJECT else ())
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:]) * 1000


def main() -> None:
    """Print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'runs':>10}" + "".join(f"{scope.value:>12}" for scope in LiftScope) + "   (milliseconds, median)")
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "reflect.duckdb"
            fill(path, size)
            store = DuckDBStore(path)
            row = [milliseconds(store, scope, arguments.rounds) for scope in LiftScope]
            print(f"{size:>10}" + "".join(f"{value:>12.1f}" for value in row), flush=True)
            store.close()


if __name__ == "__main__":
    main()
