"""Everything one learning job changes, worked out from what the store holds; nothing is written here."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.errors import ConfigError, TransportError
from reflect_otel.learning.credit import build_credit
from reflect_otel.learning.drawing import Drawn, LessonDrawer, read_trajectory
from reflect_otel.learning.entry_check import EntryCheck
from reflect_otel.learning.lesson import build_retrieval_key, is_echo
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.learning.utility import EXCLUDED_BY_QUARANTINE
from reflect_otel.learning.verdict import build_verdict, is_cancelled
from reflect_otel.model.memory import Memory, UtilityEvent
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.ports import Embedder, LearningJob, LearningOutcome, RunDetail, Store

_ECHO: Final = "the lesson repeats a memory that was served to the run; it counts as evidence for that one"

_log: Final = logging.getLogger(__name__)


class OutcomeReader:
    """Reads a run with its reviews and tells what learning from it changes."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        drawer: LessonDrawer,
        entry: EntryCheck,
        find_settings: Callable[[str], ProjectSettings],
    ) -> None:
        self._store = store
        self._find_settings = find_settings
        self._entry = entry
        self._embedder = embedder
        self._drawer = drawer

    def read_outcome(self, job: LearningJob, *, is_last_try: bool = False) -> LearningOutcome:
        """The outcome of a job: empty when its run is gone, a withdrawal when no review stands or counts."""
        detail = self._store.find_run(job.project_id, job.run_id)
        if detail is None:
            return LearningOutcome(job=job)
        known, ledger = self._read_ledger(detail)
        trajectory = read_trajectory(self._store, detail)
        weights = self._find_settings(job.project_id).reviewer_weights
        verdict = None if is_cancelled(detail.record, trajectory) else build_verdict(detail.reviews, weights)
        tainting = self._entry.find_tainting(detail)
        excluded = EXCLUDED_BY_QUARANTINE if tainting else ""
        credit = build_credit(detail, verdict, known, ledger, excluded=excluded)
        outcome = LearningOutcome(
            job=job,
            events=credit.events,
            updated=credit.updated,
            recomputed=credit.recomputed,
            removed_memory_id=detail.created_memory_id,
            quarantine_ids=[quarantine.id for quarantine in tainting],
        )
        if verdict is None:
            withdrawn = ReflectionRecord(run_id=job.run_id, note="no review of the run stands, or it was cancelled")
            return replace(outcome, reflection=withdrawn)
        outcome = replace(outcome, result=verdict.result, reward=verdict.reward)
        told = {known[key].id: known[key] for key in detail.served if key in known}
        served = [memory for memory in told.values() if memory.created_from != job.run_id]
        drawn = self._drawer.draw(detail, trajectory, verdict, served, is_last_try=is_last_try)
        return self._with_memory(replace(outcome, reflection=drawn.record), detail, drawn)

    def _with_memory(self, outcome: LearningOutcome, detail: RunDetail, drawn: Drawn) -> LearningOutcome:
        memory, told_texts = drawn.memory, drawn.lesson.served_texts
        if memory is None:
            return outcome
        echoed = replace(outcome, reflection=replace(drawn.record, memory_id="", note=_ECHO))
        if memory.reflection in told_texts:
            return echoed
        project_id, known = detail.record.project_id, detail.created_memory_id
        memory = self._entry.admit(project_id, memory, outcome.quarantine_ids, is_new=known != memory.id)
        kept = None if known == memory.id else known
        learned = replace(outcome, memory=memory, removed_memory_id=kept)
        embedder = pin(self._embedder)
        try:
            task_vector, content_vector, *told = embedder.embed(
                [build_retrieval_key(memory), memory.reflection, *told_texts]
            )
        except (TransportError, ConfigError) as error:
            _log.warning("the memory of run %r gets its vectors later: %r", outcome.job.run_id, str(error)[:300])
            return learned
        if is_echo(content_vector, told):
            return echoed
        return replace(learned, task_vector=task_vector, content_vector=content_vector, embedder_id=embedder.id)

    def _read_ledger(self, detail: RunDetail) -> tuple[Mapping[str, Memory], Sequence[UtilityEvent]]:
        """Who speaks for each memory that the run may credit, and every entry of all those memories."""
        project_id, run_id = detail.record.project_id, detail.record.run_id
        ledger = self._store.find_utility_events(project_id, memory_ids=detail.served, run_id=run_id)
        concerned = {*detail.served, *(event.memory_id for event in ledger)}
        known = dict(self._store.find_speakers(project_id, sorted(concerned))) if concerned else {}
        speakers = {speaker.id for speaker in known.values()}
        if not concerned | speakers <= set(detail.served):
            ledger = self._store.find_utility_events(project_id, memory_ids=sorted(concerned | speakers))
            others = {event.memory_id for event in ledger} - known.keys()
            known |= self._store.find_speakers(project_id, sorted(others)) if others else {}
        return known, ledger
