"""A language model's verdict on runs that nobody has reviewed: off unless the service is told to, marked as ``llm``.

The verdict is a review like any other, of source ``llm`` and so of half the weight. It is given only to runs without
a review, some time after their end, and never touches the review of a person or program.
"""

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from reflect_otel.errors import BudgetSpent, ConfigError, NotFound, ReflectError, TransportError
from reflect_otel.learning.answers import read_judgement
from reflect_otel.learning.lesson import without_notes
from reflect_otel.learning.model_caller import ModelCaller
from reflect_otel.learning.prompts import build_judge_prompt
from reflect_otel.model.model_call import CallPurpose
from reflect_otel.model.notes import strip_notes
from reflect_otel.model.reflection import LearningInput
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import Clock, Store

MAX_TRIES: Final = 3
"""Calls for one run whose endpoint does not answer, before it is left to people."""

WINDOW_SECONDS: Final = 86_400.0
"""Runs that ended longer ago are not judged: switching the judge on must not pay for the whole past."""

_RUNS_AT_A_TIME: Final = 20
_MOST_PASSED_OVER: Final = 2_000
_IDLE_SECONDS: Final = 5.0
_SECOND_NS: Final = 1_000_000_000

_log: Final = logging.getLogger(__name__)


class Judge:
    """Reviews runs in its own thread (``start``) or the caller's (``run_pending``).

    Args:
        on_reviewed: told (project id, run id) after each review.
        delay_seconds: how long after its last span a run is left to other reviewers.
    """

    def __init__(
        self,
        store: Store,
        caller: ModelCaller,
        clock: Clock,
        on_reviewed: Callable[[str, str], None],
        delay_seconds: float = 60.0,
    ) -> None:
        self._store = store
        self._caller = caller
        self._clock = clock
        self._on_reviewed = on_reviewed
        self._delay_seconds = delay_seconds
        self._passed_over = 0
        self._told: set[tuple[str, str]] = set()
        self._stopping = threading.Event()
        self._worker: threading.Thread | None = None

    def start(self) -> None:
        """Judge in a background thread until ``stop``."""
        self._worker = threading.Thread(target=self._work, name="reflect-judge", daemon=True)
        self._worker.start()

    def stop(self, timeout_seconds: float) -> None:
        """End the thread after the call at hand, or leave it to end by itself when that takes longer."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.join(timeout_seconds)

    def run_pending(self) -> int:
        """Judge the runs that are due, in this thread; how many were reviewed. Ends early when the model cannot."""
        now_ns = self._clock()
        runs = self._store.find_unjudged_runs(
            now_ns - round(WINDOW_SECONDS * _SECOND_NS),
            now_ns - round(self._delay_seconds * _SECOND_NS),
            MAX_TRIES,
            _RUNS_AT_A_TIME + self._passed_over,
        )
        reviewed, passed_over = 0, 0
        spent: set[str] = set()
        for record in runs:
            if self._stopping.is_set():
                break
            if record.project_id in spent:
                passed_over += 1
                continue
            try:
                reviewed += self._judge(record)
            except BudgetSpent as error:  # of this project; others go on
                spent.add(record.project_id)
                passed_over += 1
                self._tell(record, error, record.project_id)
            except (TransportError, ConfigError) as error:
                self._tell(record, error)
                break
        self._passed_over = min(passed_over, _MOST_PASSED_OVER)
        return reviewed

    def _tell(self, record: RunRecord, error: ReflectError, project_id: str = "") -> None:
        """Log a cause once for as long as it lasts."""
        cause = (project_id, type(error).__name__)
        if cause not in self._told:
            self._told.add(cause)
            _log.warning("run %r was not judged, nor will be others until this ends: %s", record.run_id, error)

    def _judge(self, record: RunRecord) -> bool:
        lesson = self._read_input(record)
        if lesson is None:
            return False
        review = self._ask(record, lesson)
        self._told = {cause for cause in self._told if cause[0] not in ("", record.project_id)}
        detail = self._store.find_run(record.project_id, record.run_id)
        if review is None or detail is None or detail.reviews:
            return False
        self._store.write_review(record.project_id, record.run_id, replace(review, created_ns=self._clock()))
        self._on_reviewed(record.project_id, record.run_id)
        return True

    def _ask(self, record: RunRecord, lesson: LearningInput) -> Review | None:
        prompt = build_judge_prompt(lesson, f"data-{secrets.token_hex(8)}")
        question = prompt
        problems: tuple[str, ...] = ()
        for _ in range(2):
            completion = self._caller.ask(record.project_id, record.run_id, CallPurpose.JUDGEMENT, question)
            review, problems = read_judgement(completion.text, lesson, self._caller.model.model)
            problems = (completion.problem,) if completion.problem else problems
            if not problems:
                return review
            question = prompt.repaired(completion.text, problems)
        _log.warning("the judgement of run %r could not be used: %s", record.run_id, "; ".join(problems))
        return None

    def _read_input(self, record: RunRecord) -> LearningInput | None:
        """``None``: the run was deleted meanwhile."""
        try:
            trajectory = self._store.get_trajectory(record.project_id, record.run_id)
        except NotFound:
            return None
        return LearningInput(
            task=strip_notes(record.task),
            trajectory=without_notes(trajectory),
            result=ReviewResult.FAIL,  # not known, and not shown
            reference_context=record.reference_context,
        )

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run_pending()
            except Exception:  # noqa: BLE001 - a store that fails must not end the judge for good
                if not self._stopping.is_set():
                    _log.exception("the judge could not go on; it will try again")
            self._stopping.wait(_IDLE_SECONDS)
