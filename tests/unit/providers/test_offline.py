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
from reflect_otel.providers.tool_facts import Effect, read_calls, read_effect
from reflect_otel.providers.tool_failures import read_error

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
TOLD = [Message(role=Role.SYSTEM, content="You are a travel agent. Make one tool call at a time.")]


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
    run = trajectory(
        ASKED, says("Which day?"), user("Monday"), calls("get_fares"), calls("book_flight"), says("Done.")
    )
    lesson = reflect(run, FAIL)
    assert lesson.kind is MemoryKind.PITFALL
    assert "book_flight ran without the user confirming it right before" in lesson.text


def test_a_failure_that_acted_as_agreed_says_what_to_compare():
    run = trajectory(ASKED, calls("get_fares"), says("Book it?"), user("yes"), calls("book_flight"), says("Done."))
    assert "the user had agreed, so the details were wrong or a part was missing" in reflect(run, FAIL).text


def test_a_failure_that_only_looked_up_gave_up_or_talked_says_so():
    looked = trajectory(ASKED, calls("get_fares"), says("Anything else?"))
    gave_up = trajectory(ASKED, calls("get_fares"), calls("transfer_to_human"))
    talked = trajectory(TOLD, ASKED, says("I cannot help."))
    assert "only looked things up (get_fares) and changed nothing" in reflect(looked, FAIL).text
    assert "gave up with transfer_to_human after get_fares" in reflect(gave_up, FAIL).text
    assert "called no tool" in reflect(talked, FAIL).text


def test_a_run_that_nobody_could_be_asked_in_is_told_to_check_its_result():
    unchecked = trajectory(ASKED, calls("get_fares"), calls("book_flight"), says("Done."))
    checked = trajectory(ASKED, calls("book_flight"), calls("get_booking"), says("Done."))
    assert "nothing checked the result of book_flight: look it up or test it" in reflect(unchecked, FAIL).text
    assert "compare every argument with the request" in reflect(checked, FAIL).text


def test_a_command_that_failed_counts_as_mended_only_by_the_same_command():
    failing = calls("bash", "E   ValueError: bad date\n1 failed, 3 passed in 0.2s", command="pytest")
    edit, listing = calls("edit_file", path="a.py"), calls("bash", "a.py", command="ls")
    mended = reflect(
        trajectory(ASKED, failing, edit, listing, calls("bash", "4 passed", command="pytest")), PASS
    ).text
    assert "If bash gives “ValueError: bad date”, first use edit_file, then call it again; that worked." in mended
    left = reflect(trajectory(ASKED, failing, edit, says("Done.")), FAIL).text
    assert "bash failed with “ValueError: bad date” the last time it was called; mend the cause and call" in left
    other = reflect(trajectory(ASKED, calls("bash", "make: *** No rule. Stop.", command="make"), listing), PASS)
    assert other is None


def test_the_next_of_many_is_not_a_recovery():
    many = [calls("process", "ok" if i % 3 else "Error: record locked", id=i) for i in range(9)]
    assert "gives" not in reflect(trajectory(ASKED, *many, calls("process", id=99)), PASS).text


def test_a_failure_without_words_is_told_without_them():
    text = reflect(trajectory(ASKED, calls("refund", "!Error running tool (non-fatal)")), FAIL).text
    assert "refund failed and never worked" in text
    assert reflect(trajectory(ASKED, says("Hm."), error="Exception"), FAIL) is None


def test_identical_calls_are_pointed_out():
    run = trajectory(ASKED, *[calls("get_fares", "[]", day="may") for _ in range(4)])
    assert "get_fares was called 4 times with the same arguments" in reflect(run, FAIL).text


def test_the_way_a_run_stopped_is_told():
    cut = trajectory(
        ASKED, calls("get"), execution_metrics=ExecutionMetrics(termination_reason=TerminationReason.MAX_STEPS)
    )
    broken = trajectory(ASKED, calls("get"), error="KeyError: fare of 2024")
    assert "it reached the step limit" in reflect(cut, FAIL).text
    assert "ended with “KeyError: fare of" in reflect(broken, FAIL).text


@pytest.mark.parametrize(
    "error",
    [
        "Connection error.",
        "Request timed out.",
        "openai.APIConnectionError: Connection error.",
        "APIConnectionError",
        "ReadTimeout",
        "Error code: 429 - {'error': {'message': 'You exceeded your current quota', 'type': 'insufficient_quota'}}",
        "Error code: 503 - {'error': 'The engine is currently overloaded'}",
        "HTTP 500 from the model",
        "HTTP/1.1 502 Bad Gateway",
        "Error code: 401 - {'error': {'message': 'Incorrect API key provided: sk-…'}}",
        "RateLimitError: slow down",
        "[Errno 111] Connection refused",
        "Cannot connect to host llm:443 ssl:default [Temporary failure in name resolution]",
        "peer closed: Server disconnected without sending a response.",
        "connect ECONNREFUSED 127.0.0.1:8000",
        "{'type': 'overloaded_error', 'message': 'Overloaded'}",
        "429 RESOURCE_EXHAUSTED. Quota exceeded",
    ],
)
def test_what_no_agent_could_have_avoided_teaches_nothing(error):
    broken_off = trajectory(ASKED, calls("get_fares"), error=error)
    assert reflect(broken_off, FAIL) is None
    told = reflect(broken_off, FAIL, feedback="Ask for the date first").text
    assert "Ask for the date first" in told
    assert "failed run" not in told
    before = trajectory(ASKED, calls("search", "Error: no such day", day="1"), calls("search", day="2"), error=error)
    assert "If search gives “no such day”, call it with other day" in reflect(before, FAIL).text


@pytest.mark.parametrize(
    "error",
    [
        "KeyError: fares",
        "Error code: 400 - maximum context length is 8192 tokens",
        "ValueError: the limit of the card is exceeded",
        "the connection to the earlier booking was not found",
        "max turns (10) exceeded",
        "flight 503 is sold out",
        "guardrail tripped: the refund is not allowed",
    ],
)
def test_what_the_agent_did_wrong_is_no_outage(error):
    assert "failed run" in reflect(trajectory(ASKED, calls("get_fares"), error=error), FAIL).text


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
    assert contrast(trajectory(TOLD, ASKED, says("42.")), trajectory(ASKED, says("41."))).kind is MemoryKind.STRATEGY


# --- silent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [trajectory(), trajectory(ASKED)])
@pytest.mark.parametrize("result", [PASS, FAIL])
def test_a_run_that_shows_nothing_teaches_nothing(run, result):
    assert reflect(run, result) is None


def test_a_plain_answer_teaches_that_it_was_enough_where_there_were_tools():
    assert (
        "a direct answer without any tool call was right" in reflect(trajectory(TOLD, ASKED, says("42.")), PASS).text
    )


@pytest.mark.parametrize("result", [PASS, FAIL])
@pytest.mark.parametrize("feedback", [None, "bad", "Good job!", "👍", "Das war falsch."])
def test_a_bare_value_for_an_answer_teaches_nothing_unless_the_reviewer_says_more(result, feedback):
    run = trajectory(ASKED, says("42."))
    assert reflect(run, result, feedback=feedback) is None
    assert "cite the handbook" in reflect(run, result, feedback="Please cite the handbook").text


@pytest.mark.parametrize(
    ("result", "lesson"),
    [
        (PASS, "an answer that began “The invoice of … is in the archive” was right."),
        (FAIL, "an answer that began “The invoice of … is in the archive” was judged wrong; check what it claims"),
    ],
)
def test_the_answer_of_an_agent_without_tools_is_told_by_how_it_began(result, lesson):
    run = trajectory(user("Where is it?"), says("The invoice of 3 May is in the archive."))
    assert lesson in reflect(run, result, task="", feedback="The answer was incorrect.").text
    assert "archive" not in reflect(run, FAIL, task="", feedback="Say which one.").text


@pytest.mark.parametrize(
    "parts",
    [
        calls("bash", "ok", command="make deploy"),
        [
            *calls("transfer_to_researcher"),
            *calls("web_research", "…"),
            *calls("transfer_to_writer"),
            *says("Report."),
        ],
    ],
    ids=["a command", "agents that pass work on"],
)
def test_calls_that_tell_nothing_are_not_made_into_a_lesson(parts):
    assert reflect(trajectory(ASKED, parts), FAIL) is None


REACT = "Thought 1: I look it up.\nAction 1: Search[Oslo]"


def test_actions_written_into_answers_are_calls():
    whole = (
        f"{REACT}\nObservation 1: Could not find Oslo. Similar: []\nAction 2: Search[Oslo town]\nObservation 2: A."
    )
    by_turns = [*says(REACT), *user("Observation 1: Could not find Oslo."), *says("Action 2: Search[Oslo town]")]
    for run in (trajectory(ASKED, says(whole)), trajectory(ASKED, by_turns, user("Observation 2: A."))):
        text = reflect(run, PASS).text
        assert "what worked was Search alone. If Search gives “Could not find Oslo" in text
        assert "call it with other input; that worked." in text


def test_commands_of_a_text_world_are_calls_and_nobody_is_asked_there():
    moves = ["> go to desk 1", "> take mug 1", "> put mug 1 in shelf 1", "> put mug 1 in shelf 1"]
    answered = [
        part for move in moves for part in (*says(move), *user("Nothing happens." if "put" in move else "Ok."))
    ]
    text = reflect(trajectory(ASKED, answered), FAIL).text
    assert "put failed 2 times with “Nothing happens” and never worked" in text
    assert "confirm" not in reflect(trajectory(ASKED, answered[:4], calls("x")[:0]), PASS).text
    langchain = (
        "Action: lookup_order\nAction Input: {}\nObservation: open\nAction: refund\nAction Input: 7\nObservation: ok"
    )
    assert "what worked was lookup_order, then refund." in reflect(trajectory(ASKED, says(langchain)), PASS).text


def test_a_quotation_in_an_answer_is_no_action():
    run = trajectory(ASKED, says("The policy says:\n> refunds take ten days"), user("ok"), says("> thanks"))
    assert read_calls(run) == ()


def test_what_was_not_judged_is_not_called_a_look_up():
    text = reflect(trajectory(ASKED, calls("navigate"), calls("click")), PASS).text
    assert text.endswith("what worked was navigate, then click.")


def test_a_conversation_without_tools_teaches_what_was_asked_first():
    run = trajectory(ASKED, says("Sure. Which fare class do you want?"), user("economy"), says("Not possible."))
    text = reflect(run, PASS).text
    assert "in 2 answers without any tool call was right, beginning with “Which fare class do you want?”" in text


def test_a_lesson_that_was_served_to_the_run_is_not_drawn_again():
    run = trajectory(TOLD, ASKED, says("42."))
    assert reflect(run, PASS, served_texts=(reflect(run, PASS).text,)) is None


def test_addresses_and_ids_that_a_reviewer_names_are_left_out():
    run = trajectory(ASKED, says("ok"))
    told = "Order #W5490111 of jo@example.com: see https://x.example/1 for what Q3 missed."
    assert "the reviewer says: Order … of …: see … for what Q3 missed." in reflect(run, FAIL, feedback=told).text


# --- plain ----------------------------------------------------------------------------------------------


def test_values_of_the_one_task_are_left_out():
    text = reflect(trajectory(TOLD, ASKED, says("ok")), PASS).text
    assert text.startswith("When the task is like “Please book the cheapest flight for …, order …”:")
    mail = "Write to jo@example.com about invoice 2024/17 at https://x.example/y and thank them."
    assert (
        "Write to … about invoice … at … and thank them"
        in reflect(trajectory(TOLD, says("ok")), PASS, task=mail).text
    )


@pytest.mark.parametrize(
    ("task", "opening"),
    [
        ("John Smith wants to move his appointment", "like “… wants to move his appointment”"),
        ("my name is yusuf rossi, zip 19122, i want to exchange a lamp", "like “my name is …, zip …, i want to"),
        ("Hallo! Bitte storniere die Bestellung von Frau Müller.", "like “Bitte storniere die Bestellung von …”"),
        ("帮我查一下订单20240511的物流状态", "like “帮我查一下订单…的物流状态”"),
        (
            "Offene Rechnungen für die Firma Schmidt GmbH und deren Kunden",
            "like “Offene Rechnungen für die … und deren",
        ),
        (
            "Call the API and export the CSV for flights from JFK to SEA",
            "like “Call the API and export the CSV for flights from … to …”",
        ),
        ("Cancel My Order And Refund The Full Amount", "like “Cancel My Order And Refund The Full Amount”"),
        ("Should I send the card to 12 Elm Street, Springfield?", "like “Should I send the card to …”"),
        ("Здравствуйте, меня зовут Иван Петров, верните деньги", "like “Здравствуйте, меня зовут …, верните деньги”"),
        ('{"customer": "Globex", "ticket_id": "T-2281"}', "JSON with customer, ticket_id"),
        ("```python\nreturn x+\n```\nwhy does this fail for me?", "like “… why does this fail for me”"),
    ],
)
def test_a_task_is_told_in_its_words_without_names_code_and_values(task, opening):
    assert f"When the task is {opening}" in reflect(trajectory(TOLD, says("ok")), PASS, task=task).text


def test_a_mere_greeting_is_no_task_and_the_next_words_of_the_user_are():
    run = trajectory(TOLD, user("Hi"), says("Hello!"), user("I want to cancel my plan"), says("Done."))
    assert reflect(run, PASS, task="Hi").text.startswith("When the task is like “I want to cancel my plan”")
    assert reflect(trajectory(TOLD, user("Hi"), says("Hello!")), PASS, task="Hi").text.startswith("A direct answer")


def test_names_and_values_of_the_run_are_left_out_of_what_reviewers_and_tools_say():
    run = trajectory(
        user("Pay Kai Nagel 300 EUR"),
        calls(
            "create_transfer", "!beneficiary Kai Nagel not found, slot taken by Jane Doe", amount=300.25, to="DE89"
        ),
        calls("find_user", "!user yusuf unknown", first_name="Yusuf"),
    )
    told = (
        "You sent $300.25 to Emma Thompson, not Yusuf. Peter Parker asked for PO-88213; over 100 dollars ask first."
    )
    text = reflect(run, FAIL, task="Pay Kai Nagel 300 EUR", feedback=told).text
    for value in ("Kai", "Nagel", "Jane", "Doe", "yusuf", "Yusuf", "300", "Emma", "Thompson", "Parker", "88213"):
        assert value not in text
    assert "over 100 dollars ask first" in text
    assert "answer is Freightways" in reflect(run, FAIL, feedback="The answer is Freightways.").text
    assert "beneficiary … not found, slot taken by …" in text


def test_a_name_is_found_in_a_script_without_gaps():
    run = trajectory(calls("refund", "!오류: 김민수 고객의 주문", customer_name="김민수"))
    assert "김민수" not in reflect(run, FAIL, task="주문 환불해 주세요. 이름은 김민수입니다").text


def test_thinking_alone_is_no_look_up():
    assert reflect(trajectory(ASKED, calls("think"), says("Done.")), PASS) is None


def test_sentences_begin_with_a_capital_unless_they_follow_the_condition():
    run = trajectory(TOLD, ASKED, says("42."))
    assert "says: It was short! A direct answer" in reflect(run, PASS, feedback="It was short!").text
    assert reflect(trajectory(TOLD, says("42.")), PASS, task="").text.startswith("A direct answer")


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
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("result", [PASS, FAIL])
def test_a_run_of_thousands_of_calls_takes_bounded_time(result):
    many = [calls("book", "!full" if i % 3 else "ok", str(i), day=i % 7) for i in range(5_000)]
    run = trajectory(ASKED, *many)
    started = time.perf_counter()
    assert reflect(run, result) is not None
    assert time.perf_counter() - started < 10


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
        (ToolResponse(response="MCP error -32602: required property 'owner'"), "required property …"),
        (ToolResponse(response="HTTP 404: city 'Oslo' not found"), "HTTP … city … not found"),
        (ToolResponse(response="Timeout 30000ms exceeded waiting"), "Timeout … exceeded waiting"),
        (ToolResponse(response="(psycopg2.errors.SyntaxError) syntax error at 'x'"), "syntax error at …"),
        (ToolResponse(response={"status": 503, "body": "Service Unavailable"}), "Service Unavailable"),
        (ToolResponse(response={"success": False, "message": "key expired"}), "key expired"),
        (ToolResponse(response={"exit_code": 2, "stdout": "", "stderr": "No rule. Stop."}), "No rule. Stop"),
        (ToolResponse(response={"isError": True, "content": [{"type": "text", "text": "no disk"}]}), "no disk"),
        (ToolResponse(response=[{"type": "text", "text": "Error: no disk"}]), "no disk"),
        (ToolResponse(response={"fehler": "bereits versandt"}), "bereits versandt"),
        (ToolResponse(response="错误：余额不足"), "余额不足"),
        (ToolResponse(response="collected 4 items\n\nE   KeyError: 'a'\n1 failed in 0.2s"), "KeyError: …"),
        (ToolResponse(response="a.py\n[Command finished with exit code 1]"), "Command finished with exit code …"),
        (ToolResponse(response="npm ERR! missing script"), "npm ERR! missing script"),
        (ToolResponse(error="Error"), ""),
        (ToolResponse(response="Error handling in Go: use errors.Is"), None),
        (ToolResponse(response={"errors": 0, "warnings": 2}), None),
        (ToolResponse(response={"status": "failed", "job": 7}), None),
        (ToolResponse(response={"status": 200, "success": True, "exit_code": 0}), None),
        (ToolResponse(response="4 passed, 0 failed in 0.2s"), None),
    ],
)
def test_a_failed_call_is_told_by_its_error_or_its_words(answer, error):
    assert read_error(answer) == error


def test_what_a_look_up_returns_speaks_of_errors_without_being_one():
    log = "line one\nTraceback (most recent call last):\nKeyError: 'a'"
    seen = [*calls("read_log", log), *calls("run_job", log, "d")]
    assert [call.error for call in read_calls(trajectory(ASKED, seen))] == [None, "KeyError: …"]


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
        ("escalate_ticket", Effect.HANDS_OVER),
        ("transfer_to_billing_agent", Effect.UNKNOWN),
        ("handoff_writer", Effect.UNKNOWN),
        ("transfer_funds", Effect.ACTS),
        ("HTTPRequest", Effect.UNKNOWN),
        ("think", Effect.THINKS),
        ("calculator", Effect.COMPUTES),
        ("", Effect.UNKNOWN),
    ],
)
def test_the_verb_in_a_tools_name_tells_what_it_does(name, effect):
    assert read_effect(name) is effect
