"""Every embedder of ours keeps what the port promises."""

from functools import cache

import pytest

from reflect_otel.ports import Embedder
from reflect_otel.providers.hashing import HashingEmbedder
from reflect_otel.providers.minilm import MiniLMEmbedder
from reflect_otel.testing.conformance import EmbedderConformance


class TestHashingEmbedder(EmbedderConformance):
    def open_embedder(self) -> Embedder:
        return HashingEmbedder()


@pytest.mark.usefixtures("minilm")
class TestMiniLMEmbedder(EmbedderConformance):
    def open_embedder(self) -> Embedder:
        return open_minilm()


@cache
def open_minilm() -> Embedder:
    return MiniLMEmbedder()
