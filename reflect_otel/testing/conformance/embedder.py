"""The ``Embedder`` suite."""

import re
import threading
from collections.abc import Sequence

import pytest

from reflect_otel.ports import Embedder, Vector

TEXTS = (
    "Cancel the customer's flight on May 17",
    "Überweise 39,90 € an die Rösterei 🌙",
    "注文番号は A-1042 です",
    "",
    " \n\t",
    "?!…",
    "\ud800 half a character",
    "nul \0 and control \x1b[31m",
    "word " * 20_000,
)
"""What reaches an embedder: tasks in any script, nothing at all, broken and endless text."""


class EmbedderConformance:
    """Subclass it as ``Test...`` and override ``open_embedder``."""

    def open_embedder(self) -> Embedder:
        """A new embedder over the same model each time."""
        raise NotImplementedError("override open_embedder in the adapter's test class")

    @pytest.fixture
    def embedder(self) -> Embedder:
        """The adapter under test."""
        return self.open_embedder()

    def test_it_says_what_it_is(self, embedder: Embedder) -> None:
        """An id with a version or dimensions, and a gate that is a cosine."""
        assert re.fullmatch(r"[a-z][\w-]*(:[^@\s]+)?@\d+", embedder.id)
        assert embedder.dimensions > 0
        assert 0.0 < embedder.gate < 1.0
        assert embedder.lexical in (True, False)

    def test_every_text_has_a_vector_of_length_one(self, embedder: Embedder) -> None:
        """Of the dimensions it says, in float32, in the order of the texts."""
        vectors = embedder.embed(TEXTS)
        assert len(vectors) == len(TEXTS)
        for vector in vectors:
            assert getattr(vector, "dtype", None) == "float32"
            assert len(vector) == embedder.dimensions
            assert _dot(vector, vector) == pytest.approx(1.0, abs=1e-4)

    def test_no_texts_have_no_vectors(self, embedder: Embedder) -> None:
        """An empty request is not an error."""
        assert list(embedder.embed([])) == []

    def test_a_text_has_the_same_vector_alone_in_company_and_next_time(self, embedder: Embedder) -> None:
        """Stored vectors are compared with those of other days and other batches."""
        together = embedder.embed(TEXTS[:4])
        again = self.open_embedder()
        assert again.id == embedder.id
        for text, vector in zip(TEXTS[:4], together, strict=True):
            assert _dot(vector, again.embed([text])[0]) == pytest.approx(1.0, abs=1e-4)

    def test_texts_differ_in_their_vectors(self, embedder: Embedder) -> None:
        """Another task is not the same task."""
        first, second = embedder.embed(TEXTS[:2])
        assert _dot(first, second) < 0.95

    def test_it_may_be_used_by_many_threads(self, embedder: Embedder) -> None:
        """Each gets the vectors of its own texts."""
        wanted = embedder.embed(TEXTS[:4])
        found: dict[int, Sequence[Vector]] = {}

        def work(number: int) -> None:
            found[number] = embedder.embed([TEXTS[number % 4]])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) == len(threads)
        for number, vectors in found.items():
            assert _dot(vectors[0], wanted[number % 4]) == pytest.approx(1.0, abs=1e-4)


def _dot(left: Vector, right: Vector) -> float:
    return sum(float(a) * float(b) for a, b in zip(left, right, strict=True))
