"""The public fakes promise what the real adapters promise, except durability."""

from functools import cache
from pathlib import Path

from reflect_otel.ports import Store, VectorIndex
from reflect_otel.testing.conformance import StoreConformance, VectorIndexConformance
from reflect_otel.testing.fakes import InMemoryIndex, InMemoryStore


class TestInMemoryStore(StoreConformance):
    def open_store(self, folder: Path) -> Store:
        return _store_of(folder)


class TestInMemoryIndex(VectorIndexConformance):
    def open_index(self, dimensions: int) -> VectorIndex:
        return InMemoryIndex(dimensions)


@cache
def _store_of(folder: Path) -> Store:
    return InMemoryStore()
