"""The real store, credit and retrieval rule as a policy of a learning-loop simulator.

    PYTHONPATH=. python SIMULATOR --policy tests.bench.learning_policy:policy

The simulator calls ``write``, ``select`` and ``feedback`` with vectors instead of texts. Here every reviewed run goes
the product's way: a run row with what it was served, a review, a durable learning job, a reflection, merging, credit
through the ledger, all in DuckDB; memories are found by FAISS and chosen by ``Retriever``. Only the embedder (which
knows the vectors) and the reflector (which says what the simulator wrote) stand in. The database lies in memory where
the system offers that, because the rule is measured and not the disk. ``policy_in_memory`` is the same over the
in-memory store, for a quick look: tests/unit/learning/test_learning_policy.py shows that both choose the same.
"""

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from reflect_otel.learning.lesson import build_memory_id
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.model.memory import MemoryKind, RetrievalOptions
from reflect_otel.model.reflection import LearningInput, Reflection
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import Settings, Store
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.store.faiss_index import FaissIndex
from reflect_otel.testing.fakes import FixedClock, InMemoryStore

PROJECT = "simulated"
GATE = 0.35
"""The simulator's own threshold for unrelated tasks."""

_FAST_FOLDER = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


class KnownVectors:
    """An embedder of texts whose vectors were told beforehand; shorter vectors are filled up with zeros."""

    lexical = False
    gate = GATE

    def __init__(self, dimensions: int) -> None:
        self.id, self.dimensions = "simulated@1", dimensions
        self._vectors: dict[str, Any] = {}

    def learn(self, text: str, vector: Any) -> None:
        """Remember the vector of a text."""
        filled = np.zeros(self.dimensions, np.float32)
        filled[: len(vector)] = vector
        self._vectors[text] = filled

    def embed(self, texts: Any) -> Any:
        """The vectors as they were told."""
        return [self._vectors[text] for text in texts]


class ToldReflector:
    """Says what the simulator has written for the run at hand."""

    name = "simulated"

    def __init__(self) -> None:
        self.next: Reflection | None = None

    def reflect(self, lesson: LearningInput) -> Reflection | None:
        """The lesson that was told."""
        return self.next


class ProductPolicy:
    """One simulated project over a store of its own."""

    def __init__(self, dimensions: int, store: Store, clock: FixedClock) -> None:
        self._clock = clock
        self._store = store
        self._embedder, self._reflector = KnownVectors(dimensions), ToldReflector()
        self._table = MemoryTable(FaissIndex)
        self._loop = LearningLoop(self._store, self._table, self._embedder, self._reflector, self._clock)
        self._retriever = Retriever(self._table, self._embedder, Settings(), self._clock)
        self._numbers: dict[str, int] = {}
        self._pending: tuple[list[str], float] | None = None

    def select(self, query_vec: Any, k: int, step: int) -> list[int]:
        """Numbers of the memories that an agent with this task would be served."""
        task = f"task {step}"
        self._embedder.learn(task, query_vec)
        augmented = self._retriever.augment(PROJECT, task, RetrievalOptions(max_injected=k))
        return [self._numbers[memory.id] for memory in augmented.memories]

    def feedback(self, query_vec: Any, mem_ids: list[int], reward: float, step: int) -> None:
        """The run's review; it is learned from together with what the simulator writes next."""
        served = {number: memory_id for memory_id, number in self._numbers.items() if number in set(mem_ids)}
        self._pending = ([served[number] for number in mem_ids], reward)

    def write(self, mem_id: int, key_vec: Any, content_vec: Any, kind: str, step: int) -> None:
        """Learn from the run under review; without one, from a passed run that was served nothing."""
        served, reward = self._pending or ([], 1.0)
        self._pending = None
        run_id, task, text = f"run {mem_id}", f"key {mem_id}", f"lesson {mem_id}"
        self._embedder.learn(task, key_vec)
        self._embedder.learn(text, content_vec)
        self._reflector.next = Reflection(kind=MemoryKind(kind), text=text)
        self._numbers[build_memory_id(PROJECT, run_id, MemoryKind(kind))] = mem_id
        self._review(run_id, task, tuple(served), reward)

    def _review(self, run_id: str, task: str, served: tuple[str, ...], reward: float) -> None:
        self._clock.advance(1)
        record = RunRecord(
            project_id=PROJECT,
            run_id=run_id,
            state=RunState.CLOSED,
            closed_by=ClosedBy.ROOT_ENDED,
            task=task,
            served_memory_ids=served,
            first_seen_ns=self._clock(),
            last_seen_ns=self._clock(),
        )
        self._store.write_runs([(record, None)])
        result = ReviewResult.PASS if reward >= 0.5 else ReviewResult.FAIL
        self._store.write_review(PROJECT, run_id, Review(result=result, score=reward, created_ns=self._clock()))
        if self._loop.run_pending() != 1:
            raise RuntimeError(f"{run_id} was not learned from")


def policy(seed: int, dim: int) -> ProductPolicy:
    """The product over its real store."""
    parent = str(_FAST_FOLDER) if os.access(_FAST_FOLDER, os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="reflect-simulated-", dir=parent)
    clock = FixedClock()
    store = DuckDBStore(Path(folder) / "reflect.duckdb", clock=clock)
    simulated = ProductPolicy(dim, store, clock)
    weakref.finalize(simulated, _discard, store, folder)
    return simulated


def policy_in_memory(seed: int, dim: int) -> ProductPolicy:
    """The product over the in-memory store."""
    return ProductPolicy(dim, InMemoryStore(), FixedClock())


def _discard(store: DuckDBStore, folder: str) -> None:
    store.close()
    shutil.rmtree(folder, ignore_errors=True)
