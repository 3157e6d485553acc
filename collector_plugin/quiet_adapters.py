"""Embedders and reflectors as the engine uses them: their calls make no spans in the host's telemetry.

A reflector that asks a language model through an instrumented library would else trace itself, in a host that is
observed by us the more so: its spans would become runs.
"""

from collections.abc import Sequence

from reflect_otel.capture.suppression import suppressed_instrumentation
from reflect_otel.errors import ReflectError
from reflect_otel.model.reflection import LearningInput, Reflection
from reflect_otel.ports import Embedder, Reflector, Vector


class QuietEmbedder:
    """An ``Embedder`` over another, unseen by instrumentations.

    Attributes:
        trouble: why the last call brought no vectors; empty when it did.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.trouble = ""
        self.id = embedder.id
        self.dimensions = embedder.dimensions
        self.lexical = embedder.lexical

    @property
    def gate(self) -> float:
        """Of the embedder, as it is now: it may be measured only after the first call."""
        return self._embedder.gate

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One float32 vector of length 1 per text, in order. Raises what the embedder raises."""
        if not texts:
            return []
        with suppressed_instrumentation():
            try:
                vectors = self._embedder.embed(texts)
            except ReflectError as error:
                self.trouble = f"{type(error).__name__}: {error}"
                raise
        self.trouble = ""
        return vectors


class QuietReflector:
    """A ``Reflector`` over another, unseen by instrumentations."""

    def __init__(self, reflector: Reflector) -> None:
        self._reflector = reflector
        self.name = reflector.name

    def reflect(self, lesson: LearningInput) -> Reflection | None:
        """The lesson, or ``None`` when the trajectory holds nothing to learn."""
        with suppressed_instrumentation():
            return self._reflector.reflect(lesson)
