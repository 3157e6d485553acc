"""Every embedder of ours keeps what the port promises."""

from functools import cache

import pytest

from reflect_otel.ports import Embedder
from reflect_otel.providers.hashing import HashingEmbedder
from reflect_otel.providers.minilm import MiniLMEmbedder
from reflect_otel.providers.openai_embedder import OpenAIEmbedder
from reflect_otel.testing.conformance import EmbedderConformance
from tests.scripted_embeddings import ScriptedEmbeddings


class TestHashingEmbedder(EmbedderConformance):
    def open_embedder(self) -> Embedder:
        return HashingEmbedder()


@pytest.mark.usefixtures("minilm")
class TestMiniLMEmbedder(EmbedderConformance):
    def open_embedder(self) -> Embedder:
        return open_minilm()


class TestOpenAIEmbedder(EmbedderConformance):
    @pytest.fixture(autouse=True)
    def endpoint(self, monkeypatch):
        with ScriptedEmbeddings() as served:
            for name, value in served.environment.items():
                monkeypatch.setenv(name, value)
            yield served

    def open_embedder(self) -> Embedder:
        return OpenAIEmbedder()


@cache
def open_minilm() -> Embedder:
    return MiniLMEmbedder()
