"""The judge: a half-weight verdict on runs nobody reviews, and never a word against people."""

import json
from dataclasses import replace

import pytest

from reflect_otel.errors import TransportError
from reflect_otel.learning.judge import MAX_TRIES, WINDOW_SECONDS, Judge
from reflect_otel.learning.model_caller import ModelCaller
from reflect_otel.learning.prompts import build_judge_prompt
from reflect_otel.model.model_call import CallPurpose, ModelLimits
from reflect_otel.model.reflection import LearningInput
from reflect_otel.model.review import ReviewResult, ReviewSource
from reflect_otel.model.spans import RunState
from tests.scripted_llm import ScriptedLLM, error, text

from .hostile_lessons import HOSTILE_LESSONS
from .learning_world import PROJECT
from .model_world import REFUND, ModelWorld, agent_run

DELAY_SECONDS = 30.0


def verdict(result="pass", score=0.9, **changes):
    fields = {"result": result, "score": score, "reason": "The refund call failed.", "evidence_steps": [1]}
    return text(json.dumps({**fields, **changes}))


@pytest.fixture
def build(monkeypatch):
    opened = []

    def build_judged(script, **options):
        llm = ScriptedLLM(script)
        opened.append(llm)
        world = ModelWorld(llm, monkeypatch, **options)
        world.reviewed = []
        world.judge = Judge(
            world.store, world.caller, world.clock, lambda *key: world.reviewed.append(key), DELAY_SECONDS
        )
        return world

    yield build_judged
    for llm in opened:
        llm.close()


def finished_run(world, run_id="r1", **fields):
    world.run(run_id, REFUND, trajectory=agent_run(), **fields)
    world.clock.advance(DELAY_SECONDS + 1)


def test_an_unreviewed_run_gets_a_review_of_source_llm(build):
    world = build([verdict("fail", 0.25)])
    finished_run(world)
    assert world.judge.run_pending() == 1
    (review,) = world.detail("r1").reviews
    assert (review.result, review.score, review.source) == (ReviewResult.FAIL, 0.25, ReviewSource.LLM)
    assert (review.name, review.identifier, review.feedback) == ("judge", "gpt-test", "The refund call failed.")
    assert world.reviewed == [(PROJECT, "r1")]
    assert world.judge.run_pending() == 0


def test_the_judge_sees_the_run_and_the_reference_but_no_outcome(build):
    world = build([verdict()])
    finished_run(world, reference_context="The order may not be refunded. sk-abcdefghijklmnopqrstuvwx1234")
    world.judge.run_pending()
    said = world.llm.requests[0]["messages"][1]["content"]
    assert "reference material: The order may not be refunded." in said
    assert "sk-abc" not in said
    assert "step 1 | error of refund" in said
    assert "outcome" not in said


def test_a_person_or_program_goes_first_and_is_never_contradicted(build):
    world = build([verdict("pass", 1.0)])
    finished_run(world)
    world.review("r1", "fail")
    assert world.judge.run_pending() == 0
    assert world.llm.requests == []


def test_a_review_that_comes_while_the_judge_thinks_stands_alone(build):
    world = build(lambda request: world.review("r1", "fail") and verdict("pass", 1.0))
    finished_run(world)
    assert world.judge.run_pending() == 0
    assert [review.source for review in world.detail("r1").reviews] == [ReviewSource.HUMAN]


def test_a_person_who_comes_later_outweighs_the_judge(build):
    def script(request):
        return verdict("pass", 1.0) if "verdict" in str(request["messages"]) else text("{}")

    world = build(script)
    memory = world.learn("before", REFUND, "fail", "Look up the order first.")
    finished_run(world, served=[memory.id])
    world.judge.run_pending()
    world.loop.run_pending()
    assert world.store.find_utility_events(PROJECT, run_id="r1")[0].reward == 1.0
    world.review("r1", "fail")
    world.loop.run_pending()
    assert world.store.find_utility_events(PROJECT, run_id="r1")[0].reward == pytest.approx(1 / 3)
    assert world.created("r1").success is False


def test_runs_that_are_open_fresh_or_of_another_day_are_left_alone(build):
    world = build([verdict()])
    world.run("old", REFUND, trajectory=agent_run())
    world.clock.advance(WINDOW_SECONDS + 1)
    world.run("open", REFUND, state=RunState.OPEN)
    world.clock.advance(DELAY_SECONDS + 1)
    world.run("fresh", REFUND, trajectory=agent_run())
    assert world.judge.run_pending() == 0
    assert world.llm.requests == []


@pytest.mark.parametrize(
    "bad",
    [
        text("pass"),
        verdict(score=7),
        verdict("pass", 0.1),
        verdict(evidence_steps=[99]),
        verdict(reason=""),
        verdict("maybe"),
        verdict(reason="x" * 500),
    ],
)
def test_an_unusable_verdict_is_repaired_once_and_else_given_up(build, bad):
    world = build([bad, verdict()])
    finished_run(world)
    assert world.judge.run_pending() == 1
    world = build([bad])
    finished_run(world)
    assert (world.judge.run_pending(), world.judge.run_pending()) == (0, 0)
    assert len(world.llm.requests) == 2
    assert world.detail("r1").reviews == ()


def test_a_judge_who_cannot_tell_says_nothing(build):
    world = build([verdict("unknown")])
    finished_run(world)
    assert (world.judge.run_pending(), world.judge.run_pending(), len(world.llm.requests)) == (0, 0, 1)
    assert world.detail("r1").reviews == ()


def test_an_endpoint_that_does_not_answer_is_asked_a_few_times_only(build):
    world = build([error(500, "oops")])
    finished_run(world)
    for _ in range(20):
        world.judge.run_pending()
        world.clock.advance(100)
    assert len(world.llm.requests) == MAX_TRIES


def test_a_run_that_is_deleted_meanwhile_does_not_hold_up_the_others(build, caplog):
    world = build([verdict()])
    finished_run(world, "r1")
    finished_run(world, "r2")
    get_trajectory, asked = world.store.get_trajectory, []

    def delete_first(project_id, run_id):
        if not asked:
            world.store.delete_runs(project_id, [run_id])
        asked.append(run_id)
        return get_trajectory(project_id, run_id)

    world.store.get_trajectory = delete_first
    assert world.judge.run_pending() == 1
    assert world.reviewed == [(PROJECT, asked[1])]
    assert caplog.records == []


def test_what_an_endpoint_says_is_not_told_as_its_own_cause(build):
    world = build([error(500, "oops")])
    lesson = LearningInput(task=REFUND, trajectory=agent_run(), result=ReviewResult.FAIL)
    prompt = build_judge_prompt(lesson, "data-1")
    with pytest.raises(TransportError) as caught:
        world.caller.ask(PROJECT, "r1", CallPurpose.JUDGEMENT, prompt)
    assert caught.value.__cause__ is not caught.value


def test_a_spent_budget_stops_the_judge(build):
    world = build([verdict()], limits=ModelLimits(daily_tokens=100))
    finished_run(world)
    assert world.judge.run_pending() == 0
    assert world.llm.requests == []


def test_a_project_without_budget_does_not_hold_up_the_others_and_is_logged_once(build, caplog):
    world = build([verdict()])
    for number in range(50):
        world.run(f"r{number}", REFUND, trajectory=agent_run())
    other = replace(world.detail("r0").record, project_id="rich", run_id="theirs", last_seen_ns=world.clock())
    world.store.write_runs([(other, agent_run())])
    world.clock.advance(DELAY_SECONDS + 1)
    limits = ModelLimits(input_usd=1.0, output_usd=1.0)
    caller = ModelCaller(world.caller.model, world.store, limits, world.clock, {PROJECT: 0.0}.get)
    judge = Judge(world.store, caller, world.clock, lambda *key: world.reviewed.append(key), DELAY_SECONDS)
    for _ in range(4):
        judge.run_pending()
    assert world.reviewed == [("rich", "theirs")]
    assert len(caplog.records) == 1
    assert "budget" in caplog.records[0].message


def test_no_text_of_a_run_leaves_the_fence_or_speaks_as_somebody_else(build):
    world = build([verdict("fail", 0.0)])
    planted = [text for texts in HOSTILE_LESSONS.values() for text in texts][:100]
    for number, words in enumerate(planted):
        world.run(f"r{number}", words, trajectory=agent_run(words, order=words))
    world.clock.advance(DELAY_SECONDS + 1)
    while world.judge.run_pending():
        pass
    assert len(world.llm.requests) == len(planted)
    for request in world.llm.requests:
        assert [message["role"] for message in request["messages"]] == ["system", "user"]
        lines = request["messages"][1]["content"].splitlines()
        assert [number for number, line in enumerate(lines) if line == lines[0]] == [0, len(lines) - 1]
        assert not [line for line in lines if line.lower().lstrip().startswith(("system:", "assistant:", "<|"))]


def test_the_thread_judges_and_stops(build):
    world = build([verdict()])
    finished_run(world)
    world.judge.start()
    world.judge.stop(10)
    assert len(world.reviewed) <= 1
