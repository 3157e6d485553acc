"""Memories with chosen vectors, and an embedder that knows the vectors of its texts."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.model.memory import Memory, MemoryKind
from reflect_otel.ports import Settings, StoredVector
from reflect_otel.testing.fakes import FixedClock, InMemoryIndex


def at_cosine(cosine):
    """A unit vector in the plane with this cosine to the query (1, 0)."""
    return np.array([cosine, math.sqrt(max(0.0, 1.0 - cosine * cosine))], np.float32)


@dataclass
class PlaneEmbedder:
    """Every text is the query (1, 0); counts how often it was asked."""

    id: str = "plane@1"
    dimensions: int = 2
    lexical: bool = False
    gate: float = 0.2
    asked: list = field(default_factory=list)

    def embed(self, texts):
        self.asked += texts
        return [at_cosine(1.0) for _ in texts]


@dataclass
class Shelf:
    """A table with a retriever over it, and a short way to put memories in."""

    embedder: PlaneEmbedder = field(default_factory=PlaneEmbedder)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self):
        self.table = MemoryTable(InMemoryIndex)
        self.clock = FixedClock(0)
        self.retriever = Retriever(self.table, self.embedder, self.settings, self.clock)

    def put(self, key, cosine, *, project="p", embedder_id=None, **fields):
        fields = {"task": "t", "reflection": f"lesson {key}", "kind": MemoryKind.STRATEGY, **fields}
        memory = Memory(id=key, **fields)
        self.table.write(
            StoredVector(
                project_id=project,
                memory=memory,
                task_vector=at_cosine(cosine),
                embedder_id=embedder_id or self.embedder.id,
            )
        )
        return memory


@pytest.fixture
def shelf():
    return Shelf()
