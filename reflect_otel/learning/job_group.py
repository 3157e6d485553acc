"""Several learning jobs of one project in one transaction: what a statement costs is paid once for all of them.

The jobs are worked out one after the other, each from what those before it will have changed, so that they end as if
taken one by one. A run that was learned from before is taken alone: what it leaves behind may concern memories that
nobody has looked at. When a group cannot be committed, nothing of it is, and its jobs are taken one by one: whoever
fails, fails alone.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reflect_otel.errors import TransportError
from reflect_otel.learning.evidence import Evidence
from reflect_otel.learning.lesson import build_memory_ids
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.merging import Merger
from reflect_otel.learning.outcome import OutcomeReader
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.ports import Embedder, LearningJob, LearningOutcome, Store

MAX_TRIES: Final = 6
"""Tries of one job before it is parked until the run is reviewed again."""

GROUP_SECONDS: Final = 0.25
"""No further job joins a group that has taken so long: a model that is asked has every job to itself."""


_LONGEST_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed: why, and how long whoever refused has asked to be left alone."""

    job: LearningJob
    reason: str
    retry_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """The first ``count`` of the jobs given. Those neither learned nor failed stay queued: their reviews changed."""

    count: int
    learned: Sequence[LearningJob] = ()
    failed: Sequence[Failure] = ()


class JobGroup:
    """Takes jobs together, as far as they go together.

    Args:
        committing: held while the ledger and the table are written.
    """

    def __init__(
        self,
        store: Store,
        table: MemoryTable,
        embedder: Embedder,
        outcomes: OutcomeReader,
        merger: Merger,
        committing: threading.RLock,
    ) -> None:
        self._store = store
        self._table = table
        self._embedder = embedder
        self._outcomes = outcomes
        self._merger = merger
        self._committing = committing

    def take(self, jobs: Sequence[LearningJob]) -> Taken:
        """Learn from one or more of these jobs of one project, from the first on. Raises nothing."""
        try:
            evidence = self._find_evidence(jobs[0].project_id, [job.run_id for job in jobs])
        except Exception as error:  # noqa: BLE001 - what cannot be read of one run is told of that one
            return Taken(1, failed=[_build_failure(jobs[0], error)]) if len(jobs) == 1 else self._take_each(jobs)
        outcomes, failed = self._work_out(jobs, evidence)
        count = len(outcomes) + len(failed)
        try:
            is_committed = not outcomes or self._commit(outcomes)
        except Exception as error:  # noqa: BLE001 - whatever a store raises is told of the one job that it befalls
            is_committed = False
            if len(outcomes) == 1:
                failed.append(_build_failure(outcomes[0].job, error))
        if is_committed or len(outcomes) == 1:
            return Taken(count, [outcome.job for outcome in outcomes if is_committed], failed)
        alone = self._take_each([outcome.job for outcome in outcomes])
        return Taken(count, alone.learned, [*failed, *alone.failed])

    def _take_each(self, jobs: Sequence[LearningJob]) -> Taken:
        alone = [self.take([job]) for job in jobs]
        return Taken(
            len(jobs),
            [job for taken in alone for job in taken.learned],
            [failure for taken in alone for failure in taken.failed],
        )

    def _work_out(
        self, jobs: Sequence[LearningJob], evidence: Evidence
    ) -> tuple[list[LearningOutcome], list[Failure]]:
        """The outcomes of the jobs that go together, each from what those before it change, and failed tries."""
        outcomes: list[LearningOutcome] = []
        failed: list[Failure] = []
        ends = time.monotonic() + GROUP_SECONDS
        followed = 0
        for job in jobs:
            if (outcomes or failed) and time.monotonic() > ends:
                break
            if outcomes and not _goes_with(job, outcomes[-1], evidence):
                break
            for outcome in outcomes[followed:]:
                evidence.follow(outcome)
                self._write_through(outcome)
            followed = len(outcomes)
            try:
                outcomes.append(self._read_outcome(job, evidence))
            except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is told of this job alone
                failed.append(_build_failure(job, error))
        return outcomes, failed

    def _find_evidence(self, project_id: str, run_ids: Sequence[str]) -> Evidence:
        drawn = {memory_id for run_id in run_ids for memory_id in build_memory_ids(project_id, run_id)}
        return Evidence(self._store.find_evidence(project_id, run_ids, sorted(drawn)))

    def _read_outcome(self, job: LearningJob, evidence: Evidence) -> LearningOutcome:
        outcome = self._outcomes.read_outcome(job, evidence, is_last_try=job.attempts + 1 >= MAX_TRIES)
        return self._merger.settle(outcome, evidence.families, pin(self._embedder).id)

    def _commit(self, outcomes: Sequence[LearningOutcome]) -> bool:
        """Write the outcomes; those before the last are in the table already, and out of it again when that fails."""
        is_committed = False
        with self._committing:
            try:
                is_committed = self._store.write_learning(*outcomes)
            finally:
                if not is_committed:
                    self._take_back(outcomes)
            if is_committed:
                self._write_through(outcomes[-1])
        return is_committed

    def _take_back(self, outcomes: Sequence[LearningOutcome]) -> None:
        """Let the table hold what the store holds."""
        project_id = outcomes[0].job.project_id
        touched = {memory.id for outcome in outcomes for memory in (outcome.memory, *outcome.recomputed) if memory}
        if touched:
            known = self._store.find_vectors_of(project_id, sorted(touched))
            for memory_id in touched:
                self._table.remove(project_id, memory_id)
            self._table.load(known)

    def _write_through(self, outcome: LearningOutcome) -> None:
        project_id = outcome.job.project_id
        with self._committing:
            if outcome.removed_memory_id is not None:
                self._table.remove(project_id, outcome.removed_memory_id)
            if outcome.succession is not None:
                self._table.write_succession(project_id, outcome.succession)
            for memory in outcome.recomputed:
                self._table.write_utility(project_id, memory)
            if outcome.stored is not None:
                self._table.write(outcome.stored)
            elif outcome.memory is not None:
                self._table.remove(project_id, outcome.memory.id)  # until it has a vector of what it says now


def _build_failure(job: LearningJob, error: Exception) -> Failure:
    asked = error.retry_after_seconds if isinstance(error, TransportError) else None
    return Failure(job, f"{type(error).__name__}: {error}"[:_LONGEST_ERROR], asked or 0.0)


def _goes_with(job: LearningJob, former: LearningOutcome, evidence: Evidence) -> bool:
    """Whether the job can be worked out before what the former one changes is committed."""
    case = evidence.cases.get(job.run_id)
    return former.is_first and not former.quarantine_ids and case is not None and evidence.is_first(case.run)
