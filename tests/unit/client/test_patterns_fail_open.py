"""A service that is away, slow or unwilling: the agent goes on as if nothing were, the run arrives later."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time

import grpc
import pytest

from reflect_otel import AsyncReflectClient, InvalidArgument, ReflectClient, reflect_trace
from reflect_otel.client.submission import Submissions
from reflect_otel.errors import Unavailable
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.waiting import wait_until
from tests.wire_server import WireServer, reason, refuse

ANSWER = [{"role": "assistant", "content": "Refunded."}]


def echo(request, context):
    return wire.AugmentResponse(augmented_task=request.task)


def store(request, context):
    return wire.CreateTraceResponse(trace_id=request.trace_id)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def black_hole():
    """A socket that accepts and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    for connection in taken:
        connection.close()


def agent_run(client, **options):
    with client.trace("task", **options) as ctx:
        ctx.set_output(trajectory=ANSWER, result="pass")
    return ctx


def test_nobody_at_the_address_costs_the_agent_nothing(caplog):
    with ReflectClient(f"http://127.0.0.1:{free_port()}") as client:
        began = time.perf_counter()
        ctx = agent_run(client)
        took = time.perf_counter() - began
        assert (ctx.augmented_task, ctx.memories, ctx.degraded) == ("task", (), True)
        assert ctx.trace_id == ctx.run_id
        assert took < 2 * 0.3 + 0.1


def test_a_black_hole_costs_the_deadline_and_not_more(black_hole):
    client = ReflectClient(black_hole)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert agent_run(client).degraded
        times.append(time.perf_counter() - began)
    client._submissions.close(0)
    assert max(times) < 0.32 + 0.08  # a busy machine


def test_a_black_hole_does_not_hold_up_an_event_loop(black_hole):
    async def main():
        client = AsyncReflectClient(black_hole)

        async def agent(number):
            async with client.trace(f"task {number}") as ctx:
                ctx.set_output(trajectory=ANSWER)
            return ctx.degraded

        began = time.perf_counter()
        assert all(await asyncio.gather(*(agent(number) for number in range(50))))
        took = time.perf_counter() - began
        client.sync._submissions.close(0)
        return took

    assert asyncio.run(main()) < 1.5


def test_a_refused_key_does_not_stop_the_agent(service, client, caplog):
    service.answers["Augment"] = refuse(grpc.StatusCode.UNAUTHENTICATED, "unknown key", reason("UNAUTHENTICATED"))
    service.answers["CreateTrace"] = service.answers["Augment"]
    assert agent_run(client).degraded
    assert agent_run(client).degraded
    client._submissions.close(0)
    assert 0 < sum("without memories" in record.message for record in caplog.records) < 2


def test_a_service_that_comes_back_gets_every_run_once():
    port = free_port()
    client = ReflectClient(f"http://127.0.0.1:{port}")
    away = [agent_run(client) for _ in range(3)]
    server = WireServer(port)
    server.answers.update(Augment=echo, CreateTrace=store)
    try:
        wait_until(lambda: client._submissions.waiting == 0, 20)
        there = agent_run(client)
        arrived = [request.trace_id for request in server.requests("CreateTrace")]
        assert arrived == [ctx.trace_id for ctx in (*away, there)]
    finally:
        client.close()
        server.stop()


def test_a_service_that_goes_away_in_the_middle_changes_nothing_for_the_agent():
    server = WireServer()
    server.answers["Augment"] = echo
    client = ReflectClient(server.url, augment_timeout=5)
    scope = client.trace("task")
    ctx = scope.__enter__()
    assert not ctx.degraded
    server.stop()
    ctx.set_output(trajectory=ANSWER)
    scope.__exit__(None, None, None)
    assert client._submissions.waiting == 1
    client._submissions.close(0)


def test_a_slow_answer_is_stored_once_although_it_was_sent_again(service):
    gate = threading.Event()

    def slow(request, context):
        gate.wait(0.5)
        return store(request, context)

    service.answers.update(Augment=echo, CreateTrace=slow)
    client = ReflectClient(service.url, augment_timeout=0.2)
    ctx = agent_run(client)
    gate.set()
    wait_until(lambda: client._submissions.waiting == 0, 10)
    assert {request.trace_id for request in service.requests("CreateTrace")} == {ctx.trace_id}
    client.close()


def test_blocking_never_raises_either(service, client):
    def failed(request, context):
        yield wire.WaitTraceResponse(
            trace=wire.Trace(id=request.trace_id, ingest_status=wire.INGEST_STATUS_FAILED, last_ingest_error="broken")
        )

    service.answers.update(Augment=echo, CreateTrace=store, WaitTrace=failed)
    assert agent_run(client, blocking=True).trace_id
    service.answers["CreateTrace"] = refuse(grpc.StatusCode.UNAVAILABLE, "away", reason("UNAVAILABLE"))
    assert agent_run(client, blocking=True).trace_id
    assert client._submissions.waiting == 1
    client._submissions.close(0)


def test_explicit_calls_still_raise():
    with ReflectClient(f"http://127.0.0.1:{free_port()}", timeout=1) as client, pytest.raises(Unavailable):
        client.create_trace("task", ANSWER)


def test_an_error_of_the_agent_is_not_hidden_by_an_error_of_ours(service, client):
    service.answers.update(Augment=echo, CreateTrace=refuse(grpc.StatusCode.INTERNAL, "bug"))
    with pytest.raises(ZeroDivisionError), client.trace("task"):
        _ = 1 / 0
    client._submissions.close(0)


def test_warnings_do_not_flood_the_log(service, client, caplog):
    service.answers.update(Augment=refuse(grpc.StatusCode.INTERNAL, "bug"), CreateTrace=store)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            agent_run(client)
    assert len([record for record in caplog.records if "without memories" in record.message]) <= 1


class Away:
    """A way to a service that never answers."""

    def call(self, method, request, timeout_seconds):
        raise Unavailable("away")

    def stream(self, method, request, timeout_seconds):
        raise Unavailable("away")

    def close(self):
        pass


def test_waiting_records_are_bounded_in_bytes_and_the_oldest_go_first():
    submissions = Submissions(Away(), 0.1, max_waiting_bytes=10_000)
    for number in range(30):
        submissions.submit(wire.CreateTraceRequest(trace_id=f"run-{number}", task="x" * 1_000))
    assert submissions.waiting <= 10
    assert submissions.dropped == 30 - submissions.waiting
    submissions.close(0)
    assert (submissions.waiting, submissions.dropped) == (0, 30)


def test_a_refused_record_is_given_up_and_the_next_one_sent(service, client):
    def refuse_first(request, context):
        if request.task == "bad":
            refuse(grpc.StatusCode.NOT_FOUND, "no such project", reason("NOT_FOUND"))(request, context)
        return store(request, context)

    service.answers.update(Augment=echo, CreateTrace=refuse_first)
    for task in ("bad", "good"):
        with client.trace(task):
            pass
    assert client._submissions.dropped == 1
    assert [request.task for request in service.requests("CreateTrace")] == ["bad", "good"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_sends_its_own_runs_and_not_its_parents(service):
    code = f"""
import os
from reflect_otel import ReflectClient
client = ReflectClient({service.url!r}, augment_timeout=10)
with client.trace("parent") as ctx:
    child = os.fork()
    if child == 0:
        with client.trace("child"):
            pass
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
client.close()
"""
    service.answers.update(Augment=echo, CreateTrace=store)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(request.task for request in service.requests("CreateTrace")) == ["child", "parent"]


def test_runs_that_wait_at_the_end_of_the_process_are_sent_then(service):
    code = f"""
from reflect_otel import ReflectClient
client = ReflectClient({service.url!r}, augment_timeout=10)
try:
    with client.trace("stopped"):
        raise KeyboardInterrupt
except KeyboardInterrupt:
    pass
"""
    service.answers.update(Augment=echo, CreateTrace=store)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert [request.task for request in service.requests("CreateTrace")] == ["stopped"]


def test_options_that_the_service_refuses_raise_before_the_agent_begins(service, client):
    from tests.wire_server import bad_field

    service.answers["Augment"] = refuse(grpc.StatusCode.INVALID_ARGUMENT, "limit is 0", bad_field("options.limit"))
    with pytest.raises(InvalidArgument), client.trace("task", limit=0):
        pytest.fail("the agent ran")
    with pytest.raises(InvalidArgument):
        reflect_trace(client, limit=0)(lambda ctx, task: pytest.fail("the agent ran"))("task")
