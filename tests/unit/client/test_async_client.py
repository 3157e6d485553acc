"""The asyncio client: the same calls, any number of loops, no loop held up, nothing left behind."""

import asyncio
import inspect
import os
import threading

import grpc
import pytest

from reflect_otel import AsyncReflectClient, NotFound, ReflectClient
from reflect_otel.capture.run_context import run
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.waiting import wait_until
from tests.wire_server import reason, refuse

PUBLIC = sorted(name for name in dir(ReflectClient) if not name.startswith("_"))
ONLY_SYNC = {"iter_memory_pages", "iter_trace_pages"}
"""What iterating is made of."""


def parameters(function):
    return [(p.name, p.kind, p.default, p.annotation) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ONLY_SYNC])
def test_every_call_has_its_twin_with_the_same_signature(name):
    ours, theirs = getattr(AsyncReflectClient, name), getattr(ReflectClient, name)
    if not callable(theirs):
        return
    assert parameters(ours) == parameters(theirs)
    if name in ("trace", "trace_async"):
        assert inspect.signature(ours).return_annotation == inspect.signature(theirs).return_annotation
    elif name.startswith("iter_"):
        assert inspect.isasyncgenfunction(ours)
    elif not isinstance(inspect.getattr_static(ReflectClient, name), classmethod):
        assert inspect.iscoroutinefunction(ours)


def test_both_are_built_with_the_same_arguments():
    assert parameters(AsyncReflectClient.__init__) == parameters(ReflectClient.__init__)


def test_calls_answer_and_raise_as_the_blocking_ones_do(service):
    async def main():
        async with AsyncReflectClient(service.url) as client:
            assert [memory.id for memory in await client.query_memories("task", limit=3)] == ["m1"]
            assert [memory.id async for memory in client.iter_memories()] == ["m1", "m2"]
            assert [trace.id for trace in await client.list_traces(review_status="pending")] == ["r"]
            with pytest.raises(NotFound, match="no such run"):
                await client.get_trace("none")

    service.answers.update(
        QueryMemories=wire.QueryMemoriesResponse(memories=[wire.Memory(id="m1")]),
        ListMemories=lambda request, context: wire.ListMemoriesResponse(
            memories=[wire.Memory(id="m2" if request.page_token else "m1")],
            next_page_token="" if request.page_token else "more",
        ),
        ListTraces=wire.ListTracesResponse(traces=[wire.Trace(id="r")]),
        GetTrace=refuse(grpc.StatusCode.NOT_FOUND, "no such run", reason("NOT_FOUND")),
    )
    asyncio.run(main())
    asyncio.run(main())  # another loop, the same process


def test_one_client_serves_loops_of_several_threads(service):
    service.answers["GetTrace"] = lambda request, context: wire.GetTraceResponse(
        trace=wire.Trace(id=request.trace_id)
    )
    client = AsyncReflectClient(service.url)
    found = []

    async def main(first):
        traces = await asyncio.gather(*(client.get_trace(f"r{first + number}") for number in range(20)))
        found.extend(trace.id for trace in traces)

    threads = [threading.Thread(target=lambda first=first: asyncio.run(main(first))) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == sorted(f"r{number}" for number in range(60))
    client.sync.close()


def test_the_run_of_the_caller_travels_with_the_call(service):
    service.answers["Augment"] = wire.AugmentResponse(augmented_task="t")

    async def main():
        async with AsyncReflectClient(service.url, augment_timeout=5) as client:
            with run("my-run"):
                await client.augment_with_memories("t")

    asyncio.run(main())
    assert [request.run_id for request in service.requests("Augment")] == ["my-run"]


def test_many_waits_do_not_delay_an_augmentation(service):
    gate = threading.Event()

    def slow(request, context):
        gate.wait(20)
        yield wire.WaitTraceResponse(trace=wire.Trace(id=request.trace_id, ingest_status=4))

    service.answers.update(WaitTrace=slow, Augment=wire.AugmentResponse(augmented_task="t"))

    async def main():
        async with AsyncReflectClient(service.url, augment_timeout=5) as client:
            waits = [asyncio.create_task(client.wait_for_trace("r", wait_timeout=20)) for _ in range(6)]
            await asyncio.sleep(0)
            assert not (await client.augment_with_memories("t")).degraded
            still_waiting = [not wait.done() for wait in waits]
            gate.set()
            await asyncio.gather(*waits, return_exceptions=True)
            return still_waiting

    assert asyncio.run(main()) == [True] * 6


def test_a_cancelled_call_leaves_at_once(service):
    gate = threading.Event()

    answered = []

    def slow(request, context):
        gate.wait(60)
        answered.append(True)
        return wire.GetTraceResponse()

    service.answers["GetTrace"] = slow

    async def main():
        client = AsyncReflectClient(service.url)
        task = asyncio.create_task(client.get_trace("r"))
        while not service.requests("GetTrace"):
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        has_answered = bool(answered)
        gate.set()
        await client.close()
        return has_answered

    assert not asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_calls_of_its_own(service):
    service.answers["GetTrace"] = lambda request, context: wire.GetTraceResponse(
        trace=wire.Trace(id=request.trace_id)
    )
    client = AsyncReflectClient(service.url)
    assert asyncio.run(client.get_trace("parent")).id == "parent"
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(client.get_trace("child")).id == "child" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert asyncio.run(client.get_trace("parent again")).id == "parent again"
    client.sync.close()


def test_threads_are_used_again():
    from reflect_otel.client.call_threads import run_in_thread

    async def main():
        threads = [await run_in_thread(threading.current_thread) for _ in range(100)]
        return len(set(threads))

    assert asyncio.run(main()) <= 2  # one, and one that an earlier test left at work and that comes free meanwhile


def test_a_loop_that_is_gone_is_no_trouble(service):
    gate = threading.Event()
    service.answers["GetTrace"] = lambda request, context: (gate.wait(20), wire.GetTraceResponse())[1]
    client = AsyncReflectClient(service.url)
    loop = asyncio.new_event_loop()
    task = loop.create_task(client.get_trace("r"))
    loop.run_until_complete(asyncio.sleep(0.01))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    gate.set()
    wait_until(lambda: service.requests("GetTrace"), 10)
    client.sync.close()
