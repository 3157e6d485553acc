"""What goes wrong between client and service, and what the caller sees of it."""

import socket
import threading
import time
import uuid

import grpc
import pytest
from google.rpc import error_details_pb2
from opentelemetry import baggage, context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

import reflect_otel
from reflect_otel import (
    AuthError,
    DeadlineExceeded,
    FailedPrecondition,
    IngestFailed,
    InvalidArgument,
    NotFound,
    RateLimited,
    ReflectClient,
    TransportError,
    Unavailable,
)
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.wire_server import WireServer, bad_field, reason, refuse

MESSAGES = [{"role": "user", "content": "Parse the CSV"}]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def a_trace(**fields) -> wire.WaitTraceResponse:
    return wire.WaitTraceResponse(trace=wire.Trace(id="r", **fields))


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, [bad_field("review.score")], InvalidArgument),
        (grpc.StatusCode.NOT_FOUND, [reason("NOT_FOUND")], NotFound),
        (grpc.StatusCode.UNAUTHENTICATED, [reason("UNAUTHENTICATED")], AuthError),
        (grpc.StatusCode.PERMISSION_DENIED, [], AuthError),
        (grpc.StatusCode.FAILED_PRECONDITION, [reason("FAILED_PRECONDITION")], FailedPrecondition),
        (grpc.StatusCode.FAILED_PRECONDITION, [reason("INGEST_FAILED")], IngestFailed),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, [reason("RATE_LIMITED")], RateLimited),
        (grpc.StatusCode.DEADLINE_EXCEEDED, [], DeadlineExceeded),
        (grpc.StatusCode.UNAVAILABLE, [reason("UNAVAILABLE")], Unavailable),
        (grpc.StatusCode.INTERNAL, [], TransportError),
    ],
)
def test_every_status_is_a_typed_error_with_the_services_words(service, client, code, details, expected):
    service.answers["GetTrace"] = refuse(code, "what to do about it", *details)
    with pytest.raises(expected) as failed:
        client.get_trace("r")
    if details:
        assert str(failed.value) == "what to do about it"


def test_the_field_at_fault_and_the_retry_delay_are_read_from_the_details(service, client):
    service.answers["GetTrace"] = refuse(grpc.StatusCode.INVALID_ARGUMENT, "bad", bad_field("options.limit"))
    with pytest.raises(InvalidArgument) as wrong:
        client.get_trace("r")
    assert wrong.value.field == "options.limit"
    delay = error_details_pb2.RetryInfo()
    delay.retry_delay.FromMilliseconds(1500)
    service.answers["GetTrace"] = refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", delay)
    with pytest.raises(RateLimited) as limited:
        client.get_trace("r")
    assert limited.value.retry_after_seconds == 1.5


def test_nobody_there_names_the_address_and_the_remedy():
    port = free_port()
    with ReflectClient(f"http://127.0.0.1:{port}") as client, pytest.raises(Unavailable) as away:
        client.get_trace("r")
    assert f"127.0.0.1:{port}" in str(away.value)
    assert "reflect-otel serve" in str(away.value)


def test_https_where_no_tls_is_spoken_names_the_remedy(service):
    url = service.url.replace("http://", "https://")
    remedy = "no TLS of its own: write http://"
    with ReflectClient(url, timeout=10) as client, pytest.raises(Unavailable, match=remedy):
        client.get_trace("r")


def test_a_server_that_is_no_reflect_service_is_named_as_such():
    server = grpc.server(__import__("concurrent.futures").futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with ReflectClient(f"http://127.0.0.1:{port}") as client, pytest.raises(TransportError, match="does not serve"):
        client.get_trace("r")
    server.stop(0).wait()


def test_augment_goes_on_unchanged_when_nobody_is_there():
    with ReflectClient(f"http://127.0.0.1:{free_port()}") as client:
        augmented = client.augment_with_memories("the task")
    assert (augmented.augmented_task, augmented.memories, augmented.degraded) == ("the task", (), True)


def test_augment_gives_up_on_a_service_that_does_not_answer_within_its_deadline():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with ReflectClient(f"http://127.0.0.1:{silent.getsockname()[1]}") as client:
            began = time.monotonic()
            augmented = client.augment_with_memories("the task")
            took_seconds = time.monotonic() - began
    assert augmented.degraded
    assert 0.29 < took_seconds < 5  # its deadline of 0.3 s, and whatever else keeps the machine busy


def test_augment_does_not_hide_a_refused_key_or_a_wrong_argument(service, client):
    service.answers["Augment"] = refuse(grpc.StatusCode.UNAUTHENTICATED, "unknown key")
    with pytest.raises(AuthError):
        client.augment_with_memories("t")
    service.answers["Augment"] = refuse(grpc.StatusCode.INVALID_ARGUMENT, "too long", bad_field("task"))
    with pytest.raises(InvalidArgument):
        client.augment_with_memories("t")


def test_a_call_survives_one_unavailable_answer_except_the_one_that_cannot_be_repeated(service, client):
    answers = iter([refuse(grpc.StatusCode.UNAVAILABLE), lambda *_: wire.CreateTraceResponse(trace_id="r")])
    service.answers["CreateTrace"] = lambda request, context: next(answers)(request, context)
    assert client.create_trace("t", MESSAGES).id == "r"
    first, second = service.requests("CreateTrace")
    assert first.trace_id == second.trace_id
    assert uuid.UUID(first.trace_id).version == 4
    service.answers["CreateMemory"] = refuse(grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(Unavailable):
        client.create_memory("t", "r")
    assert len(service.requests("CreateMemory")) == 1


def test_calls_carry_the_current_trace_and_run_but_no_other_baggage(service, client):
    service.answers["Augment"] = wire.AugmentResponse(augmented_task="t")
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=trace.TraceFlags(1)))
    token = context.attach(baggage.set_baggage("tenant", "secret", trace.set_span_in_context(span)))
    try:
        with reflect_otel.run("run-7"):
            client.augment_with_memories("t")
    finally:
        context.detach(token)
    _, request, headers = service.calls[0]
    assert request.run_id == "run-7"
    assert headers["traceparent"] == f"00-{0xABC:032x}-{0xDEF:016x}-01"
    assert "baggage" not in headers


def test_waiting_ends_in_a_runtime_error_when_the_run_failed(service, client):
    service.answers["WaitTrace"] = lambda *_: iter(
        [a_trace(ingest_status=wire.INGEST_STATUS_FAILED, last_ingest_error="no messages")]
    )
    with pytest.raises(IngestFailed, match="no messages") as failed:
        client.wait_for_trace("r")
    assert isinstance(failed.value, RuntimeError)


def test_waiting_ends_in_a_timeout_error_that_tells_how_far_it_came(service, client):
    released = threading.Event()

    def unfinished(request, context):
        yield a_trace(ingest_status=wire.INGEST_STATUS_PROCESSING)
        released.wait(10)

    service.answers["WaitTrace"] = unfinished
    with pytest.raises(DeadlineExceeded, match="processing") as late:
        client.wait_for_trace("r", wait_timeout=0.3)
    released.set()
    assert isinstance(late.value, TimeoutError)


def test_waiting_goes_on_when_the_stream_breaks_off(service, client):
    def breaks_off(request, context):
        yield a_trace(ingest_status=wire.INGEST_STATUS_PROCESSING)
        context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

    streams = iter([breaks_off, lambda *_: iter([a_trace(ingest_status=wire.INGEST_STATUS_COMPLETED)])])
    service.answers["WaitTrace"] = lambda request, context: next(streams)(request, context)
    assert client.wait_for_trace("r", poll_interval=0.01).ingest_status == "completed"


def test_waiting_needs_a_service(client, service):
    service.stop()
    with pytest.raises(Unavailable):
        client.wait_for_trace("r", wait_timeout=5)


def test_a_service_that_comes_back_is_found_again():
    first = WireServer()
    first.answers["GetMemory"] = wire.GetMemoryResponse()
    with ReflectClient(first.url) as client:
        client.get_memory("m")
        first.stop()
        with pytest.raises(Unavailable):
            client.get_memory("m")
        second = WireServer(first.port)
        second.answers["GetMemory"] = wire.GetMemoryResponse()
        deadline = time.monotonic() + 10
        while True:
            try:
                client.get_memory("m")
                break
            except Unavailable:
                assert time.monotonic() < deadline
        second.stop()


def test_clients_of_one_address_share_a_connection_until_the_last_closes(service):
    peers = set()

    def answer(request, context):
        peers.add(context.peer())
        return wire.GetMemoryResponse()

    service.answers["GetMemory"] = answer
    first, second = ReflectClient(service.url), ReflectClient(service.url, api_key="rf_other")
    first.get_memory("m")
    second.get_memory("m")
    first.close()
    first.close()
    second.get_memory("m")
    assert len(peers) == 1
    with pytest.raises(FailedPrecondition, match="closed"):
        first.get_memory("m")
    second.close()


def test_threads_share_a_client(service, client):
    service.answers["GetMemory"] = lambda request, context: wire.GetMemoryResponse(
        memory=wire.Memory(id=request.memory_id)
    )
    seen = []
    threads = [threading.Thread(target=lambda n=n: seen.append(client.get_memory(str(n)).id)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(seen, key=int) == [str(n) for n in range(16)]
