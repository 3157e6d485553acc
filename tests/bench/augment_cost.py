"""Microseconds of each stage of ``Retriever.augment`` over 1k, 10k and 100k memories, on one core, without gRPC.

    OMP_NUM_THREADS=1 python tests/bench/augment_cost.py [--sizes 1000 10000] [--rounds 200]

Vectors are random but clustered like tasks are (64 kinds), so that recall and ranking have work to do. The embedding
of a new task and that of a repeated one (cache hit) are timed apart.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from itertools import count
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from reflect_otel.learning.augmentation import build_notes
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.query_embeddings import QueryEmbeddings
from reflect_otel.learning.retrieval import POOL_PER_LIMIT, Retriever, guard, rank
from reflect_otel.model.memory import Memory, MemoryKind, RetrievalOptions
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import Settings, StoredVector

PROJECT = "bench"
KINDS = 64
TASK = "Please cancel the reservation of the customer and refund the remaining amount to the original card. " * 12
LESSON = "When a customer cancels: look up the reservation first. Check: the fare rules allow a refund. "


class BenchEmbedder:
    """The hashing embedder's cost, with vectors that fall near one of the kinds."""

    def __init__(self, kinds: Any) -> None:
        self._hashing = load_plugin("reflect_otel.embedders", "hashing")()
        self.id, self.dimensions, self.lexical, self.gate = "bench@1", self._hashing.dimensions, True, 0.18
        self._kinds = kinds

    def embed(self, texts: Any) -> Any:
        """The vector of a kind, at the price of a real embedding."""
        self._hashing.embed(texts)
        return [self._kinds[len(text) % KINDS] for text in texts]


def unit(vectors: Any) -> Any:
    """Rows of length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def build_table(size: int, embedder: BenchEmbedder, kinds: Any, rng: Any) -> MemoryTable:
    """A table of so many memories with varied utilities."""
    table = MemoryTable(load_plugin("reflect_otel.indexes", "faiss"))
    noise = rng.normal(size=(size, embedder.dimensions)) / np.sqrt(embedder.dimensions)
    vectors = unit(kinds[rng.integers(KINDS, size=size)] + noise)
    for number in range(size):
        memory = Memory(
            id=f"m{number}",
            task="t",
            reflection=f"{LESSON * 3}({number})",
            kind=MemoryKind.STRATEGY,
            utility=float(rng.random()),
            uses=number % 7,
            created_ns=time.time_ns(),
        )
        stored = StoredVector(project_id=PROJECT, memory=memory, task_vector=vectors[number], embedder_id=embedder.id)
        table.write(stored)
    return table


def microseconds(call: Callable[[], Any], rounds: int) -> float:
    """Median over the rounds, after a warm-up."""
    taken = []
    for _ in range(rounds + 5):
        started = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken[5:]) / 1000


def measure(size: int, rounds: int) -> dict[str, float]:
    """Every stage alone, and the whole."""
    rng = np.random.default_rng(7)
    kinds = unit(rng.normal(size=(KINDS, 512)))
    embedder = BenchEmbedder(kinds)
    started = time.perf_counter()
    table = build_table(size, embedder, kinds, rng)
    loaded = time.perf_counter() - started
    options = RetrievalOptions()
    retriever = Retriever(table, embedder, Settings())
    queries, numbers = QueryEmbeddings(embedder), count()
    pool = POOL_PER_LIMIT * options.limit
    ranked = retriever.recall(PROJECT, TASK, options, one_per_text=True).pool
    chosen = [candidate.build_memory() for candidate in guard(rank(ranked))[:3]]
    vector = queries.embed(TASK).vector
    return {
        "load ms": loaded * 1000,
        "embed new": microseconds(lambda: queries.embed(f"{TASK}{next(numbers)}"), rounds),
        "embed hit": microseconds(lambda: queries.embed(TASK), rounds),
        "search": microseconds(lambda: table.search(PROJECT, embedder.id, vector, pool), rounds),
        "recall": microseconds(lambda: retriever.recall(PROJECT, TASK, options, one_per_text=True), rounds),
        "rank+guard": microseconds(lambda: guard(rank(ranked)), rounds),
        "render": microseconds(lambda: build_notes(chosen), rounds),
        "augment": microseconds(lambda: retriever.augment(PROJECT, TASK, options), rounds),
    }


def main() -> None:
    """Print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    for number, size in enumerate(arguments.sizes):
        row = measure(size, arguments.rounds)
        if number == 0:
            print(f"{'memories':>10}" + "".join(f"{name:>12}" for name in row) + "   (microseconds, median)")
        print(f"{size:>10}" + "".join(f"{value:>12.1f}" for value in row.values()), flush=True)


if __name__ == "__main__":
    main()
