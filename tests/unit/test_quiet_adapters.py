"""The engine's own embedder and reflector are not seen by the host's instrumentations."""

from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled, is_instrumentation_enabled

from collector_plugin.quiet_adapters import QuietEmbedder, QuietReflector
from reflect_otel.providers.hashing import HashingEmbedder


def seen():
    return is_instrumentation_enabled(), is_http_instrumentation_enabled()


class Instrumented(HashingEmbedder):
    name = "instrumented"

    def embed(self, texts):
        self.seen = seen()
        return super().embed(texts)

    def reflect(self, lesson):
        self.seen = seen()


def test_an_embedder_is_quiet_while_it_embeds_and_otherwise_as_it_was():
    inner = Instrumented()
    quiet = QuietEmbedder(inner)
    assert (quiet.id, quiet.dimensions, quiet.lexical, quiet.gate) == (
        inner.id,
        inner.dimensions,
        inner.lexical,
        inner.gate,
    )
    assert len(quiet.embed(["a", "b"])) == 2
    assert inner.seen == (False, False)
    assert seen() == (True, True)


def test_a_reflector_is_quiet_while_it_reflects():
    inner = Instrumented()
    quiet = QuietReflector(inner)
    assert quiet.name == "instrumented"
    assert quiet.reflect(None) is None
    assert inner.seen == (False, False)
    assert seen() == (True, True)
