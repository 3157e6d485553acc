"""Sessions and typed trajectories over the wire: what belongs together, what is left out, how big a part may be."""

import json

import grpc
import pytest

from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.trajectory import Message, Role
from reflect_otel.model.trajectory_json import trajectory_from_json
from reflect_otel.service import sessions
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.unit.service.backend import CHAT


def turn(number: int, text: str = "") -> tuple[Message, ...]:
    question = Message(role=Role.USER, content=f"question {number} {text}")
    return question, Message(role=Role.ASSISTANT, content=f"answer {number}")


def get_session(api, session_id="conv"):
    whole = wire.Session()
    for part in api.call("GetSession", wire.GetSessionRequest(session_id=session_id)):
        whole.MergeFrom(part.session)
    return whole


def get_trajectory(api, **whose):
    parts = api.call("GetTrajectory", wire.GetTrajectoryRequest(**whose))
    return trajectory_from_json(json.loads("".join(part.json_part for part in parts)))


def test_parts_fit_into_the_message_that_any_grpc_client_takes(backend, api):
    long = "x" * 1_500_000
    for number in range(4):
        backend.create_run(
            run_id=f"run-{number}", task=long[:200_000], messages=turn(number, long), session_id="conv"
        )
    parts = list(api.call("GetSession", wire.GetSessionRequest(session_id="conv")))
    assert [len(part.session.trajectory) for part in parts if part.session.trajectory] == [4, 4]
    pieces = list(api.call("GetTrajectory", wire.GetTrajectoryRequest(session_id="conv")))
    assert len(pieces) == 6
    assert max(part.ByteSize() for part in (*parts, *pieces)) < 4 * 1024 * 1024


def test_a_session_longer_than_may_be_read_keeps_its_newest_runs(backend, api, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSION_RUNS", 2)
    for number in range(3):
        backend.create_run(run_id=f"run-{number}", messages=turn(number), session_id="conv")
    session = get_session(api)
    assert ([run.id for run in session.runs], session.older_runs_left_out) == (["run-1", "run-2"], True)
    assert session.num_turns == get_trajectory(api, session_id="conv").task.num_turns == 2


def test_a_run_that_was_accepted_a_moment_ago_is_in_its_session(backend, api):
    backend.intake.held = True
    backend.create_run(session_id="conv")
    assert [run.id for run in get_session(api).runs] == ["run-1"]


def test_agents_and_models_are_named_in_order_of_their_first_run(backend, api):
    for agent, model in (("planner", "m-1"), ("writer", "m-2"), ("planner", "m-1")):
        backend.create_run(run_id=f"run-{backend.clock()}", agent=agent, model=model, session_id="conv")
    session = get_session(api)
    assert (list(session.agents), list(session.models)) == (["planner", "writer"], ["m-1", "m-2"])


def test_reviews_given_later_are_in_the_reward(backend, api):
    backend.create_run(run_id="run-1", session_id="conv")
    backend.create_run(run_id="run-2", session_id="conv")
    for run_id, result in (("run-1", ReviewResult.PASS), ("run-2", ReviewResult.FAIL)):
        backend.operations.review_trace("shop", run_id, Review(result=result))
    assert get_trajectory(api, trace_id="run-1").reward.aggregated_value == 1.0
    assert get_trajectory(api, session_id="conv").reward.aggregated_value == 0.5


def test_an_open_run_is_in_no_session_and_has_no_trajectory_yet(backend, api):
    backend.intake.open_run("shop", "open")
    failure = api.failure("GetTrajectory", wire.GetTrajectoryRequest(trace_id="open"))
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION")
    assert "still open" in failure.text


@pytest.mark.parametrize("body", [{}, {"trace_id": "a\x00"}, {"session_id": "s" * 201}])
def test_ids_that_are_none_are_refused(refusing_api, body):
    failure = refusing_api.failure("GetTrajectory", wire.GetTrajectoryRequest(**body))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")


def test_a_trajectory_keeps_nanoseconds_and_text_that_is_no_character(backend, api):
    backend.clock.advance(1_800_000_000_123_456_789)
    backend.create_run(messages=(*CHAT, Message(role=Role.ASSISTANT, content="half \ud83d of it")))
    trajectory = get_trajectory(api, trace_id="run-1")
    assert trajectory.messages[-1].content == "half \ud83d of it"
