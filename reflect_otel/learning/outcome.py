"""Everything one learning job changes, worked out from what the store holds; nothing is written here."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from reflect_otel.errors import ConfigError, TransportError
from reflect_otel.learning.credit import build_credit
from reflect_otel.learning.drawing import Drawn, LessonDrawer, read_trajectory
from reflect_otel.learning.entry_check import EntryCheck
from reflect_otel.learning.evidence import Evidence
from reflect_otel.learning.lesson import build_retrieval_key, is_echo
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.learning.utility import EXCLUDED_BY_QUARANTINE
from reflect_otel.learning.verdict import build_verdict, is_cancelled
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.ports import Embedder, LearningJob, LearningOutcome, RunDetail

_ECHO: Final = "the lesson repeats a memory that was served to the run; it counts as evidence for that one"

_log: Final = logging.getLogger(__name__)


class OutcomeReader:
    """Reads a run with its reviews and tells what learning from it changes."""

    def __init__(
        self,
        embedder: Embedder,
        drawer: LessonDrawer,
        entry: EntryCheck,
        find_settings: Callable[[str], ProjectSettings],
    ) -> None:
        self._find_settings = find_settings
        self._entry = entry
        self._embedder = embedder
        self._drawer = drawer

    def read_outcome(self, job: LearningJob, evidence: Evidence, *, is_last_try: bool = False) -> LearningOutcome:
        """The outcome of a job: empty when its run is gone, a withdrawal when no review stands or counts."""
        case = evidence.cases.get(job.run_id)
        if case is None:
            return LearningOutcome(job=job)
        detail = case.run
        known, ledger = evidence.read_ledger(detail)
        weights = self._find_settings(job.project_id).reviewer_weights
        is_out = is_cancelled(detail.record, read_trajectory(case))
        verdict = None if is_out else build_verdict(detail.reviews, weights)
        tainting = evidence.find_tainting(detail)
        excluded = EXCLUDED_BY_QUARANTINE if tainting else ""
        credit = build_credit(detail, verdict, known, ledger, excluded=excluded)
        outcome = LearningOutcome(
            job=job,
            is_first=evidence.is_first(detail),
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
        drawn = self._drawer.draw(case, verdict, served, evidence.families, is_last_try=is_last_try)
        return self._with_memory(replace(outcome, reflection=drawn.record), evidence, detail, drawn)

    def _with_memory(
        self, outcome: LearningOutcome, evidence: Evidence, detail: RunDetail, drawn: Drawn
    ) -> LearningOutcome:
        memory, told_texts = drawn.memory, drawn.lesson.served_texts
        if memory is None:
            return outcome
        echoed = replace(outcome, reflection=replace(drawn.record, memory_id="", note=_ECHO))
        if memory.reflection in told_texts:
            return echoed
        project_id, known = detail.record.project_id, detail.created_memory_id
        memory = self._entry.admit(
            project_id,
            memory,
            [*outcome.quarantine_ids, *evidence.find_holding(memory.id)],
            is_new=known != memory.id,
            uncommitted=evidence.drawn,
        )
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
