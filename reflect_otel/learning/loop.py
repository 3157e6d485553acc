"""The learning loop: one durable job per reviewed run, taken in one transaction.

Job -> run, reviews, served memories -> verdict -> reflection -> memory with its vectors, and the ledger entries of
the memories served -> everything recomputed -> committed -> written through to the in-process table. The same
reviews give the same tables, however often a job is taken: ids come from the run, utilities from the ledger.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reflect_otel.errors import NotFound
from reflect_otel.learning.contrast import ContrastFinder
from reflect_otel.learning.drawing import LessonDrawer
from reflect_otel.learning.entry_check import EntryCheck
from reflect_otel.learning.job_group import MAX_TRIES as MAX_TRIES
from reflect_otel.learning.job_group import Failure, JobGroup
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.memory_vectors import embed_memories
from reflect_otel.learning.merging import Merger
from reflect_otel.learning.outcome import OutcomeReader
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.model.memory import Memory
from reflect_otel.model.project_settings import DEFAULTS, ProjectSettings
from reflect_otel.ports import Clock, Embedder, LearningJob, Reflector, Store, StoredVector

LARGEST_GROUP: Final = 32
"""Jobs that are taken together when many are queued."""

_FIRST_RETRY_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 5.0
_WAIT_SECONDS: Final = 0.5
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
        drawer = LessonDrawer(reflector, ContrastFinder(store, table, embedder, find_settings), clock, allowed_hosts)
        outcomes = OutcomeReader(embedder, drawer, entry, find_settings)
        self._merger = Merger(store, table)
        self.committing = threading.RLock()
        self._group = JobGroup(store, table, embedder, outcomes, self._merger, self.committing)
        self._group_size = 1
        self._clock = clock
        self._on_changed = on_changed
        self._on_learned = on_learned
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
                jobs = self._claim()
                if not jobs:
                    break
                learned += self._try(jobs)
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
        with self.committing:  # a quarantine in between would be undone in the table
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

    # --- jobs -------------------------------------------------------------------------------------------

    def _claim(self) -> list[LearningJob]:
        """The jobs that are due, as many of the first one's project as may go together."""
        due = self._claim_due(self._group_size)
        if not due and self._retry_at_ns:  # those that are not may stand before those that are
            due = self._claim_due(self._group_size + len(self._retry_at_ns))[: self._group_size]
        return list(itertools.takewhile(lambda job: job.project_id == due[0].project_id, due))

    def _claim_due(self, limit: int) -> list[LearningJob]:
        return [job for job in self._store.claim_jobs(limit) if self._is_due(job)]

    def _is_due(self, job: LearningJob) -> bool:
        return not job.attempts or self._retry_at_ns.get((job.project_id, job.run_id), 0) <= self._clock()

    def _try(self, jobs: Sequence[LearningJob]) -> int:
        """Take the first of these jobs, with as many others as go with it; how many were learned from."""
        taken = self._group.take(jobs)
        self._group_size = min(LARGEST_GROUP, max(1, 2 * taken.count if taken.count == len(jobs) else taken.count))
        for job in taken.learned:
            self._retry_at_ns.pop((job.project_id, job.run_id), None)
            self._counts = replace(self._counts, learned=self._counts.learned + 1)
            self._tell(self._on_learned, job.project_id)
            self._announce(job.project_id, job.run_id)
        for failure in taken.failed:
            if not self._stopping.is_set():  # else the store may be gone; the job is durable and taken up again
                self._give_back(failure)
        return len(taken.learned)

    def _give_back(self, failure: Failure) -> None:
        job, reason = failure.job, failure.reason
        park = job.attempts + 1 >= MAX_TRIES
        key = (job.project_id, job.run_id)
        _log.warning("learning from run %r failed, try %d of %d: %r", job.run_id, job.attempts + 1, MAX_TRIES, reason)
        self._retry_at_ns[key] = self._clock() + round(_seconds_to_wait(failure) * _SECOND_NS)
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


def _seconds_to_wait(failure: Failure) -> float:
    """Twice as long after every try, or as long as whoever refused has asked for."""
    return max(_FIRST_RETRY_SECONDS * 2.0**failure.job.attempts, failure.retry_after_seconds)
