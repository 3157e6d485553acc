from reflect_otel.ports import VectorIndex
from reflect_otel.store.faiss_index import FaissIndex
from reflect_otel.testing.conformance import VectorIndexConformance


class TestFaissIndex(VectorIndexConformance):
    def open_index(self, dimensions: int) -> VectorIndex:
        return FaissIndex(dimensions)
