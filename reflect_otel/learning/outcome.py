"""Everything one learning job changes, worked out from what the store holds; nothing is written here."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.errors import ConfigError, NotFound, TransportError
from reflect_otel.learning.credit import build_credit, with_utility
from reflect_otel.learning.lesson import build_learning_input, build_memory, build_retrieval_key, is_echo
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.learning.utility import recompute
from reflect_otel.learning.verdict import build_verdict, is_cancelled
from reflect_otel.model.memory import Memory, UtilityEvent
from reflect_otel.model.reflection import LearningInput
from reflect_otel.model.trajectory import Task, Trajectory
from reflect_otel.ports import Clock, Embedder, LearningJob, LearningOutcome, Reflector, RunDetail, Store

_log: Final = logging.getLogger(__name__)


class OutcomeReader:
    """Reads a run with its reviews and tells what learning from it changes."""

    def __init__(self, store: Store, embedder: Embedder, reflector: Reflector, clock: Clock) -> None:
        self._store = store
        self._embedder = embedder
        self._reflector = reflector
        self._clock = clock

    def read_outcome(self, job: LearningJob) -> LearningOutcome:
        """The outcome of a job: empty when its run is gone, a withdrawal when no review stands or counts."""
        detail = self._store.find_run(job.project_id, job.run_id)
        if detail is None:
            return LearningOutcome(job=job)
        own = self._store.find_utility_events(job.project_id, run_id=job.run_id)
        project_id, concerned = job.project_id, [*detail.served, *(event.memory_id for event in own)]
        known = dict(self._store.find_speakers(project_id, concerned))
        ledger = self._read_ledger(project_id, concerned, known)
        known |= self._store.find_speakers(project_id, {event.memory_id for event in ledger} - known.keys())
        trajectory = self._read_trajectory(detail)
        verdict = None if is_cancelled(detail.record, trajectory) else build_verdict(detail.reviews)
        credit = build_credit(detail, verdict, known, ledger)
        outcome = LearningOutcome(
            job=job,
            events=credit.events,
            updated=credit.updated,
            recomputed=credit.recomputed,
            removed_memory_id=detail.created_memory_id,
        )
        if verdict is None:
            return outcome
        outcome = replace(outcome, result=verdict.result, reward=verdict.reward)
        told = {known[key].id: known[key] for key in detail.served if key in known}
        served = [memory for memory in told.values() if memory.created_from != job.run_id]
        lesson = build_learning_input(detail.record, trajectory, verdict, served)
        return self._with_memory(outcome, detail, lesson)

    def _with_memory(self, outcome: LearningOutcome, detail: RunDetail, lesson: LearningInput) -> LearningOutcome:
        memory = self._reflect(detail, lesson)
        if memory is None:
            return outcome
        if memory.reflection in lesson.served_texts:
            return outcome
        kept = None if detail.created_memory_id == memory.id else detail.created_memory_id
        drawn = replace(outcome, memory=memory, removed_memory_id=kept)
        texts = [build_retrieval_key(memory), memory.reflection, *lesson.served_texts]
        embedder = pin(self._embedder)
        try:
            task_vector, content_vector, *told = embedder.embed(texts)
        except (TransportError, ConfigError) as error:
            _log.warning("the memory of run %r gets its vectors later: %r", outcome.job.run_id, str(error)[:300])
            return drawn
        if is_echo(content_vector, told):
            return outcome
        return replace(drawn, task_vector=task_vector, content_vector=content_vector, embedder_id=embedder.id)

    def _reflect(self, detail: RunDetail, lesson: LearningInput) -> Memory | None:
        reflection = self._reflector.reflect(lesson)
        if reflection is None or not reflection.text.strip():
            return None
        memory = build_memory(detail.record, lesson, reflection, self._clock())
        known = self._store.find_memory(detail.record.project_id, memory.id)
        if known is not None:
            memory = _keep_standing(memory, known)
        ledger = self._store.find_utility_events(detail.record.project_id, memory_ids=[memory.id])
        return with_utility(memory, recompute(ledger))

    def _read_trajectory(self, detail: RunDetail) -> Trajectory:
        record = detail.record
        try:
            return self._store.get_trajectory(record.project_id, record.run_id)
        except NotFound:
            return Trajectory(task=Task(text=record.task), final_response=record.final_response)

    def _read_ledger(
        self, project_id: str, concerned: Iterable[str], speakers: Mapping[str, Memory]
    ) -> Sequence[UtilityEvent]:
        memory_ids = {*concerned, *(speaker.id for speaker in speakers.values())}
        return self._store.find_utility_events(project_id, memory_ids=sorted(memory_ids)) if memory_ids else ()


def _keep_standing(memory: Memory, known: Memory) -> Memory:
    """A lesson drawn anew from the same run, with all that was decided about the memory meanwhile."""
    return replace(
        memory,
        created_ns=known.created_ns,
        status=known.status,
        status_reason=known.status_reason,
        pinned=known.pinned,
        merged_into=known.merged_into,
        last_served_ns=known.last_served_ns,
    )
