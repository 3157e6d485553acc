"""Runs of one session as one conversation: what is re-sent stands once, what is new is never lost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.dialects.sessions import merge_runs, order_runs
from reflect_otel.learning.augmentation import render
from reflect_otel.model.memory import Memory, MemoryKind
from reflect_otel.model.reward import merge_rewards
from reflect_otel.model.trajectory import (
    ExecutionMetrics,
    Message,
    MessagePrefix,
    Reward,
    RewardComponent,
    Role,
    Step,
    Task,
    ToolCall,
    ToolResponse,
    Trajectory,
    TrajectoryMetrics,
)
from tests.unit.dialects.spans import assistant, chat, read, user


def say(role: Role, text: str) -> Message:
    return Message(role=role, content=text)


def talk(*texts: str) -> tuple[Message, ...]:
    """User and assistant in turn."""
    return tuple(say(Role.ASSISTANT if at % 2 else Role.USER, text) for at, text in enumerate(texts))


def run(*messages: Message, steps: int = 1, **facts) -> Trajectory:
    """A run whose last ``steps`` assistant messages are its own."""
    answers = [at + 1 for at, message in enumerate(messages) if message.role is Role.ASSISTANT][-steps:]
    return Trajectory(
        messages=messages, steps=tuple(Step(messages=MessagePrefix(messages, end)) for end in answers), **facts
    )


def texts(trajectory: Trajectory) -> list[str | None]:
    return [message.content for message in trajectory.messages]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=12), st.booleans())
def test_a_conversation_comes_back_whole_whether_or_not_its_history_is_sent_again(turns, resent):
    conversation = talk(*(text for turn in turns for text in turn))
    ends = range(2, len(conversation) + 1, 2)
    runs = [run(*(conversation[:end] if resent else conversation[end - 2 : end])) for end in ends]
    merged = merge_runs(runs)
    assert merged.messages == conversation
    assert merged.task.num_turns == len(turns)
    assert [tuple(step.messages) for step in merged.steps] == [conversation[:end] for end in ends]


def test_a_question_asked_again_without_history_counts_twice():
    merged = merge_runs([run(*talk("hi", "hello")), run(*talk("hi", "hello again"))])
    assert texts(merged) == ["hi", "hello", "hi", "hello again"]


def test_a_history_cut_at_its_beginning_is_found_again():
    whole = talk("one", "1", "two", "2", "three", "3")
    merged = merge_runs([run(*whole[:4]), run(*whole[2:])])
    assert texts(merged) == ["one", "1", "two", "2", "three", "3"]


def test_the_system_prompt_stands_once_and_a_new_one_where_it_came():
    kind, strict = say(Role.SYSTEM, "Be kind."), say(Role.SYSTEM, "Be strict.")
    merged = merge_runs(
        [run(kind, *talk("a", "1")), run(kind, *talk("a", "1", "b", "2")), run(strict, *talk("c", "3"))]
    )
    assert texts(merged) == ["Be kind.", "a", "1", "b", "2", "Be strict.", "c", "3"]


def test_a_tool_result_that_only_the_next_run_tells_is_kept():
    call = Message(role=Role.ASSISTANT, tool_calls=(ToolCall(name="pay", arguments={"sum": 5}, id="c1"),))
    result = Message(role=Role.TOOL, content="paid", tool_response=ToolResponse(id="c1", name="pay"))
    merged = merge_runs(
        [run(*talk("pay"), call), run(*talk("pay"), call, result, *talk("and?", "It is paid."), steps=1)]
    )
    assert [message.role.value for message in merged.messages] == ["user", "assistant", "tool", "user", "assistant"]


def test_a_run_of_another_agent_in_between_does_not_double_the_history():
    first, helper = talk("plan", "planned"), talk("look up", "found")
    merged = merge_runs([run(*first), run(*helper), run(*first, *talk("go on", "done"))])
    assert texts(merged) == ["plan", "planned", "look up", "found", "go on", "done"]


def test_notes_served_with_a_task_do_not_make_it_another_task():
    memory = Memory(id="m", task="t", reflection="Look twice.", kind=MemoryKind.PITFALL)
    augmented = render("Refund it", [memory])
    assert augmented != "Refund it"
    merged = merge_runs([run(*talk(augmented, "Done.")), run(*talk("Refund it", "Done.", "Thanks", "Bye."))])
    assert texts(merged) == [augmented, "Done.", "Thanks", "Bye."]


def test_a_step_that_saw_a_rewritten_history_keeps_what_it_saw():
    summary = talk("summary of before", "ok")
    rewritten = replace(run(*talk("a", "1")), steps=(Step(messages=summary),))
    assert merge_runs([rewritten]).steps[0].messages == summary


def test_counts_add_up_and_times_reach_from_the_first_start_to_the_last_end():
    def part(number: int) -> Trajectory:
        return run(
            *talk(f"q{number}", "a"),
            run_id=f"run-{number}",
            trace_ids=(f"t{number}",),
            final_response=f"answer {number}",
            agent="support",
            task=Task(conversation_id="conv", total_cost=0.25, text=f"task {number}"),
            metrics=TrajectoryMetrics(
                steps=1, num_tool_calls=2, num_tool_failures=1, llm_calls=1, input_tokens=10, output_tokens=5
            ),
            execution_metrics=ExecutionMetrics(
                llm_time=1.5, started_ns=number * 10_000_000_000, ended_ns=number * 10_000_000_000 + 2_000_000_000
            ),
            error="broken" if number == 2 else None,
        )

    merged = merge_runs(order_runs([part(2), part(1)]))
    assert (merged.run_id, merged.trace_ids, merged.agent) == ("run-1", ("t1", "t2"), "support")
    assert (merged.final_response, merged.error) == ("answer 2", "broken")
    task, metrics, times = merged.task, merged.metrics, merged.execution_metrics
    assert (task.text, task.num_turns, task.num_steps, task.total_tokens, task.total_cost) == (
        "task 1",
        2,
        2,
        30,
        0.5,
    )
    assert (metrics.llm_calls, metrics.num_tool_calls, metrics.tool_error_rate) == (2, 4, 0.5)
    assert (times.llm_time, times.total_time, times.started_ns) == (3.0, 12.0, 10_000_000_000)


def test_rewards_of_runs_are_weighed_together():
    def reward(value: float, weight: float) -> Reward:
        part = RewardComponent(name="review", value=value, scaled_value=value, weight=weight)
        return Reward(aggregated_value=value, components=(part,))

    merged = merge_runs([run(reward=reward(1.0, 1.0)), run(), run(reward=reward(0.0, 0.5))]).reward
    assert merged is not None
    assert merged.aggregated_value == pytest.approx(2 / 3)
    assert len(merged.components) == 2
    assert merge_rewards([]) is None


def test_telemetry_of_two_runs_reads_as_one_conversation():
    first = read(chat(1, inputs=[user("hi")], outputs=[assistant("hello")]))
    second = read(chat(5, inputs=[user("hi"), assistant("hello"), user("bye")], outputs=[assistant("farewell")]))
    assert texts(merge_runs([first, second])) == ["hi", "hello", "bye", "farewell"]


def test_nothing_is_an_empty_trajectory():
    assert merge_runs([]).messages == ()
