import json
import time

from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.model import trajectory as t
from reflect_otel.model.trajectory_json import (
    message_from_json,
    message_to_json,
    trajectory_from_json,
    trajectory_to_json,
)

TEXTS = st.text(max_size=6)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, JSON_VALUES, max_size=3)
SHARES = st.floats(0, 1)


def of(kind, **fields):
    """Any instance of ``kind``, some of the given fields set."""
    return st.fixed_dictionaries({}, optional=fields).map(lambda given_fields: kind(**given_fields))


CALLS = st.builds(t.ToolCall, name=TEXTS, arguments=OBJECTS, id=st.none() | TEXTS)
RESPONSES = st.builds(
    t.ToolResponse, id=TEXTS, name=TEXTS, arguments=OBJECTS, response=JSON_VALUES, error=st.none() | TEXTS
)
MESSAGES = st.builds(
    t.Message,
    role=st.sampled_from(t.Role),
    content=st.none() | TEXTS,
    tool_calls=st.none() | st.lists(CALLS, max_size=2).map(tuple),
    tool_response=st.none() | RESPONSES,
    usage=st.none() | st.dictionaries(TEXTS, st.integers(), max_size=2),
    finish_reason=st.none() | TEXTS,
    reasoning=st.none() | TEXTS,
    name=st.none() | TEXTS,
    trainable_status=st.sampled_from(t.TrainableStatus),
)
COMPONENTS = st.builds(t.RewardComponent, name=TEXTS, value=SHARES, scaled_value=SHARES, weight=SHARES)
REWARDS = st.none() | st.builds(
    t.Reward,
    aggregated_value=SHARES,
    aggregation_method=TEXTS,
    components=st.lists(COMPONENTS, max_size=2).map(tuple),
)


@st.composite
def trajectories(draw):
    messages = tuple(draw(st.lists(MESSAGES, max_size=5)))
    prefixes = st.integers(0, len(messages)).map(lambda end: t.MessagePrefix(messages, end))
    rewritten = st.lists(st.sampled_from(messages) | MESSAGES if messages else MESSAGES, max_size=4).map(tuple)
    steps = st.builds(
        t.Step,
        messages=prefixes | rewritten,
        reward=REWARDS,
        info=st.none() | OBJECTS,
        trainable_status=st.sampled_from(t.TrainableStatus),
    )
    return t.Trajectory(
        messages=messages,
        steps=tuple(draw(st.lists(steps, max_size=4))),
        task=draw(of(t.Task, conversation_id=TEXTS, num_turns=st.integers(), total_cost=SHARES, text=TEXTS)),
        reward=draw(REWARDS),
        metrics=draw(st.none() | of(t.TrajectoryMetrics, steps=st.integers(), tool_error_rate=SHARES)),
        execution_metrics=draw(
            st.none()
            | of(
                t.ExecutionMetrics,
                env_time=SHARES,
                termination_reason=st.sampled_from(t.TerminationReason),
                started_ns=st.integers(),
            )
        ),
        error=draw(st.none() | TEXTS),
        run_id=draw(TEXTS),
        trace_ids=tuple(draw(st.lists(TEXTS, max_size=2))),
        agent=draw(st.none() | TEXTS),
        model=draw(st.none() | TEXTS),
        final_response=draw(st.none() | TEXTS),
        dialects=tuple(draw(st.lists(TEXTS, max_size=2))),
        inferred=draw(st.booleans()),
        problems=tuple(draw(st.lists(TEXTS, max_size=2))),
    )


@given(trajectories())
def test_a_trajectory_comes_back_equal_through_strict_json(trajectory):
    text = json.dumps(trajectory_to_json(trajectory), allow_nan=False)
    assert trajectory_from_json(json.loads(text)) == trajectory


@given(MESSAGES)
def test_a_message_comes_back_equal(message):
    assert message_from_json(json.loads(json.dumps(message_to_json(message)))) == message


def test_values_that_json_cannot_say_survive():
    call = t.ToolCall(name="f", arguments={"a": float("inf"), "b": b"\0", "c": {"$bytes": "x"}, "d": "\ud800"})
    message = t.Message(role=t.Role.ASSISTANT, tool_calls=(call,))
    text = json.dumps(message_to_json(message), allow_nan=False)
    assert message_from_json(json.loads(text)) == message


def test_a_run_of_many_messages_stays_linear():
    messages = tuple(t.Message(role=t.Role.USER, content=f"message {at}") for at in range(10_000))
    steps = tuple(t.Step(messages=t.MessagePrefix(messages, at)) for at in range(1, 10_001))
    trajectory = t.Trajectory(messages=messages, steps=steps)
    start = time.monotonic()
    text = json.dumps(trajectory_to_json(trajectory))
    again = trajectory_from_json(json.loads(text))
    assert time.monotonic() - start < 5
    assert len(text) < 150 * len(messages)
    assert len(again.steps[-1].messages) == 10_000
    assert all(step.messages.shared is again.messages for step in again.steps)
