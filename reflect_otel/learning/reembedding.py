"""Vectors for memories that lack them: after a change of the embedder, or when it was out of reach.

The store says at any time which memories lack a vector, so that work that was cut short goes on where it stopped. The
embedder that was used before serves until the new one has every memory; vectors of the two are never compared.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.memory_vectors import embed_memories
from reflect_otel.learning.serving_embedder import ServingEmbedder
from reflect_otel.ports import Embedder, MemoryStore, StoredVector

BATCH_MEMORIES: Final = 32
"""Memories embedded and committed at a time: what a kill may cost."""

_IDLE_SECONDS: Final = 30.0
_AFTERMATH_SECONDS: Final = 120.0
"""After an exchange of embedders, memories by the former one may still come: of work that was under way with it."""
_AFTERMATH_PAUSE_SECONDS: Final = 1.0
_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 60.0
_LONGEST_ERROR: Final = 300

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingProgress:
    """How far the memories are embedded.

    Attributes:
        serving_id: embedder that searches used when this was read; ``is_lexical`` = it compares words, not meanings.
        target_id: embedder that searches use once it has every memory.
        embedded, total: active memories with a vector by the target, and all of them.
        error: why the last try failed; empty when it did not.
    """

    serving_id: str
    is_lexical: bool
    target_id: str
    embedded: int
    total: int
    error: str


class Reembedding:
    """Embeds what lacks a vector, in its own thread (``start``) or the caller's (``run_pending``).

    Args:
        store: says what lacks a vector, and keeps the vectors.
        table: written through.
        serving: handed over to ``target`` when every memory is embedded.
        target: the embedder to be used.
        on_embedded: told of a memory that was stored without vectors, once it has them and can be found.
    """

    def __init__(
        self,
        store: MemoryStore,
        table: MemoryTable,
        serving: ServingEmbedder,
        target: Embedder,
        on_embedded: Callable[[StoredVector], None] = lambda _stored: None,
    ) -> None:
        self._store = store
        self._table = table
        self._serving = serving
        self._target = target
        self._on_embedded = on_embedded
        self._exchanged_seconds = -_AFTERMATH_SECONDS
        self._error = ""
        self._failures = 0
        self._worker: threading.Thread | None = None
        self._wakeup = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Work in a background thread until ``stop``."""
        if self._worker is None:
            self._stopping.clear()
            self._worker = threading.Thread(target=self._work, name="reflect-embedding", daemon=True)
            self._worker.start()

    def stop(self, timeout_seconds: float) -> bool:
        """End the background thread after the batch at hand; False when that takes longer."""
        self._stopping.set()
        self._wakeup.set()
        if self._worker is not None:
            self._worker.join(timeout_seconds)
            if self._worker.is_alive():
                return False
            self._worker = None
        return True

    def wake(self) -> None:
        """Look now while one embedder takes the place of another: a memory may have come by the old one."""
        if self._serving.current is not self._target:
            self._wakeup.set()

    def read_progress(self) -> EmbeddingProgress:
        """How far it is, over all projects. What is counted is never older than the embedder it names."""
        serving = self._serving.current
        total = self._store.count_active_memories()
        embedded = self._store.count_embedded().get(self._target.id, 0)
        return EmbeddingProgress(
            serving_id=serving.id,
            is_lexical=serving.lexical,
            target_id=self._target.id,
            embedded=min(embedded, total),  # one may have come between the two counts
            total=total,
            error=self._error,
        )

    def run_pending(self) -> int:
        """Embed what lacks a vector, then hand the searching over; how many memories were embedded.

        Raises:
            ReflectError: the embedder or the store fails; what was embedded before stays.
        """
        embedded = 0
        while not self._stopping.is_set():
            lacking = self._store.find_unembedded(self._target.id, BATCH_MEMORIES)
            if not lacking and self._hand_over():
                break
            is_change = self._is_change()
            written = self._store.write_vectors(embed_memories(lacking, self._target)) if lacking else ()
            for stored in written:
                self._write_through(stored)
                if not is_change:
                    self._on_embedded(stored)
            embedded += len(written)
        return embedded

    def _is_change(self) -> bool:
        """Whether memories lack vectors because they have those of another embedder."""
        return bool(self._store.count_embedded().keys() - {self._target.id})

    def _hand_over(self) -> bool:
        """Let the target serve; False when a memory of the former embedder may have come meanwhile: look again."""
        if self._serving.current is not self._target:
            _log.info("every memory is embedded by %s; it takes the place of %s", self._target.id, self._serving.id)
            self._serving.current = self._target
            self._exchanged_seconds = time.monotonic()
            return False
        if self._is_change():
            self._store.delete_other_vectors(self._target.id)
            self._table.forget_others(self._target.id)
        return True

    def _write_through(self, stored: StoredVector) -> None:
        if self._table.add_beside(stored):
            return
        self._table.write(stored)
        memory = self._store.find_memory(stored.project_id, stored.memory.id)
        if memory is None:  # deleted since it was committed
            self._table.remove(stored.project_id, stored.memory.id)
        else:
            self._table.write_utility(stored.project_id, memory)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._wakeup.clear()
            try:
                self.run_pending()
            except Exception as error:  # noqa: BLE001 - whatever an embedder raises, it is tried again
                self._note_failure(error)
            else:
                self._error, self._failures = "", 0
            self._wakeup.wait(self._build_pause())

    def _note_failure(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        if reason != self._error:
            _log.warning("memories cannot be embedded by %s, which is tried again: %r", self._target.id, reason)
        self._error = reason
        self._failures += 1

    def _build_pause(self) -> float:
        if not self._failures:
            is_aftermath = time.monotonic() - self._exchanged_seconds < _AFTERMATH_SECONDS
            return _AFTERMATH_PAUSE_SECONDS if is_aftermath else _IDLE_SECONDS
        return min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 10))
