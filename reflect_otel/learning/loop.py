"""The learning loop: one durable job per reviewed run, taken in one transaction.

Job -> run, reviews, served memories -> verdict -> reflection -> memory with its vectors, and the ledger entries of
the memories served -> everything recomputed -> committed -> written through to the in-process table. The same
reviews give the same tables, however often a job is taken: ids come from the run, utilities from the ledger.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from reflect_otel.errors import NotFound, TransportError
from reflect_otel.learning.contrast import ContrastFinder
from reflect_otel.learning.drawing import LessonDrawer
from reflect_otel.learning.entry_check import EntryCheck
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.memory_vectors import embed_memories
from reflect_otel.learning.merging import Merger
from reflect_otel.learning.outcome import OutcomeReader
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.model.memory import Memory
from reflect_otel.model.project_settings import DEFAULTS, ProjectSettings
from reflect_otel.ports import Clock, Embedder, LearningJob, LearningOutcome, Reflector, Store, StoredVector

MAX_TRIES: Final = 6
"""Tries of one job before it is parked until the run is reviewed again."""

_FIRST_RETRY_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 5.0
_WAIT_SECONDS: Final = 0.5
_LONGEST_ERROR: Final = 500
_SECOND_NS: Final = 1_000_000_000

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LearningCounts:
    """Jobs since the start: ``learned`` committed, ``failed`` tries, ``parked`` given up."""

    learned: int = 0
    failed: int = 0
    parked: int = 0


class LearningLoop:
    """Takes the learning jobs of a store, in its own thread (``start``) or the caller's (``run_pending``).

    All methods may be called from any thread; jobs are taken one at a time.

    Args:
        on_changed: told (project id, run id) after every try, from the thread that made it.
        on_learned: told the project id after a run was learned from, before anyone hears that it was.
        allowed_hosts: hosts whose addresses may stand in a lesson.
        find_settings: what holds for a project.

    Attributes:
        committing: held while the ledger is written; others that write it take turns by it.
    """

    def __init__(
        self,
        store: Store,
        table: MemoryTable,
        embedder: Embedder,
        reflector: Reflector,
        clock: Clock,
        on_changed: Callable[[str, str], None] = lambda _project_id, _run_id: None,
        on_learned: Callable[[str], None] = lambda _project_id: None,
        allowed_hosts: Collection[str] = (),
        find_settings: Callable[[str], ProjectSettings] = lambda _project_id: DEFAULTS,
    ) -> None:
        self._store = store
        self._table = table
        self._embedder = embedder
        entry = EntryCheck(store, clock, find_settings)
        drawer = LessonDrawer(
            store, reflector, ContrastFinder(store, table, embedder, find_settings), clock, allowed_hosts
        )
        self._outcomes = OutcomeReader(store, embedder, drawer, entry, find_settings)
        self._merger = Merger(store, table)
        self._clock = clock
        self._on_changed = on_changed
        self._on_learned = on_learned
        self.committing = threading.RLock()
        self._claiming = threading.Lock()
        self._ended = threading.Condition()
        self._ended_tries = 0
        self._counts = LearningCounts()
        self._retry_at_ns: dict[tuple[str, str], int] = {}
        self._worker: threading.Thread | None = None
        self._wakeup = threading.Event()
        self._stopping = threading.Event()

    @property
    def counts(self) -> LearningCounts:
        """What was done since the start."""
        return self._counts

    # --- driving ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take jobs in a background thread until ``stop``."""
        if self._worker is None:
            self._stopping.clear()
            self._worker = threading.Thread(target=self._work, name="reflect-learning", daemon=True)
            self._worker.start()

    def stop(self, timeout_seconds: float) -> bool:
        """End the background thread after the job at hand; False when that takes longer."""
        worker = self._worker
        self._stopping.set()
        self._wakeup.set()
        if worker is not None:
            worker.join(timeout_seconds)
            if worker.is_alive():
                return False
            self._worker = None
        return True

    def wake(self) -> None:
        """Look for jobs now; called after telemetry or a review was committed."""
        self._wakeup.set()

    def run_pending(self) -> int:
        """Take every job that is due, in this thread; how many were learned from."""
        learned = 0
        with self._claiming:
            while not self._stopping.is_set():
                job = self._store.claim_job()
                if job is None or (job.attempts and self._seconds_to_retry(job.project_id, job.run_id) > 0):
                    break
                learned += self._try(job)
        return learned

    def learn(self, project_id: str, run_id: str, timeout_seconds: float) -> bool:
        """Wait until every review of the run is learned from; False when time ran out or the job was parked.

        Raises:
            NotFound: when there is no such run.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            seen = self._ended_tries
            detail = self._store.find_run(project_id, run_id)
            if detail is None:
                raise NotFound(f"no run {run_id!r} in this project", resource_type="run", resource_name=run_id)
            left = deadline - time.monotonic()
            if detail.learned or detail.attempts >= MAX_TRIES or left <= 0:
                return detail.learned
            if self._worker is None and self.run_pending():
                continue
            self.wake()
            with self._ended:
                if self._ended_tries == seen:
                    self._ended.wait(min(left, _WAIT_SECONDS))

    def write_memory(self, project_id: str, memory: Memory) -> None:
        """Store a memory written by hand; it can be served as soon as this returns.

        Raises:
            TransportError: the embedder's endpoint does not answer; nothing was stored then.
            ConfigError: the embedder's endpoint refuses the call; nothing was stored then.
        """
        stored = embed_memories([(project_id, memory)], pin(self._embedder))[0]
        self._store.write_memory(project_id, stored)
        self._table.write(stored)

    def merge_late(self, stored: StoredVector) -> None:
        """Merge a memory that was drawn while no embedder answered, now that it can be compared with the others.

        Args:
            stored: the memory with both vectors, known to the store and the table.
        """
        with self.committing:
            succession = self._merger.read_late_merge(stored)
            if succession is not None:
                ((memory, _),) = succession.resettled
                self._store.write_succession(stored.project_id, succession)
                self._table.write(replace(stored, memory=memory))

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._wakeup.clear()
            try:
                self.run_pending()
            except Exception:  # noqa: BLE001 - a store that fails must not end learning for good
                _log.exception("the learning loop could not take jobs from the store; it will try again")
            self._wakeup.wait(self._seconds_to_next_retry())

    # --- one job ----------------------------------------------------------------------------------------

    def _try(self, job: LearningJob) -> bool:
        key = (job.project_id, job.run_id)
        try:
            outcome = self._outcomes.read_outcome(job, is_last_try=job.attempts + 1 >= MAX_TRIES)
            outcome = self._merger.settle(outcome, pin(self._embedder).id)
            with self.committing:
                committed = self._store.write_learning(outcome)
                if committed:
                    self._write_through(outcome)
        except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is counted, retried, parked
            if not self._stopping.is_set():  # else the store may be gone; the job is durable and taken up again
                self._give_back(job, error)
            return False
        if not committed:
            return False
        self._retry_at_ns.pop(key, None)
        self._counts = replace(self._counts, learned=self._counts.learned + 1)
        self._tell(self._on_learned, job.project_id)
        self._announce(*key)
        return True

    def _give_back(self, job: LearningJob, error: Exception) -> None:
        park = job.attempts + 1 >= MAX_TRIES
        key = (job.project_id, job.run_id)
        reason = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        _log.warning("learning from run %r failed, try %d of %d: %r", job.run_id, job.attempts + 1, MAX_TRIES, reason)
        self._retry_at_ns[key] = self._clock() + round(_seconds_to_wait(job, error) * _SECOND_NS)
        if park:
            del self._retry_at_ns[key]
        self._store.write_job_failure(job, reason, park=park)
        counts = self._counts
        self._counts = replace(counts, failed=counts.failed + 1, parked=counts.parked + park)
        self._announce(*key)

    def _announce(self, project_id: str, run_id: str) -> None:
        with self._ended:
            self._ended_tries += 1
            self._ended.notify_all()
        self._tell(self._on_changed, project_id, run_id)

    def _tell(self, listener: Callable[..., None], *key: str) -> None:
        try:
            listener(*key)
        except Exception:  # noqa: BLE001 - the job has ended, whatever a listener does
            _log.exception("a listener failed after learning from a run of %r", key)

    def _seconds_to_next_retry(self) -> float:
        now_ns = self._clock()
        self._retry_at_ns = {key: due_ns for key, due_ns in self._retry_at_ns.items() if due_ns > now_ns}
        due_ns = min(self._retry_at_ns.values(), default=now_ns + _IDLE_SECONDS * _SECOND_NS)
        return min(_IDLE_SECONDS, (due_ns - now_ns) / _SECOND_NS)

    def _seconds_to_retry(self, project_id: str, run_id: str) -> float:
        return (self._retry_at_ns.get((project_id, run_id), 0) - self._clock()) / _SECOND_NS

    def _write_through(self, outcome: LearningOutcome) -> None:
        project_id = outcome.job.project_id
        if outcome.removed_memory_id is not None:
            self._table.remove(project_id, outcome.removed_memory_id)
        if outcome.succession is not None:
            self._table.write_succession(project_id, outcome.succession)
        for memory in outcome.recomputed:
            self._table.write_utility(project_id, memory)
        if outcome.memory is not None and outcome.task_vector is None:
            self._table.remove(project_id, outcome.memory.id)  # until it has a vector of what it says now
        if outcome.memory is not None and outcome.task_vector is not None:
            self._table.write(
                StoredVector(
                    project_id=project_id,
                    memory=outcome.memory,
                    task_vector=outcome.task_vector,
                    embedder_id=outcome.embedder_id,
                    content_vector=outcome.content_vector,
                )
            )


def _seconds_to_wait(job: LearningJob, error: Exception) -> float:
    """Twice as long after every try, or as long as whoever refused has asked for."""
    own = _FIRST_RETRY_SECONDS * 2.0**job.attempts
    asked = error.retry_after_seconds if isinstance(error, TransportError) else None
    return max(own, asked or 0.0)
