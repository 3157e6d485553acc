"""The part of the ``Store`` suite about reviews and the learning jobs they queue."""

from dataclasses import replace
from typing import Any

import pytest

from reflect_otel.attributes import GEN_AI_RESPONSE_ID
from reflect_otel.errors import NotFound
from reflect_otel.model.review import Review, ReviewResult, ReviewSignal, ReviewSource
from reflect_otel.ports import LearningOutcome, RunFilter, Store
from reflect_otel.testing.conformance.store_case import (
    OTHER_PROJECT,
    OTHER_TRACE,
    PROJECT,
    TRACE,
    StoreCase,
    build_batch,
    build_review,
    build_run,
    build_span,
    claim,
    reopened,
    write_run,
)

_FAIL = ReviewResult.FAIL


class ReviewConformance(StoreCase):
    """A review reaches its run however it is named, once; a changed one is learned from again."""

    @pytest.mark.parametrize(
        "signal",
        [
            ReviewSignal(review=build_review(), run_id="r"),
            ReviewSignal(review=build_review(), run_id=TRACE.hex()),
            ReviewSignal(review=build_review(), trace_id=TRACE),
            ReviewSignal(review=build_review(), response_id="resp-1"),
            ReviewSignal(review=build_review(), response_id="unknown", trace_id=TRACE),
        ],
        ids=["run id", "trace id as run id", "trace id", "response id", "trace id behind an unknown response"],
    )
    @pytest.mark.parametrize("order", ["review last", "review first", "together"])
    def test_a_review_in_telemetry_finds_its_run(self, store: Store, signal: ReviewSignal, order: str) -> None:
        """By every kind of name, before, after and with the run's spans."""
        span = build_span(1, attributes={GEN_AI_RESPONSE_ID: "resp-1"})
        telemetry: dict[str, Any] = {"spans": [span], "joined": [(TRACE, "r")], "runs": [build_run("r")]}
        if order == "together":
            store.write_telemetry(build_batch(1, **telemetry, signals=[signal]))
        elif order == "review first":
            store.write_telemetry(build_batch(1, signals=[signal]))
            assert claim(store) is None
            store.write_telemetry(build_batch(2, **telemetry))
        else:
            store.write_telemetry(build_batch(1, **telemetry))
            store.write_telemetry(build_batch(2, signals=[signal]))
        assert _reviews(store, "r") == (build_review(),)

    def test_the_response_id_goes_before_the_trace_id(self, store: Store) -> None:
        """An evaluator's event often stands in the evaluator's own trace."""
        evaluator = bytes(15) + b"\7"
        write_run(store, "evaluator", evaluator)
        span = build_span(1, attributes={GEN_AI_RESPONSE_ID: "resp-1"})
        signal = ReviewSignal(review=build_review(), response_id="resp-1", trace_id=evaluator)
        store.write_telemetry(
            build_batch(9, spans=[span], joined=[(TRACE, "r")], runs=[build_run("r")], signals=[signal])
        )
        assert _reviews(store, "r") == (build_review(),)
        assert _reviews(store, "evaluator") == ()

    def test_a_review_waits_only_for_its_own_project(self, store: Store) -> None:
        """A run of another project with the same ids does not get it."""
        store.write_telemetry(build_batch(1, signals=[ReviewSignal(review=build_review(), trace_id=TRACE)]))
        write_run(store, "r", project_id=OTHER_PROJECT)
        found = store.find_run(OTHER_PROJECT, "r")
        assert found is not None
        assert found.reviews == ()
        write_run(store, "r")
        assert _reviews(store, "r") == (build_review(),)

    def test_a_repeated_review_changes_nothing(self, store: Store) -> None:
        """The time of sending is not part of what a review says."""
        write_run(store, "r")
        assert store.write_review(PROJECT, "r", build_review(created_ns=1))
        assert not store.write_review(PROJECT, "r", build_review(created_ns=2))
        _learn(store)
        assert not store.write_review(PROJECT, "r", build_review(created_ns=3))
        signal = ReviewSignal(review=build_review(created_ns=4), run_id="r")
        store.write_telemetry(build_batch(5, signals=[signal, signal]))
        assert claim(store) is None

    @pytest.mark.parametrize(
        "changed",
        [build_review(_FAIL), build_review(score=0.5), build_review(feedback="late"), build_review(alpha=0.2)],
        ids=["result", "score", "feedback", "alpha"],
    )
    def test_a_changed_review_is_learned_from_again(self, store: Store, changed: Review) -> None:
        """It replaces the one of its key."""
        write_run(store, "r")
        store.write_review(PROJECT, "r", build_review())
        _learn(store)
        assert store.write_review(PROJECT, "r", changed)
        assert _reviews(store, "r") == (changed,)
        assert claim(store) is not None

    def test_a_withdrawn_review_is_gone_and_learned_from_again(self, store: Store) -> None:
        """Taking it back again changes nothing; other reviews stand; a new one of the key stands anew."""
        write_run(store, "r")
        stays = build_review(identifier="ada")
        for review in (build_review(created_ns=1), stays):
            store.write_review(PROJECT, "r", review)
        _learn(store)
        assert store.write_withdrawal(PROJECT, "r", build_review().key)
        assert _reviews(store, "r") == (stays,)
        assert not _is_learned(store)
        _learn(store)
        assert not store.write_withdrawal(PROJECT, "r", build_review().key)
        assert claim(store) is None
        assert store.write_review(PROJECT, "r", build_review(_FAIL, created_ns=9))
        assert set(_reviews(store, "r")) == {stays, build_review(_FAIL, created_ns=9)}
        assert claim(store) is not None

    def test_a_run_without_a_review_that_stands_is_pending(self, store: Store) -> None:
        """In the detail and in the list."""
        write_run(store, "r")
        store.write_review(PROJECT, "r", build_review())
        store.write_withdrawal(PROJECT, "r", build_review().key)
        _learn(store)
        assert _is_learned(store)
        for status, found in (("pending", ["r"]), ("reviewed", [])):
            details = store.find_runs(PROJECT, RunFilter(review_status=status), 9)
            assert [detail.record.run_id for detail in details] == found

    def test_what_was_never_there_cannot_be_withdrawn(self, store: Store) -> None:
        """An unknown run, another project's, and a key without a review; the error names those there are."""
        write_run(store, "r")
        store.write_review(PROJECT, "r", build_review(identifier="ada"))
        for project_id, run_id in ((PROJECT, "none"), (OTHER_PROJECT, "r")):
            with pytest.raises(NotFound):
                store.write_withdrawal(project_id, run_id, build_review(identifier="ada").key)
        with pytest.raises(NotFound, match="ada"):
            store.write_withdrawal(PROJECT, "r", build_review(identifier="bob").key)

    @pytest.mark.parametrize("order", ["one by one", "together", "before the run"])
    def test_a_withdrawal_in_telemetry_counts_in_order_of_arrival(self, store: Store, order: str) -> None:
        """What is sent again of the withdrawn review changes nothing; a later one of its key does."""
        given = ReviewSignal(review=build_review(created_ns=5), run_id="r")
        taken = replace(given, review=build_review(_FAIL, created_ns=6), withdrawn=True)
        if order == "before the run":
            store.write_telemetry(build_batch(1, signals=[given]))
            store.write_telemetry(build_batch(2, signals=[taken, taken]))
        write_run(store, "r")
        at = store.journal_offset()
        if order == "together":
            store.write_telemetry(build_batch(at + 1, signals=[given, taken]))
        elif order == "one by one":
            store.write_telemetry(build_batch(at + 1, signals=[given]))
            store.write_telemetry(build_batch(at + 2, signals=[taken]))
        assert _reviews(store, "r") == ()
        store.write_telemetry(build_batch(at + 3, signals=[given, taken]))
        assert _reviews(store, "r") == ()
        later = replace(given, review=build_review(created_ns=8))
        store.write_telemetry(build_batch(at + 4, signals=[later]))
        assert _reviews(store, "r") == (later.review,)

    @pytest.mark.parametrize("by_call", [True, False], ids=["changed by a call", "changed by telemetry"])
    @pytest.mark.parametrize("first", ["given", "withdrawn"])
    def test_what_is_sent_again_does_not_undo_a_newer_word(self, store: Store, first: str, by_call: bool) -> None:
        """A verdict that was changed stays so; one given anew is not withdrawn again, wherever the clocks stand."""
        write_run(store, "r")
        given = ReviewSignal(review=build_review(created_ns=50), run_id="r")
        sent = [given]
        if first == "withdrawn":
            sent.append(replace(given, review=build_review(created_ns=60), withdrawn=True))
        store.write_telemetry(build_batch(store.journal_offset() + 1, signals=sent))
        if by_call:
            store.write_review(PROJECT, "r", build_review(_FAIL, created_ns=40 if first == "given" else 70))
        else:
            changed = replace(given, review=build_review(_FAIL, created_ns=70))
            store.write_telemetry(build_batch(store.journal_offset() + 1, signals=[changed]))
        _learn(store)
        store.write_telemetry(build_batch(store.journal_offset() + 1, signals=sent))
        assert [review.result for review in _reviews(store, "r")] == [_FAIL]
        assert claim(store) is None

    def test_a_word_from_the_end_of_time_can_still_be_changed(self, store: Store) -> None:
        """Senders' clocks may say anything; the next word is stored all the same."""
        write_run(store, "r")
        first = ReviewSignal(review=build_review(created_ns=2**63 - 1), run_id="r")
        changed = replace(first, review=build_review(_FAIL, created_ns=2**63 - 1))
        store.write_telemetry(build_batch(store.journal_offset() + 1, signals=[first, changed]))
        assert [review.result for review in _reviews(store, "r")] == [_FAIL]
        assert store.write_review(PROJECT, "r", build_review(created_ns=5))

    def test_a_withdrawal_follows_a_run_that_gets_a_name(self, store: Store) -> None:
        """What telemetry repeats of it changes nothing under the new name either; a later word does."""
        write_run(store)
        for identifier in ("", "ada"):
            store.write_review(PROJECT, TRACE.hex(), build_review(identifier=identifier, created_ns=5))
        store.write_withdrawal(PROJECT, TRACE.hex(), build_review().key)
        write_run(store, "named")
        assert _reviews(store, "named") == (build_review(identifier="ada", created_ns=5),)
        assert not store.write_withdrawal(PROJECT, "named", build_review().key)
        repeated = ReviewSignal(review=build_review(created_ns=5), run_id="named")
        store.write_telemetry(build_batch(store.journal_offset() + 1, signals=[repeated]))
        assert len(_reviews(store, "named")) == 1
        later = replace(repeated, review=build_review(_FAIL, created_ns=6))
        store.write_telemetry(build_batch(store.journal_offset() + 1, signals=[later]))
        assert set(_reviews(store, "named")) == {later.review, build_review(identifier="ada", created_ns=5)}

    def test_a_review_withdrawn_from_a_named_run_does_not_come_back_with_its_trace(self, store: Store) -> None:
        """The trace was reviewed under its own id before it was known to be part of the run."""
        write_run(store, "named", OTHER_TRACE)
        store.write_review(PROJECT, "named", build_review(created_ns=5))
        store.write_withdrawal(PROJECT, "named", build_review().key)
        write_run(store)
        store.write_review(PROJECT, TRACE.hex(), build_review(created_ns=4))
        write_run(store, "named")
        assert _reviews(store, "named") == ()

    def test_reviewers_and_evaluations_are_told_apart(self, store: Store) -> None:
        """The key is (name, source, identifier); the oldest comes first."""
        write_run(store, "r")
        reviews = (
            build_review(_FAIL, source=ReviewSource.LLM, score=0.25, feedback="ö", alpha=0.1, created_ns=9),
            build_review(created_ns=8),
            build_review(identifier="ada", created_ns=7),
            build_review(name="tone", created_ns=6),
        )
        for review in reviews:
            assert store.write_review(PROJECT, "r", review)
        assert _reviews(store, "r") == reviews

    def test_reviews_follow_a_trace_into_its_named_run(self, store: Store) -> None:
        """And the named run is learned from in place of the default one."""
        write_run(store)
        store.write_review(PROJECT, TRACE.hex(), build_review())
        store.write_telemetry(build_batch(7, joined=[(TRACE, "named")], runs=[build_run("named")]))
        assert _reviews(store, "named") == (build_review(),)
        job = claim(store)
        assert job is not None
        assert job.run_id == "named"
        assert store.write_learning(LearningOutcome(job=job))
        assert claim(store) is None

    def test_a_review_of_an_unknown_run_is_refused(self, store: Store) -> None:
        """Also of another project's run."""
        write_run(store, "r")
        for project_id, run_id in ((PROJECT, "none"), (OTHER_PROJECT, "r")):
            with pytest.raises(NotFound):
                store.write_review(project_id, run_id, build_review())

    def test_only_closed_runs_are_learned_from(self, store: Store) -> None:
        """A review of an open run waits until it closes."""
        record = build_run("r")
        store.write_runs([(reopened(record), None)])
        store.write_review(PROJECT, "r", build_review())
        assert claim(store) is None
        store.write_runs([(record, None)])
        assert claim(store) is not None

    def test_a_claimed_job_stays_until_its_outcome_is_written(self, store: Store) -> None:
        """So that a crash in between repeats the work; ``learned`` tells when it is done."""
        write_run(store, "r")
        store.write_review(PROJECT, "r", build_review())
        assert claim(store) == claim(store)
        assert not _is_learned(store)
        _learn(store)
        assert _is_learned(store)
        assert claim(store) is None

    def test_an_outcome_of_reviews_that_have_changed_is_refused(self, store: Store) -> None:
        """The job stays queued, and nothing of the outcome is kept."""
        write_run(store, "r")
        store.write_review(PROJECT, "r", build_review())
        job = claim(store)
        assert job is not None
        store.write_review(PROJECT, "r", build_review(_FAIL))
        assert not store.write_learning(LearningOutcome(job=job))
        assert not _is_learned(store)
        _learn(store)
        assert _is_learned(store)

    def test_failures_are_counted_and_told_and_put_a_job_behind_the_others(self, store: Store) -> None:
        """A job that fails must not hold up those that have not been tried."""
        for run_id in ("r", "s"):
            store.write_runs([(build_run(run_id), None)])
            store.write_review(PROJECT, run_id, build_review())
        job = claim(store)
        assert job is not None
        store.write_job_failure(job, "no answer", park=False)
        detail = store.find_run(PROJECT, job.run_id)
        assert detail is not None
        assert (detail.attempts, detail.last_error, detail.learned) == (1, "no answer", False)
        following = claim(store)
        assert following is not None
        assert following.run_id != job.run_id
        assert store.write_learning(LearningOutcome(job=following))
        assert claim(store) == replace(job, attempts=1, last_error="no answer")

    def test_a_parked_job_rests_until_the_run_is_reviewed_again(self, store: Store) -> None:
        """The new review starts over with no failures."""
        write_run(store, "r")
        store.write_review(PROJECT, "r", build_review())
        job = claim(store)
        assert job is not None
        store.write_job_failure(job, "refused", park=True)
        assert claim(store) is None
        store.write_review(PROJECT, "r", build_review(feedback="please"))
        assert claim(store) == job


def _learn(store: Store) -> None:
    job = claim(store)
    assert job is not None
    assert store.write_learning(LearningOutcome(job=job))


def _is_learned(store: Store) -> bool:
    detail = store.find_run(PROJECT, "r")
    assert detail is not None
    return detail.learned


def _reviews(store: Store, run_id: str) -> tuple[Review, ...]:
    detail = store.find_run(PROJECT, run_id)
    assert detail is not None
    return tuple(detail.reviews)
