"""The offline reflector: specific where the run allows, silent where it shows nothing, the same bytes each time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector_plugin.demo.recordings import find_data_dir, read_recordings
from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.model.memory import MemoryKind
from reflect_otel.model.notes import NOTES_START
from reflect_otel.model.reflection import FailedRun, LearningInput
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.spans import Run
from reflect_otel.model.trajectory import (
    ExecutionMetrics,
    Message,
    MessagePrefix,
    Role,
    Step,
    TerminationReason,
    ToolCall,
    ToolResponse,
    Trajectory,
)
from reflect_otel.providers.offline import LONGEST_TEXT, OfflineReflector
from reflect_otel.providers.tool_facts import Effect, read_calls, read_effect, read_error

PASS, FAIL = ReviewResult.PASS, ReviewResult.FAIL
TASK = "Hi! Please book the cheapest flight for Anna Smith, order #A17."


def user(text):
    return [Message(role=Role.USER, content=text)]


def says(text):
    return [Message(role=Role.ASSISTANT, content=text)]


def calls(name, answer="ok", call_id="c", /, **arguments):
    asked = Message(role=Role.ASSISTANT, tool_calls=(ToolCall(name=name, arguments=arguments, id=call_id),))
    error = answer if isinstance(answer, str) and answer.startswith("!") else None
    told = ToolResponse(id=call_id, name=name, response=None if error else answer, error=error and error[1:])
    return [asked, Message(role=Role.TOOL, tool_response=told)]


def trajectory(*parts, **fields):
    messages = tuple(message for part in parts for message in part)
    ends = [i + 1 for i, message in enumerate(messages) if message.role is Role.ASSISTANT]
    steps = tuple(Step(messages=MessagePrefix(messages, end)) for end in ends)
    return Trajectory(messages=messages, steps=steps, **fields)


def reflect(run, result, *, task=TASK, **fields):
    return OfflineReflector().reflect(LearningInput(task=task, trajectory=run, result=result, **fields))


ASKED = user(TASK)


# --- specific -------------------------------------------------------------------------------------------


def test_a_failure_names_the_tool_that_kept_failing_and_how():
    run = trajectory(
        ASKED, calls("find_user", "!user 4711 not found", name="x"), calls("find_user", "!user 4712 not found")
    )
    text = reflect(run, FAIL).text
    assert "find_user failed 2 times with “user … not found” and never worked" in text


def test_a_recovery_names_the_error_the_changed_argument_and_what_helped_in_between():
    run = trajectory(
        ASKED,
        calls("book", "!price is 375, but paid 299", amount=299, seat="1A"),
        calls("calculate", "375"),
        calls("book", amount=375, seat="1A"),
    )
    for result in (PASS, FAIL):
        text = reflect(run, result).text
        assert "If book gives “price is …, but paid …”, first use calculate, then call it with other amount" in text


def test_another_tool_that_worked_at_once_is_named_as_the_way_out():
    run = trajectory(ASKED, calls("find_by_email", "!none"), calls("find_by_name"), calls("book_flight"))
    assert "If find_by_email gives “none”, find_by_name worked instead." in reflect(run, PASS).text


def test_a_pass_tells_the_order_of_the_tools_and_the_check_before_acting():
    run = trajectory(ASKED, calls("get_fares"), says("Book it?"), user("yes"), calls("book_flight"), says("Done."))
    lesson = reflect(run, PASS)
    assert lesson.kind is MemoryKind.STRATEGY
    assert "what worked was get_fares, then book_flight." in lesson.text
    assert "have the user confirm the details right before book_flight" in lesson.text


def test_a_failure_that_acted_without_asking_says_so():
    run = trajectory(ASKED, calls("get_fares"), calls("book_flight"), says("Done."))
    lesson = reflect(run, FAIL)
    assert lesson.kind is MemoryKind.PITFALL
    assert "book_flight ran without the user confirming it right before" in lesson.text


def test_a_failure_that_acted_as_agreed_says_what_to_compare():
    run = trajectory(ASKED, calls("get_fares"), says("Book it?"), user("yes"), calls("book_flight"), says("Done."))
    assert "the user had agreed, so the details were wrong or a part was missing" in reflect(run, FAIL).text


def test_a_failure_that_only_looked_up_gave_up_or_talked_says_so():
    looked = trajectory(ASKED, calls("get_fares"), says("Anything else?"))
    gave_up = trajectory(ASKED, calls("get_fares"), calls("transfer_to_human"))
    talked = trajectory(ASKED, says("I cannot help."))
    assert "only looked things up (get_fares) and changed nothing" in reflect(looked, FAIL).text
    assert "gave up with transfer_to_human after get_fares" in reflect(gave_up, FAIL).text
    assert "called no tool" in reflect(talked, FAIL).text


def test_identical_calls_are_pointed_out():
    run = trajectory(ASKED, *[calls("get_fares", "[]", day="may") for _ in range(4)])
    assert "get_fares was called 4 times with the same arguments" in reflect(run, FAIL).text


def test_the_way_a_run_stopped_is_told():
    cut = trajectory(
        ASKED, calls("get"), execution_metrics=ExecutionMetrics(termination_reason=TerminationReason.MAX_STEPS)
    )
    broken = trajectory(ASKED, calls("get"), error="HTTP 500 from the model")
    assert "it reached the step limit" in reflect(cut, FAIL).text
    assert "ended with “HTTP … from the model”" in reflect(broken, FAIL).text


def test_feedback_comes_first():
    run = trajectory(ASKED, calls("get_fares"))
    text = reflect(run, FAIL, feedback="Missed the return\nflight").text
    assert text.index("the reviewer says: Missed the return flight.") < text.index("get_fares")


def test_evidence_points_to_the_steps_of_the_calls():
    run = trajectory(ASKED, says("Looking."), calls("find", "!none"), calls("find", name="x"), calls("book"))
    assert reflect(run, PASS).evidence_steps == (1,)
    assert reflect(trajectory(ASKED, calls("get"), calls("book")), PASS).evidence_steps == (1,)


# --- contrast -------------------------------------------------------------------------------------------


def contrast(passed, failed, result=PASS):
    return reflect(passed, result, failed_run=FailedRun(run_id="f", trajectory=failed))


def test_a_contrast_names_what_only_the_passed_run_did():
    failed = trajectory(ASKED, says("I cannot."), calls("transfer_to_human"))
    passed = trajectory(ASKED, calls("get_fares"), says("Book it?"), user("yes"), calls("book_flight", amount=1))
    lesson = contrast(passed, failed)
    assert lesson.kind is MemoryKind.CONTRAST
    assert "The passed run used book_flight where the failed one used transfer_to_human." in lesson.text
    assert "The passed run also looked things up with get_fares." in lesson.text


def test_a_contrast_names_the_confirmation_the_arguments_and_the_error_that_was_got_past():
    failed = trajectory(ASKED, calls("find", "!no such user"), calls("book_flight", seats=["1A"]))
    passed = trajectory(
        ASKED, calls("find"), says("Book it?"), user("yes"), calls("book_flight", seats=["1A", "2B"], bags=1)
    )
    text = contrast(passed, failed).text
    assert "The passed run had the user confirm right before book_flight; the failed one did not." in text
    assert "book_flight passed with other seats, bags than in the failed run." in text
    assert "2B" not in text


def test_a_contrast_tells_that_a_part_was_left_out_without_the_number():
    failed = trajectory(ASKED, calls("book_flight", day="a"))
    passed = trajectory(ASKED, calls("book_flight", day="a"), calls("book_flight", "ok", "d", day="b"))
    assert "called book_flight less often than was needed" in contrast(passed, failed).text


def test_runs_without_a_difference_in_their_calls_give_the_plain_lesson():
    run = trajectory(ASKED, calls("get_fares"), calls("book_flight"))
    assert contrast(run, run).kind is MemoryKind.STRATEGY
    assert contrast(run, trajectory(ASKED, calls("other")), FAIL).kind is MemoryKind.PITFALL
    assert contrast(trajectory(ASKED, says("42.")), trajectory(ASKED, says("41."))).kind is MemoryKind.STRATEGY


# --- silent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [trajectory(), trajectory(ASKED)])
@pytest.mark.parametrize("result", [PASS, FAIL])
def test_a_run_that_shows_nothing_teaches_nothing(run, result):
    assert reflect(run, result) is None


def test_a_plain_answer_teaches_that_it_was_enough():
    assert "a direct answer without any tool call was right" in reflect(trajectory(ASKED, says("42.")), PASS).text


def test_a_conversation_without_tools_teaches_what_was_asked_first():
    run = trajectory(ASKED, says("Sure. Which fare class do you want?"), user("economy"), says("Not possible."))
    text = reflect(run, PASS).text
    assert "in 2 answers without any tool call was right, beginning with “Which fare class do you want?”" in text


def test_a_lesson_that_was_served_to_the_run_is_not_drawn_again():
    run = trajectory(ASKED, says("42."))
    assert reflect(run, PASS, served_texts=(reflect(run, PASS).text,)) is None


def test_addresses_and_ids_that_a_reviewer_names_are_left_out():
    run = trajectory(ASKED, says("ok"))
    told = "Order #W5490111 of jo@example.com: see https://x.example/1 for what Q3 missed."
    assert "the reviewer says: Order … of …: see … for what Q3 missed." in reflect(run, FAIL, feedback=told).text


# --- plain ----------------------------------------------------------------------------------------------


def test_values_of_the_one_task_are_left_out():
    text = reflect(trajectory(ASKED, says("ok")), PASS).text
    assert text.startswith("When the task is like “Please book the cheapest flight for …, order …”:")
    mail = "Write to jo@example.com about invoice 2024/17 at https://x.example/y and thank them."
    assert "Write to … about invoice … at … and thank them" in reflect(trajectory(says("ok")), PASS, task=mail).text


def test_served_notes_never_reach_the_lesson():
    task = f"Book a flight\n\n{NOTES_START}\n[M1 strategy, new] Secret recipe.\n[end of notes]"
    lesson = reflect(trajectory(user(task), says("ok")), PASS, task=task, feedback=task)
    assert "Secret recipe" not in lesson.text
    assert "notes" not in lesson.text


ANSWERS = st.one_of(st.text(max_size=80), st.dictionaries(st.text(max_size=8), st.text(max_size=8)), st.none())
PARTS = st.one_of(
    st.text(max_size=60).map(user),
    st.text(max_size=60).map(says),
    st.builds(calls, st.text(max_size=30), ANSWERS, st.sampled_from(["a", "b", ""])),
)


@given(st.lists(PARTS, max_size=12), st.sampled_from(ReviewResult), st.text(max_size=300), st.text(max_size=900))
def test_any_run_gives_a_bounded_single_paragraph_or_nothing_and_the_same_again(parts, result, task, feedback):
    run = trajectory(*parts)
    lesson = reflect(run, result, task=task, feedback=feedback)
    assert lesson == reflect(run, result, task=task, feedback=feedback)
    if lesson is not None:
        assert 0 < len(lesson.text) <= LONGEST_TEXT
        assert len(lesson.text.splitlines()) == 1
        assert (lesson.kind is MemoryKind.STRATEGY) == (result is PASS)
        assert all(step in range(len(run.steps)) for step in lesson.evidence_steps)


HUGE = 100_000


@pytest.mark.parametrize(
    "text",
    ["x" * HUGE, " " * HUGE + "x", "A" * HUGE, "A b " * HUGE, "'message': '" * 10_000, NOTES_START + "\t" * HUGE],
)
@pytest.mark.parametrize("result", [PASS, FAIL])
def test_huge_texts_take_bounded_time(text, result):
    run = trajectory(user(text), says(text), calls("get", f"!{text}"), says(text))
    started = time.perf_counter()
    reflect(run, result, task=text, feedback=text)
    reflect(trajectory(user(text), says(text), says(text)), result, task=text)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize("result", [PASS, FAIL])
def test_a_run_of_thousands_of_calls_takes_bounded_time(result):
    many = [calls("book", "!full" if i % 3 else "ok", str(i), day=i % 7) for i in range(5_000)]
    run = trajectory(ASKED, *many)
    started = time.perf_counter()
    assert reflect(run, result) is not None
    assert time.perf_counter() - started < 2.0


# --- recorded runs --------------------------------------------------------------------------------------


def values_of(arguments):
    for value in arguments.values() if isinstance(arguments, dict) else arguments:
        if isinstance(value, dict | list):
            yield from values_of(value)
        elif isinstance(value, str) and any(character.isdigit() for character in value):
            yield value


def recorded():
    for run in read_recordings(find_data_dir()).agent_runs:
        telemetry = Run(run_id=run.trace_id.hex(), spans=tuple(run.telemetry.spans), logs=tuple(run.telemetry.logs))
        yield read_trajectory(telemetry), run.outcome.result


def test_every_recorded_agent_run_teaches_something_without_its_own_values():
    seen = 0
    for run, result in recorded():
        lesson = reflect(run, ReviewResult.parse(result), task=run.task.text)
        values = {value for call in read_calls(run) for value in values_of(call.arguments) if len(value) > 3}
        assert lesson is not None
        assert not [value for value in values if value in lesson.text]
        seen += 1
    assert seen == 60


# --- facts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ToolResponse(error="timeout"), "timeout"),
        (ToolResponse(response="Error: user not found"), "user not found"),
        (ToolResponse(response='{"error": {"message": "quota"}}'), "quota"),
        (ToolResponse(response={"error": "no such row 17"}), "no such row …"),
        (ToolResponse(response={"isError": True, "message": "denied"}), "denied"),
        (ToolResponse(response="Traceback (most recent call last):\n  File x\nKeyError: 'a'"), "KeyError: …"),
        (ToolResponse(response="ValueError: bad date 2024-05-13"), "ValueError: bad date …"),
        (ToolResponse(response="Errors are described in chapter two"), None),
        (ToolResponse(response={"error": None, "rows": []}), None),
        (ToolResponse(response="Failed flights of today: none"), None),
        (ToolResponse(response=[]), None),
    ],
)
def test_a_failed_call_is_told_by_its_error_or_its_words(answer, error):
    assert read_error(answer) == error


def test_answers_find_their_calls_although_ids_repeat_or_lack():
    run = trajectory(
        calls("a", "!one", "x"), calls("a", "two", "x"), calls("b", "!three", ""), calls("c", "four", "")
    )
    assert [(call.name, call.error) for call in read_calls(run)] == [
        ("a", "one"),
        ("a", None),
        ("b", "three"),
        ("c", None),
    ]


def test_parallel_calls_are_answered_by_id_whatever_the_order():
    asked = Message(role=Role.ASSISTANT, tool_calls=(ToolCall(name="a", id="1"), ToolCall(name="b", id="2")))
    answers = [
        Message(role=Role.TOOL, tool_response=ToolResponse(id="2", error="late")),
        Message(role=Role.TOOL, tool_response=ToolResponse(id="1", response="ok")),
    ]
    assert [(c.name, c.error) for c in read_calls(trajectory([asked], answers))] == [("a", None), ("b", "late")]


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("get_return_options", Effect.LOOKS_UP),
        ("return_delivered_order_items", Effect.ACTS),
        ("issueRefund", Effect.ACTS),
        ("web.search", Effect.LOOKS_UP),
        ("transfer_to_human_agents", Effect.HANDS_OVER),
        ("HTTPRequest", Effect.UNKNOWN),
        ("think", Effect.THINKS),
        ("calculator", Effect.COMPUTES),
        ("", Effect.UNKNOWN),
    ],
)
def test_the_verb_in_a_tools_name_tells_what_it_does(name, effect):
    assert read_effect(name) is effect
