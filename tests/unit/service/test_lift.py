"""Lift over the real parts: counted from verdicts as they are, and serving stops when memories harm."""

import logging

import pytest

from reflect_otel.errors import InvalidArgument
from reflect_otel.learning.harm import HARM_LIMIT
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.model.lift import LiftConclusion
from reflect_otel.model.memory import RetrievalOptions
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.trace import TraceDraft
from tests.unit.service.backend import CHAT, TASK

PROJECT = "shop"


@pytest.fixture
def shop(backend):
    backend.operations.create_memory(PROJECT, task=TASK, reflection="Ask for the order number first.")
    backend.operations.projects.update_settings(PROJECT, {"control_share": 0.5, "max_injected": 1})
    return backend


def play(backend, number, result_of, agent=None):
    """One run of an agent whose success depends on whether it was served memories; its verdict is learned."""
    run_id = f"run-{number}"
    backend.clock.advance(1)
    augmented = backend.operations.augment(PROJECT, TASK, RetrievalOptions(lambda_=1.0), run_id=run_id)
    review = Review(result=ReviewResult(result_of(augmented)), score=None, created_ns=backend.clock())
    draft = TraceDraft(run_id=run_id, task=TASK, messages=CHAT, review=review, agent=agent)
    backend.operations.create_trace(PROJECT, draft)
    backend.loop.run_pending()
    return augmented


def harmed(augmented):
    return "fail" if augmented.memories else "pass"


def helped(augmented):
    return "pass" if augmented.memories else "fail"


def get_lift(backend, **only):
    return backend.operations.projects.get_lift(PROJECT, **only)


def play_until_stopped(backend, first=0, most=200):
    for number in range(first, first + most):
        if play(backend, number, harmed).serving_stopped_reason:
            return number
    raise AssertionError("serving went on")


def test_a_project_without_runs_knows_nothing(shop):
    report = get_lift(shop)
    assert (report.project.difference, report.project.conclusion) == (None, LiftConclusion.UNKNOWN)
    assert (report.agents, report.memories, report.control_share) == ((), (), 0.5)
    assert report.harm_evidence == pytest.approx(1.0)


def test_memories_that_help_are_said_to_help_and_serving_goes_on(shop):
    sides = [play(shop, number, helped).control for number in range(40)]
    report = get_lift(shop)
    assert report.project.conclusion is LiftConclusion.HELPS
    assert (report.project.without_memory.runs, report.project.with_memory.runs) == (sum(sides), 40 - sum(sides))
    assert (report.project.difference, report.project.with_memory.mean_reward) == (1.0, 1.0)
    assert report.memories[0].subject in {memory.id for memory in shop.operations.list_memories(PROJECT).items}
    assert report.harm_evidence < 1.0
    assert not report.serving_stopped_reason


def test_memories_that_harm_are_no_longer_served_and_it_is_said_once(shop, caplog):
    with caplog.at_level(logging.WARNING, "reflect_otel.learning.harm_guard"):
        stopped_at = play_until_stopped(shop)
        noted = len(shop.intake.served)
        for number in range(stopped_at + 1, stopped_at + 6):
            assert play(shop, number, harmed).augmented_task == TASK
    assert len(caplog.records) == 1
    assert "passed less often" in caplog.text
    assert len(shop.intake.served) == noted
    report = get_lift(shop)
    assert report.project.conclusion is LiftConclusion.HARMS
    assert report.harm_evidence >= HARM_LIMIT
    assert "passed less often" in report.serving_stopped_reason
    assert report.serving_stopped_ns > 0


def test_a_stop_outlives_a_restart_and_after_resuming_the_evidence_begins_anew(shop):
    stopped_at = play_until_stopped(shop)
    assert not ProjectSettingsTable(shop.store).find(PROJECT).serving
    shop.operations.projects.update_settings(PROJECT, {"serving": True})
    report = get_lift(shop)
    assert (report.project.with_memory.runs, report.serving_stopped_reason) == (0, "")
    assert get_lift(shop, since_ns=0).project.conclusion is LiftConclusion.HARMS
    for number in range(stopped_at + 1, stopped_at + 4):
        assert not play(shop, number, harmed).serving_stopped_reason
    assert play_until_stopped(shop, stopped_at + 4) > stopped_at + 4


def test_a_project_that_does_not_want_to_be_stopped_is_not(shop):
    shop.operations.projects.update_settings(PROJECT, {"stop_on_harm": False})
    for number in range(60):
        assert not play(shop, number, harmed).serving_stopped_reason
    assert get_lift(shop).harm_evidence >= HARM_LIMIT


def test_without_a_control_share_nothing_is_ever_judged(shop):
    for number in range(20):
        play(shop, number, harmed)
    shop.operations.projects.update_settings(PROJECT, {"serving": True, "control_share": 0.0})
    before = get_lift(shop).project
    for number in range(20, 60):
        play(shop, number, harmed)
    assert get_lift(shop).project == before


def test_changed_and_withdrawn_reviews_count_as_they_are(shop):
    for number in range(10):
        play(shop, number, helped)
    passes = get_lift(shop).project.with_memory.passes
    served = next(
        f"run-{n}" for n in range(10) if shop.operations.get_trace(PROJECT, f"run-{n}").retrieved_memory_ids
    )
    shop.operations.review_trace(PROJECT, served, Review(result=ReviewResult.FAIL))
    lift = get_lift(shop).project
    assert (lift.with_memory.passes, lift.with_memory.reviewed) == (passes - 1, passes)
    assert shop.operations.delete_traces(PROJECT, [served]) == 1
    assert get_lift(shop).project.with_memory.runs == passes - 1


def test_agents_are_compared_apart_and_can_be_asked_for_alone(shop):
    for number in range(20):
        play(shop, number, helped, agent="support")
        play(shop, 100 + number, harmed, agent="sales")
    found = {lift.subject: lift.difference for lift in get_lift(shop).agents}
    assert found == {"support": 1.0, "sales": -1.0}
    assert get_lift(shop, agent="support").project.difference == 1.0
    assert [lift.subject for lift in get_lift(shop, agent="sales").agents] == ["sales"]


def test_a_memory_can_be_asked_for_alone(shop):
    for number in range(20):
        play(shop, number, helped)
    (memory, *_) = get_lift(shop).memories
    alone = get_lift(shop, memory_id=memory.subject)
    assert [lift.subject for lift in alone.memories] == [memory.subject]
    assert alone.project.with_memory == memory.with_memory
    assert get_lift(shop, memory_id="nobody").project.with_memory.runs == 0


@pytest.mark.parametrize("half_width", [0.0, 1.0, -1.0, float("nan")])
def test_a_half_width_out_of_range_is_refused(shop, half_width):
    with pytest.raises(InvalidArgument) as refused:
        get_lift(shop, half_width=half_width)
    assert refused.value.field == "half_width"


def test_a_store_that_fails_while_harm_is_judged_does_not_fail_the_learning(shop, monkeypatch, caplog):
    def fail(*_arguments, **_options):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(shop.store, "find_arm_counts", fail)
    play(shop, 1, helped)
    assert shop.operations.get_trace(PROJECT, "run-1").review_status == "reviewed"
    assert "disk on fire" in caplog.text
