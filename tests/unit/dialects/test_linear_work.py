"""Reading does work in proportion to what arrived, whatever its shape: lines of code run are counted, not seconds."""

import json
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from reflect_otel.model.spans import SpanRecord

from .spans import assistant, call, chat, read, result, span, user

FEW, MANY = 50, 200
SECOND = 1_000_000_000


def unrelated(number: int) -> SpanRecord:
    return chat(number, inputs=[user(f"question {number}")], outputs=[assistant(f"answer {number}")])


def with_a_common_message(number: int) -> SpanRecord:
    history = [user(f"question {number}"), assistant(f"sure? {number}"), user("yes")]
    return chat(number, inputs=history, outputs=[assistant(f"answer {number}")])


def with_common_examples(number: int) -> SpanRecord:
    examples = [user("example"), assistant("done"), user("another"), assistant("done too")]
    return chat(number, inputs=[*examples, user(f"question {number}")], outputs=[assistant(f"answer {number}")])


def side_by_side(number: int) -> SpanRecord:
    return chat(number, end_ns=10**15, scope_name="ab"[number % 2], inputs=[user(f"question {number}")])


def without_duration(number: int) -> SpanRecord:
    return chat(number, start_ns=5, end_ns=5, inputs=[user(f"q {number}")], outputs=[assistant(f"a {number}")])


def one_in_the_other(number: int) -> SpanRecord:
    return chat(number, parent=number - 1 or None, inputs=[user(f"question {number}")])


def workflows_in_each_other(number: int) -> SpanRecord:
    return span(number, {"gen_ai.operation.name": "invoke_workflow"}, parent=number - 1 or None)


def tools_nobody_asked_for(number: int) -> SpanRecord:
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look", "gen_ai.tool.call.result": "gone"}
    return chat(number) if number % 2 else span(number, tool)


def tools_without_ids(number: int) -> SpanRecord:
    if number % 2:
        return chat(number, inputs=[user(f"q {number}")], outputs=[assistant(None, call(None, "look", n=number))])
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}
    return span(number, {**tool, "gen_ai.tool.call.arguments": json.dumps({"n": number - 1})})


def one_growing_history(number: int) -> SpanRecord:
    said = [(user(f"question {turn}"), assistant(f"answer {turn}")) for turn in range(number)]
    told = json.dumps([message for turn in said for message in turn][:-1])
    return chat(number, inputs=told, outputs=[said[-1][1]])


def handed_around(number: int) -> SpanRecord:
    role = "assistant" if number > 1 else "user"
    said = {"role": role, "content": f"part {number}"}
    return span(number, {"traceloop.span.kind": "task", "state": json.dumps([said])})


def one_call_in_many_scopes(number: int) -> SpanRecord:
    return chat(1000 - number, end_ns=10**15, scope_name=f"scope {number}", inputs=[user("question")])


@pytest.mark.parametrize(
    "build",
    [
        unrelated,
        with_a_common_message,
        with_common_examples,
        side_by_side,
        without_duration,
        one_in_the_other,
        workflows_in_each_other,
        tools_nobody_asked_for,
        tools_without_ids,
        one_growing_history,
        handed_around,
        one_call_in_many_scopes,
    ],
)
def test_four_times_the_spans_take_about_four_times_the_work(build: Callable[[int], SpanRecord]) -> None:
    few, many = (count_lines([build(number + 1) for number in range(size)]) for size in (FEW, MANY))
    assert many < 5.5 * few


@pytest.mark.parametrize("identified", [True, False])
def test_four_times_the_calls_of_one_message_take_about_four_times_the_work(identified: bool) -> None:
    few, many = (count_lines([one_message_of_calls(size, identified)]) for size in (FEW, MANY))
    assert many < 5.5 * few


def one_message_of_calls(size: int, identified: bool) -> SpanRecord:
    ids = [f"call-{number}" if identified else None for number in range(size)]
    asked = assistant(None, *(call(name, "look") for name in ids))
    return chat(1, inputs=[user("q"), asked, *(result(name, "seen") for name in reversed(ids))])


def test_text_that_begins_as_an_object_and_never_ends_is_given_up_in_a_moment() -> None:
    began = time.monotonic()
    text = "[Message(text='" + "\\'" * 30_000
    assert read(chat(1, inputs=text)).messages
    assert time.monotonic() - began < 20  # looking for its end from each quote took minutes


def count_lines(spans: list[SpanRecord]) -> int:
    """Lines run while reading these spans; each round of a loop counts, also of one on a single line."""
    lines = 0

    def count(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += 1
        return count

    tracing = sys.gettrace()
    sys.settrace(count)
    try:
        read(*spans)
    finally:
        sys.settrace(tracing)
    return lines
