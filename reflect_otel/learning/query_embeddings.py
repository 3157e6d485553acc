"""Embeddings of the tasks asked for lately, by a hash of their text: embedding is the dearest part of a query."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from reflect_otel.client.call_threads import run_with_deadline
from reflect_otel.errors import DeadlineExceeded
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.ports import Embedder, Vector

DEFAULT_CAPACITY: Final = 4096
MAX_UNDER_WAY: Final = 32
"""Most embeddings with a deadline under way at a time; an endpoint that hangs then costs no more threads."""


@dataclass(frozen=True, slots=True)
class EmbeddedQuery:
    """A task's vector with what it takes to compare it: the embedder's id and gate."""

    embedder_id: str
    gate: float
    vector: Vector


class QueryEmbeddings:
    """An embedder with a least-recently-used memory of ``capacity`` vectors. Safe to call from any thread."""

    def __init__(self, embedder: Embedder, capacity: int = DEFAULT_CAPACITY) -> None:
        self._embedder = embedder
        self._capacity = capacity
        self._lock = threading.Lock()
        self._free = threading.Semaphore(MAX_UNDER_WAY)
        self._vectors: OrderedDict[tuple[str, bytes], Vector] = OrderedDict()

    def embed(self, text: str, timeout_seconds: float | None = None) -> EmbeddedQuery:
        """The text with its vector; two threads asking for the same new text may both embed it.

        Args:
            text: of any length.
            timeout_seconds: ``None`` waits as long as the embedder takes.

        Raises:
            DeadlineExceeded: time ran out, or too many embeddings are under way; one that was begun goes on and is
                remembered, so that asking again later costs nothing.
            TransportError: the embedder's endpoint does not answer.
            ConfigError: the embedder's endpoint refuses the call.
        """
        embedder = pin(self._embedder)
        key = (embedder.id, blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        with self._lock:
            vector = self._vectors.get(key)
            if vector is not None:
                self._vectors.move_to_end(key)
        if vector is None:
            vector = self._embed(embedder, key, text, timeout_seconds)
        return EmbeddedQuery(embedder.id, embedder.gate, vector)

    def _embed(self, embedder: Embedder, key: tuple[str, bytes], text: str, timeout_seconds: float | None) -> Vector:
        if timeout_seconds is None:
            return self._remember(key, embedder.embed([text])[0])
        if not self._free.acquire(blocking=False):
            raise DeadlineExceeded(f"{MAX_UNDER_WAY} embeddings are under way already; ask again later")

        def work() -> Vector:
            try:
                return self._remember(key, embedder.embed([text])[0])
            finally:
                self._free.release()

        return run_with_deadline(work, timeout_seconds)

    def _remember(self, key: tuple[str, bytes], vector: Vector) -> Vector:
        with self._lock:
            self._vectors[key] = vector
            if len(self._vectors) > self._capacity:
                self._vectors.popitem(last=False)
        return vector
