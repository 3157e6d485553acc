"""The patterns, the async client and the public surface, whichever way the calls go."""

import asyncio
from pathlib import Path

import pytest

from reflect_otel import AsyncReflectClient, ReflectClient, delivery_status, reflect_trace

from .runs import CHAT, TASK, learn


def test_a_block_is_recorded_with_the_memories_it_was_served(client):
    memory_id = learn(client).created_memory_id
    with client.trace(TASK, blocking=True) as ctx:
        ctx.set_output(CHAT, result="pass")
    (_, trace) = sorted(client.list_traces(), key=lambda trace: trace.started_ns)
    assert (trace.review_status, list(trace.retrieved_memory_ids)) == ("reviewed", [memory_id])
    assert client.get_memory(memory_id).utility == 0.75


def test_an_exception_in_a_decorated_function_is_one_failed_run(client):
    @reflect_trace(client, TASK, blocking=True)
    def agent(ctx):
        raise RuntimeError("the shop is closed")

    with pytest.raises(RuntimeError, match="closed"):
        agent()
    (trace,) = client.list_traces(review_status="reviewed")
    assert trace.review.result == "fail"
    assert "the shop is closed" in trace.review.feedback


def test_a_pattern_may_ask_for_fewer_notes_than_there_are_places(client, address, project):
    for number in range(2):
        client.create_memory(TASK, f"Lesson {number}", metadata={"n": str(number)})
    wish = {"lambda_": 1.0, "max_injected": 1}

    @reflect_trace(client, TASK, **wish)
    def agent(ctx):
        return len(ctx.memories)

    async def main():
        other = AsyncReflectClient(address, project_id=project, augment_timeout=10)
        async with other, other.trace(TASK, **wish) as ctx:
            return len(ctx.memories)

    with client.trace(TASK, lambda_=1.0) as both, client.trace(TASK, **wish) as one:
        assert (len(both.memories), len(one.memories)) == (2, 1)
    assert (agent(), asyncio.run(main())) == (1, 1)


def test_what_was_recorded_is_counted(client):
    client.create_trace(TASK, CHAT)
    with client.trace(TASK):
        pass
    assert (client.status.delivered, client.status.dropped, client.status.degraded) == (2, 0, False)
    assert delivery_status().runs.delivered >= 2


def test_the_async_client_does_the_same(address, project):
    async def main():
        async with AsyncReflectClient(address, project_id=project, augment_timeout=10) as client:
            trace = await client.create_trace_and_wait(TASK, CHAT, review_result="fail", feedback_text="Ask first.")
            augmented = await client.augment_with_memories(TASK)
            async with client.trace(TASK, blocking=True) as ctx:
                ctx.set_output(CHAT, result="pass")
            listed = [listed.id async for listed in client.iter_traces()]
            waits = [client.wait_for_trace(run_id, require_reviewed=True) for run_id in listed]
            return trace, augmented, await asyncio.gather(*waits)

    trace, augmented, waited = asyncio.run(main())
    assert [memory.id for memory in augmented.memories] == [trace.created_memory_id]
    assert not augmented.degraded
    assert {each.review_status for each in waited} == {"reviewed"}
    assert len(waited) == 2


def test_every_public_call_is_under_this_contract():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    calls = [name for name in dir(ReflectClient) if not name.startswith("_")]
    assert len(calls) > 15
    assert [name for name in calls if f"client.{name}(" not in tests and name not in WAYS_IN] == []


WAYS_IN = {"close", "embedded", "trace_async", "status"}
"""``close`` and ``embedded`` are what the fixtures and tests/journeys/test_embedded.py use; ``status`` is no call."""
