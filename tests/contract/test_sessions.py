"""Sessions and typed trajectories are the same whichever way they are asked for."""

import json

import pytest

from reflect_otel import InvalidArgument, NotFound, TraceResult, reflect_trace
from reflect_otel.model.trajectory_json import trajectory_to_json

from .runs import CHAT, FEEDBACK, TASK

FOLLOW_UP = [{"role": "user", "content": "And the other one?"}, {"role": "assistant", "content": "A-2 as well."}]


def talk(client, session_id="conv-1"):
    """Two runs of one conversation; the second sends the first again."""
    first = client.create_trace_and_wait(TASK, CHAT, model="m-1", session_id=session_id)
    second = client.create_trace_and_wait(
        "And the other one?", [*CHAT, *FOLLOW_UP], model="m-2", session_id=session_id
    )
    return [first.id, second.id]


def test_a_session_holds_each_message_once(client):
    run_ids = talk(client)
    client.create_trace_and_wait(TASK, CHAT, session_id="another conversation")
    session = client.get_session("conv-1")
    assert list(session.trajectory) == [*CHAT, *FOLLOW_UP]
    assert (session.id, session.num_turns, session.final_response) == ("conv-1", 2, "A-2 as well.")
    assert [run.id for run in session.runs] == run_ids
    assert (session.models, session.tool_calls, session.older_runs_left_out) == (("m-1", "m-2"), 1, False)
    assert session.started_ns == session.runs[0].started_ns
    assert session.ended_ns == session.runs[1].ended_ns


def test_every_pattern_can_record_a_turn_of_a_conversation(client):
    @reflect_trace(client, session_id=lambda question, chat: chat, blocking=True)
    def answer(ctx, question, chat):
        return TraceResult("A-2 as well.", [*CHAT, *FOLLOW_UP])

    with client.trace(TASK, session_id="conv-1", blocking=True) as ctx:
        ctx.set_output(CHAT)
    answer("And the other one?", chat="conv-1")
    answer("And the other one?", chat=None)
    session = client.get_session("conv-1")
    assert list(session.trajectory) == [*CHAT, *FOLLOW_UP]
    assert [run.session_id for run in session.runs] == ["conv-1", "conv-1"]
    assert sorted(trace.session_id or "" for trace in client.list_traces()) == ["", "conv-1", "conv-1"]


@pytest.mark.parametrize("session_id", ["x" * 201, "line\nbreak", 7])
def test_a_session_id_that_cannot_be_stored_is_refused_before_the_agent_begins(client, session_id):
    with pytest.raises(InvalidArgument, match="session_id"), client.trace(TASK, session_id=session_id):
        pytest.fail("the agent has begun")
    with pytest.raises(InvalidArgument, match="session_id"):
        client.create_trace(TASK, CHAT, session_id=session_id)
    assert client.list_traces() == []


def test_the_runs_of_a_session_tell_whether_they_are_reviewed(client):
    first, _ = talk(client)
    client.review_trace(first, result="fail", feedback_text=FEEDBACK)
    assert [run.review_status for run in client.get_session("conv-1").runs] == ["reviewed", "pending"]
    assert client.get_session("conv-1").runs[0].created_memory_id


def test_a_run_has_a_typed_trajectory_with_its_reward(client):
    run_id, _ = talk(client)
    client.review_trace(run_id, result="fail", feedback_text=FEEDBACK, score=0.25)
    trajectory = client.get_trajectory(run_id)
    assert (trajectory.run_id, trajectory.task.text, trajectory.task.num_turns) == (run_id, TASK, 1)
    assert trajectory.messages[1].tool_calls[0].arguments == {"item": "coffee"}
    assert trajectory.reward.aggregated_value == 0.25
    assert trajectory.reward.components[0].explanation == FEEDBACK
    assert trajectory.execution_metrics.started_ns == client.get_trace(run_id).started_ns
    assert client.get_trajectory(trajectory.trace_ids[0]) == trajectory


def test_a_session_has_a_typed_trajectory(client):
    talk(client)
    trajectory = client.get_trajectory(session_id="conv-1")
    assert (trajectory.task.conversation_id, trajectory.task.num_turns) == ("conv-1", 2)
    assert [len(step.messages) for step in trajectory.steps] == [2, 4, 6]
    assert len(trajectory.trace_ids) == 2


def test_a_long_session_comes_whole(client):
    page = "x" * 2_000_000
    for number in range(3):
        chat = [{"role": "user", "content": f"{number} {page}"}, {"role": "assistant", "content": page}]
        client.create_trace_and_wait(f"task {number}", chat, session_id="long")
    session = client.get_session("long")
    assert [len(message["content"]) for message in session.trajectory] == [2_000_002, 2_000_000] * 3
    assert len(client.get_trajectory(session_id="long").messages) == 6


def test_what_is_not_there_is_not_found(client):
    for ask in (
        lambda: client.get_session("nowhere"),
        lambda: client.get_trajectory("nowhere"),
        lambda: client.get_trajectory(session_id="nowhere"),
    ):
        with pytest.raises(NotFound, match="nowhere"):
            ask()


@pytest.mark.parametrize("ids", [{}, {"trace_id": "a", "session_id": "b"}, {"session_id": ""}, {"trace_id": "a\nb"}])
def test_ids_that_are_none_are_refused(client, ids):
    with pytest.raises(InvalidArgument):
        client.get_trajectory(**ids)
    with pytest.raises(InvalidArgument):
        client.get_session("")


def test_both_ways_answer_alike(clients):
    for client in clients.values():
        client.create_trace_and_wait(TASK, CHAT, trace_id="run-1", session_id="conv-1")
    ours, theirs = (json.dumps(_timeless(client)) for client in clients.values())
    assert ours == theirs


def _timeless(client):
    document = trajectory_to_json(client.get_trajectory(session_id="conv-1"))
    del document["execution_metrics"]
    return document
