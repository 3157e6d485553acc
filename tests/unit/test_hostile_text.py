"""Time spent on hostile text grows as the text does: eight times the text costs far less than 64 times the time.

Processor time of the thread is compared between two sizes, so neither a slow machine nor a busy one matters.
"""

import time
from collections.abc import Callable, Iterable

import pytest

from reflect_otel.model.notes import NOTES_END, NOTES_START
from reflect_otel.model.reflection import FailedRun, LearningInput
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.spans import SpanRecord, StatusCode
from reflect_otel.model.trajectory import Message, Role, ToolCall, ToolResponse, Trajectory
from reflect_otel.providers.offline import OfflineReflector

from .dialects.spans import assistant, chat, event, log, read, span, user

SMALL, LARGE = 4 * 1024, 32 * 1024
GROWTH = 24
"""Times the processor time for eight times the text; a quadratic reader takes 64 times."""
PLENTY_SECONDS = 0.6
"""Whatever takes less needs no comparison: the work that this guards against took seconds at the larger size."""

SHAPES = [
    *(("", letter) for letter in "aA0 \n-.:'\"\\<([{=*~/@…é漢\u0301"),
    ("[Message(text='", "\\'"),
    ('[Message(text="', "', '"),
    ("[A(a=", "'aaaaaaaaaaaa',"),
    ("[A(a=", "A(a="),
    ("[", "<A: 'b"),
    ('{"a": "', "\\\\a"),
    ('["a', "\\a"),
    ('{"a":"b"', ',"a":"\\ud800"'),
    ("{'a': '", "\\q"),
    ("{'a': ", "{1:"),
    ('[{"role": "user", "content": "', "\\n"),
    ("[", '{"type":"function_call"},'),
    ("Error: ", "a Error: "),
    ("'message': '", "'message':'' "),
    ("E  ", "\nE  a"),
    ("a:", "1:"),
    (">ab", " "),
    ("Action: a", "\nAction: a"),
    ("Hi ", "Aa "),
    ("Mr. ", "Aa-Aa "),
    ("a ", "GmbH "),
    ("#", "a-1"),
    ("x", "www.a@"),
    ("“", "“a” … "),
    ("```", "<a~~~"),
    (NOTES_START, "\n[M1 a]"),
    ("[notes ", NOTES_START.replace(" ", "  ") + NOTES_END[:-1]),
]
"""What stands first, and what is repeated behind it: single characters, and beginnings of what the readers know."""


def carriers(text: str) -> list[dict[str, str]]:
    """Attributes of every dialect, with the text wherever a reader takes text."""
    return [
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": text, "gen_ai.input.messages": text},
        {"gen_ai.operation.name": "chat", "gen_ai.system_instructions": text, "gen_ai.output.messages": text},
        {"gen_ai.tool.name": text, "gen_ai.tool.call.arguments": text, "gen_ai.tool.call.result": text},
        {"openinference.span.kind": "LLM", "input.value": text, "output.value": text, "metadata": text},
        {"openinference.span.kind": "AGENT", "input.value": "ChatMessage(" + text, "output.value": text},
        {"openinference.span.kind": "TOOL", "tool.name": "t", "input.value": text, "output.value": text},
        {"llm.input_messages.0.message.role": text, "llm.input_messages.0.message.content": text},
        {"traceloop.span.kind": "tool", "traceloop.entity.input": text, "traceloop.entity.output": text},
        {"gen_ai.prompt.0.role": text, "gen_ai.prompt.0.content": text, "gen_ai.completion.0.content": text},
        {"pydantic_ai.all_messages": text, "agent_name": text, "final_result": text},
        {"tool_arguments": text, "tool_response": "isError" + text},
        {"ai.operationId": "ai.generateText.doGenerate", "ai.prompt": text, "ai.response.toolCalls": text},
        {"haystack.component.type": "Generator", "haystack.component.input": text, "haystack.component.output": text},
        {"langfuse.observation.type": "generation", "langfuse.observation.input": text},
        {"langfuse.observation.type": "agent", "langfuse.observation.output": text},
        {"mlflow.spanType": "LLM", "mlflow.spanInputs": text, "mlflow.spanOutputs": text},
        {"request_data": text, "response_data": text, "events": text + '"event.name"'},
        {"langsmith.span.kind": "llm", "gen_ai.prompt": text, "gen_ai.completion": text},
        {"gcp.vertex.agent.llm_request": text, "gcp.vertex.agent.llm_response": text},
        {"prompt": text + '"role"', "tool_name": text, "usage": text, text + "model": "m"},
        {"traceloop.span.kind": "task", "state": text + "'role'"},
    ]


def read_everywhere(text: str) -> Trajectory:
    spans = [span(number + 1, attributes) for number, attributes in enumerate(carriers(text))]
    failure = event("exception", exception__message=text, exception__type=text)
    spans.append(span(100, {}, events=(failure,), status_code=StatusCode.ERROR, name=text))
    return read(*spans, logs=(log(100, "gen_ai.user.message", text), log(100, "gen_ai.choice", {"message": text})))


def reflect_everywhere(text: str) -> None:
    call = ToolCall(name=text, arguments={"user_name": text, "other": [text]}, id="1")
    answers = [ToolResponse(id="1", response=text), ToolResponse(id="1", error=text), ToolResponse(id="1")]
    messages = [Message(role=role, content=text) for role in (Role.SYSTEM, Role.USER, Role.ASSISTANT)]
    talked = Trajectory(messages=(*messages, *messages[1:]), final_response=text, error=text)
    for answer in answers:
        called = Message(role=Role.ASSISTANT, tool_calls=(call,))
        messages += [called, Message(role=Role.TOOL, content=text, tool_response=answer)]
    run = Trajectory(messages=tuple(messages), final_response=text, error=text)
    for told in (run, talked):
        for result in (ReviewResult.PASS, ReviewResult.FAIL):
            OfflineReflector().reflect(learning_input(told, result, text))


def learning_input(run: Trajectory, result: ReviewResult, text: str = "task") -> LearningInput:
    failed = FailedRun(run_id="failed", trajectory=run) if result is ReviewResult.PASS else None
    return LearningInput(task=text, trajectory=run, result=result, feedback=text, failed_run=failed)


@pytest.mark.parametrize("work", [read_everywhere, reflect_everywhere])
@pytest.mark.parametrize(("head", "piece"), SHAPES)
def test_repeated_text_takes_time_in_proportion_to_its_length(
    work: Callable[[str], object], head: str, piece: str
) -> None:
    assert_grows_in_proportion(lambda size: head + piece * (size // len(piece)) + "x", work, SMALL, LARGE)


def equal_messages(size: int) -> list[SpanRecord]:
    same = [user("yes")] * size
    return [chat(1, inputs=[user("q"), *same, user("x"), *same]), chat(2, inputs=[*same, user("z"), *same])]


def late_questions(size: int) -> list[SpanRecord]:
    """The second call tells the question before each answer, which the first has left out."""
    answers = [assistant(f"answer {number}") for number in range(size)]
    told = (message for answer in answers for message in (answer, user("go on")))
    asked = (message for number, answer in enumerate(answers) for message in (user(f"question {number}"), answer))
    return [chat(1, inputs=list(told)), chat(2, inputs=list(asked))]


def pieces_of_one_turn(size: int) -> list[SpanRecord]:
    pieces = ({"type": "function_call", "name": "look"}, {"type": "reasoning", "text": "so"})
    return [chat(1, inputs=[piece for _ in range(size) for piece in pieces])]


def a_long_request_beside_many(size: int) -> list[SpanRecord]:
    facts = {"end_ns": 10**15, "attributes": {"gen_ai.request.model": ""}}
    long = chat(1, scope_name="long", inputs=[user("so it is " * 20 * size)], **facts)
    return [long, *(chat(2 + number, scope_name="short", inputs=[user("q")], **facts) for number in range(size))]


@pytest.mark.parametrize("build", [equal_messages, late_questions, pieces_of_one_turn, a_long_request_beside_many])
def test_many_messages_take_time_in_proportion_to_their_number(build: Callable[[int], list[SpanRecord]]) -> None:
    assert_grows_in_proportion(build, lambda spans: read(*spans), 1000, 8000)


def tools_that_only_fail(size: int) -> Trajectory:
    return run_of_calls((f"look_{number}", "Error: gone") for number in range(size))


def tools_that_fail_once(size: int) -> Trajectory:
    return run_of_calls(
        (f"look_{number % size}", "Error: gone" if number < size else "") for number in range(2 * size)
    )


def thinking_after_failures(size: int) -> Trajectory:
    return run_of_calls((f"look_{number}" if number < size else "think", "Error: gone") for number in range(2 * size))


def tools_that_work(size: int) -> Trajectory:
    return run_of_calls((f"book_{number}", "done") for number in range(size))


def calls_without_answers(size: int) -> Trajectory:
    return run_of_calls((f"book_{number % 7}", None) for number in range(4 * size))


def run_of_calls(calls: Iterable[tuple[str, str | None]]) -> Trajectory:
    messages = [Message(role=Role.USER, content="task")]
    for number, (name, answer) in enumerate(calls):
        call = ToolCall(name=name, arguments={"user_name": f"ab漢字{number}"}, id=str(number))
        messages.append(Message(role=Role.ASSISTANT, tool_calls=(call,)))
        if answer is not None:
            response = ToolResponse(id=str(number), name=name, response=answer)
            messages.append(Message(role=Role.TOOL, content=answer, tool_response=response))
    return Trajectory(messages=tuple(messages))


@pytest.mark.parametrize("result", [ReviewResult.PASS, ReviewResult.FAIL])
@pytest.mark.parametrize(
    "build",
    [
        tools_that_only_fail,
        tools_that_fail_once,
        thinking_after_failures,
        tools_that_work,
        calls_without_answers,
    ],
)
def test_many_calls_take_time_in_proportion_to_their_number(
    build: Callable[[int], Trajectory], result: ReviewResult
) -> None:
    assert_grows_in_proportion(build, lambda run: OfflineReflector().reflect(learning_input(run, result)), 500, 4000)


def assert_grows_in_proportion(
    build: Callable[[int], object], work: Callable[..., object], few: int, many: int
) -> None:
    larger = build(many)
    if read_seconds(work, larger) < PLENTY_SECONDS:
        return
    smaller = build(few)
    small, large = (min(read_seconds(work, material) for _ in range(3)) for material in (smaller, larger))
    assert large < GROWTH * small


def read_seconds(work: Callable[..., object], material: object) -> float:
    began = time.thread_time()
    work(material)
    return time.thread_time() - began
