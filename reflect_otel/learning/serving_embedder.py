"""The embedder that searches and new memories use, while another may be taking its place."""

from collections.abc import Sequence

from reflect_otel.ports import Embedder, Vector


class ServingEmbedder:
    """An ``Embedder`` that can be exchanged while it is used.

    Its parts may belong to different embedders when they are read one after the other; ``pin`` keeps them together.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.current = embedder

    @property
    def id(self) -> str:
        """Of the current embedder."""
        return self.current.id

    @property
    def dimensions(self) -> int:
        """Of the current embedder."""
        return self.current.dimensions

    @property
    def lexical(self) -> bool:
        """Of the current embedder."""
        return self.current.lexical

    @property
    def gate(self) -> float:
        """Of the current embedder."""
        return self.current.gate

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One float32 vector of length 1 per text, in order, all by the embedder that is current now."""
        return self.current.embed(texts)


def pin(embedder: Embedder) -> Embedder:
    """The embedder itself, the same for the whole of one piece of work, whatever is exchanged meanwhile."""
    return embedder.current if isinstance(embedder, ServingEmbedder) else embedder
