from pathlib import Path

from reflect_otel.ports import Store
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.testing.conformance import StoreConformance


class TestDuckDBStore(StoreConformance):
    def open_store(self, folder: Path) -> Store:
        return DuckDBStore(folder / "reflect.duckdb")
