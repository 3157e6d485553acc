"""Embeddings of the tasks asked for lately, by a hash of their text: embedding is the dearest part of a query."""

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from reflect_otel.ports import Embedder, Vector

DEFAULT_CAPACITY: Final = 4096


class QueryEmbeddings:
    """An embedder with a least-recently-used memory of ``capacity`` vectors. Safe to call from any thread."""

    def __init__(self, embedder: Embedder, capacity: int = DEFAULT_CAPACITY) -> None:
        self._embedder = embedder
        self._capacity = capacity
        self._lock = threading.Lock()
        self._vectors: OrderedDict[bytes, Vector] = OrderedDict()

    def embed(self, text: str) -> Vector:
        """The vector of one text; two threads asking for the same new text may both embed it."""
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            vector = self._vectors.get(key)
            if vector is not None:
                self._vectors.move_to_end(key)
                return vector
        vector = self._embedder.embed([text])[0]
        with self._lock:
            self._vectors[key] = vector
            if len(self._vectors) > self._capacity:
                self._vectors.popitem(last=False)
        return vector
