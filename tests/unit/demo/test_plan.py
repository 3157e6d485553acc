"""The demo's plan: nothing of the held-out task is sent, all else once, outcomes travel in both ways."""

import pytest

from collector_plugin.demo.plan import HELD_OUT_TASK, add_review, build_plan
from collector_plugin.demo.recordings import find_data_dir, read_recordings
from reflect_otel import attributes
from reflect_otel.model.review import ReviewResult


@pytest.fixture(scope="module")
def agent_runs():
    return read_recordings(find_data_dir()).agent_runs


def test_every_run_but_the_held_out_task_is_sent_once(agent_runs):
    plan = build_plan(agent_runs)
    sent = [run.outcome.conversation_id for run in [*plan.first, *plan.later]]
    assert len(sent) == len(set(sent))
    kept_back = {run.outcome.conversation_id for run in agent_runs} - set(sent)
    assert kept_back == {run.outcome.conversation_id for run in agent_runs if run.outcome.task_id == HELD_OUT_TASK}
    assert plan.held_out.outcome.task_id == HELD_OUT_TASK


def test_no_task_is_tried_later_before_it_was_tried_first(agent_runs):
    plan = build_plan(agent_runs)
    assert {run.outcome.task_id for run in plan.later} == {run.outcome.task_id for run in plan.first}
    for runs in plan.rounds:
        assert len({run.outcome.task_id for run in runs}) == len(runs)


def test_an_outcome_is_a_span_attribute_or_an_evaluation_event_and_never_both(agent_runs):
    failed = next(run for run in agent_runs if run.outcome.result is ReviewResult.FAIL)

    as_attribute = add_review(failed, 0)
    reviewed = [span for span in as_attribute.spans if attributes.REFLECT_REVIEW_RESULT in span.attributes]
    assert [span.parent_span_id for span in reviewed] == [None]
    assert reviewed[0].attributes[attributes.REFLECT_REVIEW_FEEDBACK] == failed.outcome.feedback
    assert as_attribute.logs == []

    as_event = add_review(failed, 1)
    assert as_event.spans == failed.telemetry.spans
    (event,) = as_event.logs
    assert event.event_name == attributes.GEN_AI_EVALUATION_RESULT_EVENT
    assert event.attributes[attributes.GEN_AI_EVALUATION_SCORE_LABEL] == "fail"


def test_feedback_says_what_differs_from_the_reference_and_names_no_customer(agent_runs):
    feedback = {run.outcome.conversation_id: run.outcome.feedback for run in agent_runs}
    assert feedback["tau-airline/31/1"] == "It called cancel_reservation with a wrong reservation_id."
    assert feedback["tau-airline/31/0"] is None
    assert not any(character.isdigit() for text in feedback.values() if text for character in text)
