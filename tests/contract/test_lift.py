"""Control group and lift the same whichever way, through the client alone."""

import asyncio

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from reflect_otel import AsyncReflectClient, InvalidArgument

from .runs import CHAT, TASK

RUNS = 24


def play(client, number):
    """A run that passes when it was served a memory, recorded by pattern and learned from."""
    with client.trace(f"{TASK} {number}", blocking=True, lambda_=1.0) as run:
        run.set_output(CHAT, result="pass" if run.memories else "fail")
    return run


def test_nothing_is_withheld_unless_a_share_is_set(client):
    client.create_memory(TASK, "Ask which order is meant.")
    assert not client.augment_with_memories(TASK).control
    report = client.get_lift()
    assert (report.control_share, report.project.difference, report.project.with_memory.runs) == (0.0, None, 0)


def test_the_control_group_gets_no_memory_and_the_lift_tells_what_that_costs(client):
    client.create_memory(TASK, "Ask which order is meant.")
    client.update_project_settings(control_share=0.5, max_injected=1)
    runs = [play(client, number) for number in range(RUNS)]
    control = [run for run in runs if run.control]
    assert 0 < len(control) < RUNS
    assert all(run.augmented_task == run.task and not run.memories for run in control)
    assert all(client.get_trace(run.run_id).retrieved_memory_ids == () for run in control)
    lift = client.get_lift(half_width=0.1).project
    assert (lift.without_memory.runs, lift.with_memory.runs) == (len(control), RUNS - len(control))
    assert (lift.difference, lift.with_memory.pass_rate, lift.without_memory.pass_rate) == (1.0, 1.0, 0.0)
    assert lift.conclusion == "helps"
    assert lift.low > 0.3
    assert lift.runs_needed > 0


def test_one_run_is_on_one_side_for_all_its_calls(client):
    client.create_memory(TASK, "Ask which order is meant.")
    client.update_project_settings(control_share=0.5)
    sides = []
    for number in range(1, 13):
        span = SpanContext(number << 64, 7, is_remote=False, trace_flags=TraceFlags(1))
        with use_span(NonRecordingSpan(span)):
            sides.append({client.augment_with_memories(TASK).control for _ in range(3)})
    assert all(len(side) == 1 for side in sides)


def test_a_stopped_project_says_why_and_goes_on_when_told_to(client):
    client.create_memory(TASK, "Ask which order is meant.")
    client.update_project_settings(serving=False)
    augmented = client.augment_with_memories(TASK)
    assert (augmented.augmented_task, augmented.memories, augmented.degraded) == (TASK, (), False)
    assert augmented.serving_stopped_reason == client.get_lift().serving_stopped_reason == "stopped by hand"
    resumed = client.update_project_settings(serving=True)
    assert (resumed.serving, resumed.evidence_since_ns > 0) == (True, True)
    assert client.augment_with_memories(TASK).memories


def test_a_wrong_argument_is_refused(client):
    for wrong in ({"half_width": 0.0}, {"half_width": "wide"}, {"agent": "a\nb"}, {"since_ns": "then"}):
        with pytest.raises(InvalidArgument):
            client.get_lift(**wrong)


def test_the_coroutine_answers_the_same(address, client, project):
    async def main():
        async with AsyncReflectClient(address, project_id=project) as asynchronous:
            return await asynchronous.get_lift(half_width=0.2)

    assert asyncio.run(main()) == client.get_lift(half_width=0.2)
