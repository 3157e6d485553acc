"""Many histories, one conversation."""

import json

import pytest

from reflect_otel import attributes as keys
from reflect_otel.model.trajectory import Trajectory

from .spans import assistant, call, chat, read, result, said, span, user

SYSTEM = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}


def test_a_history_sent_again_each_turn_is_stored_once() -> None:
    first = [SYSTEM, user("one")]
    second = [*first, assistant("1"), user("two")]
    third = [*second, assistant("2"), user("three")]
    trajectory = read(
        chat(1, inputs=first, outputs=[assistant("1")]),
        chat(2, inputs=second, outputs=[assistant("2")]),
        chat(3, inputs=third, outputs=[assistant("3")]),
    )
    assert [text for _, text in said(trajectory)] == ["Be brief.", "one", "1", "two", "2", "three", "3"]
    assert [len(step.messages) for step in trajectory.steps] == [3, 5, 7]


def test_equal_messages_said_twice_stay_two_messages() -> None:
    first = [user("yes")]
    second = [*first, assistant("Sure?"), user("yes")]
    third = [*second, assistant("Sure?"), user("yes")]
    trajectory = read(
        chat(1, inputs=first, outputs=[assistant("Sure?")]),
        chat(2, inputs=second, outputs=[assistant("Sure?")]),
        chat(3, inputs=third, outputs=[assistant("Done.")]),
    )
    assert [text for _, text in said(trajectory)] == ["yes", "Sure?", "yes", "Sure?", "yes", "Done."]


def test_a_trimmed_history_continues_the_conversation() -> None:
    full = [user("one"), assistant("1"), user("two"), assistant("2"), user("three")]
    trajectory = read(
        chat(1, inputs=full, outputs=[assistant("3")]),
        chat(2, inputs=[user("three"), assistant("3"), user("four")], outputs=[assistant("4")]),
    )
    assert [text for _, text in said(trajectory)] == ["one", "1", "two", "2", "three", "3", "four", "4"]


def test_a_retry_of_the_same_request_adds_no_messages() -> None:
    trajectory = read(
        chat(1, inputs=[user("one")], status_code=2),
        chat(2, inputs=[user("one")], outputs=[assistant("1")]),
    )
    assert said(trajectory) == [("user", "one"), ("assistant", "1")]
    assert trajectory.metrics is not None
    assert (trajectory.metrics.llm_calls, trajectory.metrics.llm_errors) == (1, 1)


def test_an_answer_that_the_history_tells_with_less_keeps_its_text() -> None:
    asked = call("c1", "lookup", order=1)
    trajectory = read(
        chat(1, inputs=[user("one")], outputs=[assistant("Let me look.", asked)]),
        chat(2, inputs=[user("one"), assistant(None, asked), result("c1", "gone")], outputs=[assistant("Gone.")]),
    )
    assert said(trajectory) == [
        ("user", "one"),
        ("assistant", "Let me look."),
        ("tool", "gone"),
        ("assistant", "Gone."),
    ]


def test_agents_side_by_side_keep_their_own_threads_in_one_transcript() -> None:
    trajectory = read(
        chat(1, inputs=[SYSTEM, user("plan")], outputs=[assistant("ask the other")]),
        chat(
            2, inputs=[{"role": "system", "content": "You research."}, user("research")], outputs=[assistant("found")]
        ),
        chat(
            3, inputs=[SYSTEM, user("plan"), assistant("ask the other"), user("found")], outputs=[assistant("done")]
        ),
    )
    assert [text for _, text in said(trajectory)] == [
        "Be brief.",
        "plan",
        "ask the other",
        "You research.",
        "research",
        "found",
        "found",
        "done",
    ]
    assert trajectory.final_response == "done"


def test_long_runs_share_their_messages() -> None:
    history: list[object] = []
    spans = []
    for turn in range(200):
        history = [*history, user(f"question {turn}")]
        spans.append(chat(turn + 1, inputs=history, outputs=[assistant(f"answer {turn}")]))
        history = [*history, assistant(f"answer {turn}")]
    trajectory = read(*spans)
    assert len(trajectory.messages) == 400
    assert all(step.messages[0] is trajectory.messages[0] for step in trajectory.steps)


@pytest.fixture
def without_content() -> Trajectory:
    return read(
        span(1, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "shop"}),
        chat(2, parent=1),
        span(
            3,
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "lookup",
                "gen_ai.tool.call.result": "gone",
            },
            parent=1,
        ),
        chat(4, parent=1),
    )


def test_tool_spans_speak_where_model_calls_recorded_no_content(without_content: Trajectory) -> None:
    asked, answered = without_content.messages
    assert asked.tool_calls is not None
    assert asked.tool_calls[0].name == "lookup"
    assert (answered.role.value, answered.content) == ("tool", "gone")
    assert [len(step.messages) for step in without_content.steps] == [0, 0]


def test_an_answer_recorded_only_on_the_agent_ends_the_conversation() -> None:
    trajectory = read(
        span(1, {"gen_ai.operation.name": "invoke_agent", "gen_ai.output.messages": [assistant("streamed")]}),
        chat(2, parent=1, inputs=[user("one")]),
    )
    assert said(trajectory) == [("user", "one"), ("assistant", "streamed")]
    assert len(trajectory.steps[0].messages) == 2


def test_messages_of_a_submitted_run_stay_as_they_were_given() -> None:
    messages = [user("one"), assistant("Let me look."), assistant(None, call("c1", "look")), result("c1", "gone")]
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": json.dumps(messages)}
    closing = {"gen_ai.output.messages": json.dumps([assistant("Gone.")])}
    submitted = read(span(1, attributes | closing, scope_name=keys.SUBMITTED_SCOPE))
    assert [message.content for message in submitted.messages] == ["one", "Let me look.", None, "gone", "Gone."]
    assert len(read(span(1, attributes | closing)).messages) == 4
