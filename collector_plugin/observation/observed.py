"""The use cases and the store as the engine uses them: what passes through is told to the telemetry.

The domain knows nothing of it.
"""

import time
from collections.abc import Sequence
from typing import Any, cast

from collector_plugin.observation.loop_telemetry import LoopTelemetry
from reflect_otel.model.memory import AugmentedTask, RetrievalOptions
from reflect_otel.model.model_call import UNDER_WAY, ModelCall
from reflect_otel.model.review import Review
from reflect_otel.model.review_keys import ReviewKey
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import (
    LearningJob,
    LearningOutcome,
    Store,
    StoredVector,
    TelemetryBatch,
)
from reflect_otel.service.operations import Operations


class ObservedOperations(Operations):
    """``Operations`` whose augmentations are counted and timed."""

    def __init__(self, *, telemetry: LoopTelemetry, **parts: Any) -> None:
        super().__init__(**parts)
        self._telemetry = telemetry

    def augment(self, project_id: str, task: str, options: RetrievalOptions, **how: Any) -> AugmentedTask:
        """See ``Operations``; ``how`` is passed on."""
        began = time.perf_counter()
        augmented = super().augment(project_id, task, options, **how)
        self._telemetry.note_augmentation(project_id, augmented, time.perf_counter() - began)
        return augmented


def observe_store(store: Store, telemetry: LoopTelemetry) -> Store:
    """The store, with what is written to it told to the telemetry once it is durable."""
    return cast("Store", _ObservedStore(store, telemetry))


class _ObservedStore:
    """Passes everything through to the store; the methods below are those that tell something."""

    def __init__(self, store: Store, telemetry: LoopTelemetry) -> None:
        self._store = store
        self._telemetry = telemetry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write_telemetry(self, batch: TelemetryBatch) -> None:
        self._store.write_telemetry(batch)
        for project_id, signal in batch.reviews:
            run_id = signal.run_id or (signal.trace_id.hex() if signal.trace_id else "")
            if signal.withdrawn:
                self._telemetry.note_withdrawal(project_id, run_id, signal.review.key, signal.trace_id)
            else:
                self._telemetry.note_review(project_id, run_id, signal.review, signal.trace_id)

    def write_runs(self, read: Sequence[tuple[RunRecord, Trajectory | None]]) -> None:
        self._store.write_runs(read)
        for record, trajectory in read:
            if trajectory is not None:
                self._telemetry.note_run(record)

    def write_review(self, project_id: str, run_id: str, review: Review) -> bool:
        is_new = self._store.write_review(project_id, run_id, review)
        if is_new:
            self._telemetry.note_review(project_id, run_id, review)
        return is_new

    def write_withdrawal(self, project_id: str, run_id: str, key: ReviewKey) -> bool:
        is_new = self._store.write_withdrawal(project_id, run_id, key)
        if is_new:
            self._telemetry.note_withdrawal(project_id, run_id, key)
        return is_new

    def write_learning(self, *outcomes: LearningOutcome) -> bool:
        started_ns = time.time_ns()
        is_committed = self._store.write_learning(*outcomes)
        if is_committed:
            for outcome in outcomes:
                self._telemetry.note_learning(outcome, started_ns)
        return is_committed

    def write_job_failure(self, job: LearningJob, error: str, *, park: bool) -> None:
        self._store.write_job_failure(job, error, park=park)
        self._telemetry.note_failure(job, error, parked=park)

    def write_memory(self, project_id: str, stored: StoredVector) -> None:
        self._store.write_memory(project_id, stored)
        self._telemetry.note_created(project_id, stored.memory)

    def write_model_call(self, project_id: str, call: ModelCall) -> None:
        self._store.write_model_call(project_id, call)
        if call.error != UNDER_WAY:
            self._telemetry.note_model_call(project_id, call)
