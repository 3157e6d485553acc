"""A service that is away, slow or unwilling: the agent goes on as if nothing were, the run arrives later."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time

import grpc
import pytest

from reflect_otel import AsyncReflectClient, AuthError, InvalidArgument, ReflectClient, delivery_status, reflect_trace
from reflect_otel.client.submission import Submissions
from reflect_otel.errors import Unavailable
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.gateway import black_hole, unreachable
from tests.otlp_sink import attributes_of
from tests.waiting import wait_until
from tests.wire_server import WireServer, bad_field, reason, refuse

ANSWER = [{"role": "assistant", "content": "Refunded."}]


def echo(request, context):
    return wire.AugmentResponse(augmented_task=request.task)


def store(request, context):
    return wire.CreateTraceResponse(trace_id=request.trace_id)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(params=[black_hole, unreachable], ids=lambda kind: kind.__name__)
def silent_address(request):
    """Nobody answers there: connections are taken and left alone, or not even taken."""
    with request.param() as url:
        yield url


@pytest.fixture
def spool(tmp_path, monkeypatch):
    monkeypatch.setenv("REFLECT_SPOOL_DIR", str(tmp_path / "spool"))
    return tmp_path / "spool"


def agent_run(client, **options):
    with client.trace("task", **options) as ctx:
        ctx.set_output(trajectory=ANSWER, result="pass")
    return ctx


def run_ids_at(server):
    """Of the runs that arrived over OTLP."""
    return [attributes_of(span)["reflect.run.id"] for span in server.telemetry.spans]


def test_nobody_at_the_address_costs_the_agent_nothing(caplog):
    with ReflectClient(f"http://127.0.0.1:{free_port()}") as client:
        began = time.perf_counter()
        ctx = agent_run(client)
        took = time.perf_counter() - began
        assert (ctx.augmented_task, ctx.memories, ctx.degraded) == ("task", (), True)
        assert ctx.trace_id == ctx.run_id
        assert took < 5  # however busy the machine is: nothing was waited for, least of all an answer


def by_explicit_calls(client, **options):
    augmented = client.augment_with_memories("task")
    submission = client.create_trace("task", ANSWER, review_result="pass")
    assert submission.degraded == augmented.degraded
    return augmented


def by_decorator(client, **options):
    contexts = []

    @reflect_trace(client, **options)
    def agent(ctx, task):
        contexts.append(ctx)
        return "Refunded."

    assert agent("task") == "Refunded."
    return contexts[0]


@pytest.mark.parametrize(
    ("run", "options"),
    [
        (agent_run, {}),
        (agent_run, {"blocking": True}),
        (by_decorator, {}),
        (by_decorator, {"blocking": True}),
        (by_explicit_calls, {}),
    ],
)
def test_a_silent_service_costs_the_deadline_and_not_more(silent_address, run, options):
    client = ReflectClient(silent_address)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert run(client, **options).degraded
        times.append(time.perf_counter() - began)
    assert min(times) > 0.29
    wait_until(lambda: client.status.spooled == 5)
    client._submissions.close(0)
    assert min(times) < 2 * 0.3  # the deadline twice; a busy machine may hold up most of them


@pytest.mark.parametrize("run", [agent_run, by_decorator])
def test_a_slow_service_costs_the_deadline_once_for_memories_and_record_together(service, spool, run):
    gate = threading.Event()

    def slow(request, context):
        time.sleep(0.75)  # the slow service itself: half of the deadline
        return echo(request, context)

    service.answers.update(
        Augment=slow, CreateTrace=lambda request, context: gate.wait(20) and store(request, context)
    )
    client = ReflectClient(service.url, augment_timeout=1.5)
    began = time.perf_counter()
    ctx = run(client)
    took = time.perf_counter() - began
    gate.set()
    assert not ctx.degraded
    assert took < 0.75 + 1.5  # what the memories took, the record has not
    service.telemetry.wait_for_spans(1)
    assert run_ids_at(service) == [ctx.trace_id]
    client.close()


def test_an_answer_before_the_deadline_is_used_and_the_service_has_nearly_all_of_the_time(service, spool):
    deadlines = []

    def late(request, context):
        deadlines.append(time.monotonic() + context.time_remaining())
        time.sleep(1.5)  # the slow service itself, well within the deadline
        return wire.AugmentResponse(augmented_task="the task with memories")

    service.answers["Augment"] = late
    with ReflectClient(service.url, augment_timeout=4) as client:
        began = time.monotonic()
        augmented = client.augment_with_memories("task")
    assert (augmented.augmented_task, augmented.degraded) == ("the task with memories", False)
    assert deadlines[0] - began > 0.97 * 4


def test_after_an_unanswered_augment_one_run_goes_to_disk_unasked_and_the_next_is_offered(service, client, spool):
    service.answers.update(Augment=refuse(grpc.StatusCode.UNAVAILABLE, "away"), CreateTrace=store)
    assert client.augment_with_memories("task").degraded
    assert client.create_trace("task", ANSWER).degraded
    wait_until(lambda: client.status.spooled == 1)
    assert not client.create_trace("task", ANSWER).degraded
    service.telemetry.wait_for_spans(1)
    assert len(service.requests("CreateTrace")) == 1


def test_a_service_that_answers_again_is_offered_every_run(service, client, spool):
    service.answers.update(Augment=refuse(grpc.StatusCode.UNAVAILABLE, "away"), CreateTrace=store)
    assert client.augment_with_memories("task").degraded
    service.answers["Augment"] = echo
    assert not client.augment_with_memories("task").degraded
    assert not client.create_trace("task", ANSWER).degraded
    assert client.status.spooled == 0


def test_a_record_that_is_being_offered_counts_as_waiting(service, spool):
    gate = threading.Event()

    def hold(request, context):
        gate.wait(20)
        return store(request, context)

    service.answers.update(Augment=echo, CreateTrace=hold)
    with ReflectClient(service.url, augment_timeout=20) as client:
        agent = threading.Thread(target=agent_run, args=(client,))
        agent.start()
        wait_until(lambda: service.requests("CreateTrace"))
        assert client.status.waiting_bytes == service.requests("CreateTrace")[0].ByteSize()
        gate.set()
        agent.join()
        assert (client.status.waiting_bytes, client.status.delivered) == (0, 1)


def test_a_silent_service_does_not_hold_up_an_event_loop(silent_address):
    async def main():
        client = AsyncReflectClient(silent_address)

        async def agent(number):
            async with client.trace(f"task {number}") as ctx:
                ctx.set_output(trajectory=ANSWER)
            return ctx.degraded

        began = time.perf_counter()
        assert all(await asyncio.gather(*(agent(number) for number in range(50))))
        took = time.perf_counter() - began
        client.sync._submissions.close(0)
        return took

    assert asyncio.run(main()) < 50 * 0.3 / 2  # one after the other they would have taken at least twice that


def test_a_refused_key_does_not_stop_the_agent(service, client, caplog):
    service.answers["Augment"] = refuse(grpc.StatusCode.UNAUTHENTICATED, "unknown key", reason("UNAUTHENTICATED"))
    service.answers["CreateTrace"] = service.answers["Augment"]
    assert agent_run(client).degraded
    assert agent_run(client).degraded
    client._submissions.close(0)
    assert 0 < sum("without memories" in record.message for record in caplog.records) < 2


def test_a_service_that_comes_back_gets_every_run_once_and_in_order(spool):
    port = free_port()
    client = ReflectClient(f"http://127.0.0.1:{port}")
    away = [agent_run(client) for _ in range(3)]
    wait_until(lambda: client.status.spooled == 3)
    assert (client.status.degraded, client.status.dropped) == (True, 0)
    server = WireServer(port)
    server.answers.update(Augment=echo, CreateTrace=store)
    try:
        later = []
        wait_until(lambda: later.append(agent_run(client)) or client.status.delivered > 3, 20)
        wait_until(lambda: not client.status.degraded)
        over_otlp = run_ids_at(server)
        assert over_otlp[:3] == [ctx.trace_id for ctx in away]
        assert len(over_otlp) == len(set(over_otlp))
        arrived = {*over_otlp, *(request.trace_id for request in server.requests("CreateTrace"))}
        assert arrived == {ctx.trace_id for ctx in (*away, *later)}
        assert client.status.waiting_bytes == 0
    finally:
        client.close()
        server.stop()
    assert [path for path in spool.rglob("*") if path.is_file()] == []


def test_the_first_run_that_is_taken_sends_what_a_dead_process_left(spool):
    port = free_port()
    code = f"""
import os
from reflect_otel import ReflectClient
client = ReflectClient("http://127.0.0.1:{port}")
with client.trace("left behind") as ctx:
    ctx.set_output([], result="fail", feedback_text="nobody was asked")
    print(ctx.run_id, flush=True)
while not client.status.spooled:
    pass
os.kill(os.getpid(), 9)
"""
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    server = WireServer(port)
    server.answers.update(Augment=echo, CreateTrace=store)
    with ReflectClient(server.url, augment_timeout=5) as client:
        agent_run(client)
        (span,) = server.telemetry.wait_for_spans(1)
    server.stop()
    told = attributes_of(span)
    assert told["reflect.run.id"] == dead.stdout.strip()
    assert (told["reflect.task"], told["reflect.review.result"]) == ("left behind", "fail")
    assert told["reflect.review.feedback"] == "nobody was asked"


def test_an_address_whose_key_was_refused_gets_the_runs_when_it_takes_the_key(service, spool):
    refused = refuse(grpc.StatusCode.UNAUTHENTICATED, "unknown key", reason("UNAUTHENTICATED"))
    service.answers.update(Augment=refused, CreateTrace=refused)
    service.telemetry.answer = refused
    client = ReflectClient(service.url, augment_timeout=5)
    ctx = agent_run(client)
    wait_until(lambda: client.status.spooled == 1 and service.telemetry.attempts)
    service.telemetry.answer = None
    service.answers.update(Augment=echo, CreateTrace=store)
    there = agent_run(client)
    assert not there.degraded
    service.telemetry.wait_for_spans(1)
    assert run_ids_at(service) == [ctx.trace_id]
    client.close()


def test_a_service_that_goes_away_in_the_middle_changes_nothing_for_the_agent(spool):
    server = WireServer()
    server.answers["Augment"] = echo
    client = ReflectClient(server.url, augment_timeout=5)
    scope = client.trace("task")
    ctx = scope.__enter__()
    assert not ctx.degraded
    server.stop()
    ctx.set_output(trajectory=ANSWER)
    scope.__exit__(None, None, None)
    wait_until(lambda: client.status.spooled == 1)
    client.close()


def test_a_record_whose_acknowledgement_was_late_goes_both_ways_as_the_same_run(service, spool):
    gate = threading.Event()

    def slow(request, context):
        gate.wait(20)
        return store(request, context)

    service.answers.update(Augment=echo, CreateTrace=slow)
    client = ReflectClient(service.url, augment_timeout=0.2)
    ctx = agent_run(client)
    service.telemetry.wait_for_spans(1)
    gate.set()
    assert run_ids_at(service) == [ctx.trace_id]
    assert {request.trace_id for request in service.requests("CreateTrace")} == {ctx.trace_id}
    client.close()


def test_blocking_never_raises_either(service, client, spool):
    def failed(request, context):
        yield wire.WaitTraceResponse(
            trace=wire.Trace(id=request.trace_id, ingest_status=wire.INGEST_STATUS_FAILED, last_ingest_error="broken")
        )

    service.answers.update(Augment=echo, CreateTrace=store, WaitTrace=failed)
    assert agent_run(client, blocking=True).trace_id
    service.answers["CreateTrace"] = refuse(grpc.StatusCode.UNAVAILABLE, "away", reason("UNAVAILABLE"))
    assert agent_run(client, blocking=True).trace_id
    wait_until(lambda: client.status.spooled == 1)


def test_create_trace_keeps_the_run_on_disk_and_says_so(spool):
    port = free_port()
    client = ReflectClient(f"http://127.0.0.1:{port}", timeout=1)
    submission = client.create_trace("task", ANSWER, review_result="pass", trace_id="run-1")
    assert (submission.id, submission.ingest_status, submission.degraded) == ("run-1", "queued", True)
    assert (client.status.spooled, client.status.degraded, delivery_status().runs.degraded) == (1, True, True)
    server = WireServer(port)
    server.telemetry.wait_for_spans(1, 20)
    assert run_ids_at(server) == ["run-1"]
    wait_until(lambda: not client.status.degraded)  # without another call
    client.close()
    server.stop()


def test_create_trace_is_told_at_once_what_no_waiting_helps_against(service, client, spool):
    service.answers["CreateTrace"] = refuse(grpc.StatusCode.UNAUTHENTICATED, "unknown key", reason("UNAUTHENTICATED"))
    with pytest.raises(AuthError):
        client.create_trace("task", ANSWER)
    service.answers["CreateTrace"] = refuse(grpc.StatusCode.INVALID_ARGUMENT, "too long", bad_field("task"))
    with pytest.raises(InvalidArgument):
        client.create_trace("task", ANSWER)
    assert not spool.exists()


def test_where_there_is_no_disk_create_trace_raises():
    address = f"http://127.0.0.1:{free_port()}"
    with ReflectClient(address, timeout=20, spool_bytes=0) as client, pytest.raises(Unavailable):
        client.create_trace("task", ANSWER)


def test_where_there_is_no_disk_records_wait_in_memory_for_the_service(spool):
    port = free_port()
    client = ReflectClient(f"http://127.0.0.1:{port}", spool_bytes=0)
    away = [agent_run(client) for _ in range(2)]
    assert client._submissions.waiting == 2
    server = WireServer(port)
    server.answers.update(Augment=echo, CreateTrace=store)
    wait_until(lambda: client._submissions.waiting == 0, 20)
    assert [request.trace_id for request in server.requests("CreateTrace")] == [ctx.trace_id for ctx in away]
    client.close()
    server.stop()
    assert not spool.exists()


@pytest.mark.parametrize("call", ["get_trace", "review_trace", "query_memories", "delete_traces", "wait_for_trace"])
def test_explicit_calls_that_have_nothing_to_keep_raise(call):
    arguments = {"review_trace": {"result": "pass"}}.get(call, {})
    argument = ["run-1"] if call == "delete_traces" else "run-1"
    with ReflectClient(f"http://127.0.0.1:{free_port()}", timeout=20) as client, pytest.raises(Unavailable):
        getattr(client, call)(argument, **arguments)


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


class Closing(Away):
    """A way that is closed while a record is on it, as gRPC words it."""

    calls = 0

    def call(self, method, request, timeout_seconds):
        self.calls += 1
        if self.calls < 3:
            raise ValueError("Cannot invoke RPC on closed channel!")


def test_the_worker_outlives_what_nobody_expected():
    way = Closing()
    submissions = Submissions(way, 0.1)
    submissions.submit_later(wire.CreateTraceRequest(trace_id="run-1"))
    wait_until(lambda: submissions.waiting == 0)
    assert (way.calls, submissions.status.delivered, submissions.status.dropped) == (3, 1, 0)
    submissions.close(0)


def test_waiting_records_are_bounded_in_bytes_and_the_oldest_go_first():
    submissions = Submissions(Away(), 0.1, max_waiting_bytes=10_000)
    for number in range(30):
        submissions.submit(wire.CreateTraceRequest(trace_id=f"run-{number}", task="x" * 1_000), 0.1)
    assert submissions.waiting <= 10
    assert submissions.status.dropped == 30 - submissions.waiting
    submissions.close(0)
    assert (submissions.waiting, submissions.status.dropped) == (0, 30)


def test_a_refused_record_is_given_up_and_the_next_one_sent(service, client):
    def refuse_first(request, context):
        if request.task == "bad":
            refuse(grpc.StatusCode.NOT_FOUND, "no such project", reason("NOT_FOUND"))(request, context)
        return store(request, context)

    service.answers.update(Augment=echo, CreateTrace=refuse_first)
    for task in ("bad", "good"):
        with client.trace(task):
            pass
    assert client.status.dropped == 1
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
    service.answers["Augment"] = refuse(grpc.StatusCode.INVALID_ARGUMENT, "limit is 0", bad_field("options.limit"))
    with pytest.raises(InvalidArgument), client.trace("task", limit=0):
        pytest.fail("the agent ran")
    with pytest.raises(InvalidArgument):
        reflect_trace(client, limit=0)(lambda ctx, task: pytest.fail("the agent ran"))("task")


def test_a_decorator_without_its_client_is_refused_at_once():
    with pytest.raises(InvalidArgument, match=r"@reflect_trace\(ReflectClient\(\)\)"):

        @reflect_trace
        def answer(ctx, question):
            return question


def test_a_function_without_a_place_for_the_context_is_refused_at_once():
    with ReflectClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(InvalidArgument, match="inject_context=False"):

            @reflect_trace(client)
            def answer():
                return "42"

        assert reflect_trace(client, inject_context=False)(lambda: "42")
