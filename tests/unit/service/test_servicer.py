"""The gRPC skin, over a real server and a real channel: every RPC, every way a call can go wrong."""

import logging
import threading
import time

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.service.auth import Authenticator
from reflect_otel.service.servicer import SERVICE
from reflect_otel.testing.fakes import InMemoryIndex, InMemoryStore
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.unit.service.backend import KEYS, TASK, Api, Backend, serving, trace_request

RPCS = sorted(SERVICE.methods_by_name)
FAIL = wire.Review(result=wire.REVIEW_RESULT_FAIL, feedback="Refunds above 100 need a manager's approval first.")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def empty(name: str):
    return GetMessageClass(SERVICE.methods_by_name[name].input_type)()


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.01)


# --- every RPC --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", RPCS)
def test_every_rpc_asks_who_calls(name, empty_address):
    for key in ("", "rf_live_nobody_0123456789"):
        stranger = Api(empty_address, key)
        failure = stranger.failure(name, empty(name), metadata=(("x-reflect-project", "shop"),))
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
        stranger.channel.close()


@pytest.mark.parametrize("name", RPCS)
def test_bytes_that_are_no_request_are_an_invalid_argument(name, refusing_api):
    failure = refusing_api.failure(name, b"\xff\xff\xff not protobuf")
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert SERVICE.methods_by_name[name].input_type.full_name in failure.text


OWNER = {"owner": "the bank's own secret"}
FOREIGN = {
    "GetTrace": wire.GetTraceRequest(trace_id="run-1"),
    "ReviewTrace": wire.ReviewTraceRequest(trace_id="run-1", review=FAIL),
    "WithdrawReview": wire.WithdrawReviewRequest(trace_id="run-1"),
    "GetMemory": wire.GetMemoryRequest(memory_id="id-1"),
    "GetMemoryHistory": wire.GetMemoryHistoryRequest(memory_id="id-1"),
    "UpdateMemories": wire.UpdateMemoriesRequest(memory_ids=["id-1"], action=wire.MEMORY_ACTION_ARCHIVE),
    "FindBlastRadius": wire.FindBlastRadiusRequest(origin=wire.Origin(memory_ids=["id-1"])),
    "CreateQuarantine": wire.CreateQuarantineRequest(origin=wire.Origin(run_ids=["run-1"])),
    "ReleaseQuarantine": wire.ReleaseQuarantineRequest(quarantine_id="quarantine-1"),
    "GetSession": wire.GetSessionRequest(session_id="conv-1"),
    "GetTrajectory": wire.GetTrajectoryRequest(trace_id="run-1"),
}
HARMLESS = {
    "Augment": wire.AugmentRequest(task=TASK, run_id="run-1"),
    "QueryMemories": wire.QueryMemoriesRequest(task=TASK),
    "CreateTrace": trace_request("run-1", task="Another shop's task"),
    "ListTraces": wire.ListTracesRequest(),
    "WaitTrace": wire.WaitTraceRequest(trace_id="run-1"),
    "DeleteTraces": wire.DeleteTracesRequest(trace_ids=["run-1"]),
    "CreateMemory": wire.CreateMemoryRequest(task="Other", reflection="x"),
    "ListMemories": wire.ListMemoriesRequest(),
    "DeleteMemories": wire.DeleteMemoriesRequest(memory_ids=["id-1"]),
    "ListQuarantines": wire.ListQuarantinesRequest(),
    "GetProjectSettings": wire.GetProjectSettingsRequest(),
    "GetLift": wire.GetLiftRequest(),
    "UpdateProjectSettings": wire.UpdateProjectSettingsRequest(settings=wire.ProjectSettings(memory_quota=7)),
}


def all_of(owner):
    """Everything that a project shows of itself."""
    return [
        owner.call("GetTrace", wire.GetTraceRequest(trace_id="run-1")),
        owner.call("ListMemories", wire.ListMemoriesRequest()),
        owner.call("ListQuarantines", wire.ListQuarantinesRequest()),
    ]


def test_every_rpc_has_its_cross_project_check():
    assert sorted({**FOREIGN, **HARMLESS}) == RPCS


@pytest.mark.parametrize("name", sorted({**FOREIGN, **HARMLESS}))
def test_nothing_of_another_project_can_be_read_or_changed(name, api, bank):
    bank.call("CreateMemory", wire.CreateMemoryRequest(task=TASK, reflection="the bank's own secret"))
    bank.call("CreateTrace", trace_request("run-1", session_id="conv-1", metadata=OWNER))
    held = wire.Origin(memory_ids=["id-1"])
    bank.call("CreateQuarantine", wire.CreateQuarantineRequest(origin=held, reason="the bank's own secret"))
    before = all_of(bank)
    if name in FOREIGN:
        failure = api.failure(name, FOREIGN[name])
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        assert failure.details["ResourceInfo"].resource_name in ("run-1", "id-1", "conv-1", "quarantine-1")
    elif name == "WaitTrace":
        assert api.failure(name, HARMLESS[name], timeout=0.3).code == grpc.StatusCode.DEADLINE_EXCEEDED
    else:
        assert "secret" not in str(api.call(name, HARMLESS[name]))
    assert all_of(bank) == before


def test_without_keys_the_header_names_the_project(backend):
    with serving(backend, Authenticator({})) as address:
        anyone = Api(address)
        shop = (("x-reflect-project", "shop"),)
        anyone.call("CreateTrace", trace_request("run-1"), metadata=shop)
        assert anyone.call("GetTrace", wire.GetTraceRequest(trace_id="run-1"), metadata=shop).trace.id == "run-1"
        missing = anyone.failure("GetTrace", wire.GetTraceRequest(trace_id="run-1"))
        assert missing.code == grpc.StatusCode.NOT_FOUND
        wrong = anyone.failure("GetTrace", wire.GetTraceRequest(), metadata=(("x-reflect-project", "no name"),))
        assert (wrong.code, wrong.field) == (grpc.StatusCode.INVALID_ARGUMENT, "x-reflect-project")
        anyone.channel.close()


@given(name=st.sampled_from(RPCS), body=st.binary(max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_the_service_stumble(name, body, api):
    try:
        answer = api.call(name, body, timeout=0.5)
        if SERVICE.methods_by_name[name].server_streaming:
            list(answer)
    except grpc.RpcError as error:
        assert error.code() in (  # noqa: PT017 - some bytes are a request
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        )


# --- the loop over the wire -------------------------------------------------------------------------------
def test_a_run_becomes_a_memory_that_the_next_task_gets(api):
    receipt = api.call("CreateTrace", trace_request(model="gpt", metadata={"source": "cli"}))
    assert receipt.ingest_status == wire.INGEST_STATUS_COMPLETED
    trace = api.call("ReviewTrace", wire.ReviewTraceRequest(trace_id=receipt.trace_id, review=FAIL)).trace
    assert trace.review_status == wire.REVIEW_STATUS_REVIEWED
    assert (trace.review.result, trace.review.source) == (wire.REVIEW_RESULT_FAIL, wire.REVIEW_SOURCE_HUMAN)
    assert (trace.task, trace.model, dict(trace.metadata)) == (TASK, "gpt", {"source": "cli"})
    assert dict(trace.trajectory[0]) == {"role": "user", "content": TASK}
    memory = api.call("GetMemory", wire.GetMemoryRequest(memory_id=trace.created_memory_id)).memory
    assert (memory.created_from, memory.kind, memory.utility) == (trace.id, wire.MEMORY_KIND_PITFALL, 0.5)
    assert memory.HasField("success")
    assert not memory.success
    answer = api.call("Augment", wire.AugmentRequest(task="Refund order 2044, it arrived broken"))
    assert [item.id for item in answer.memories] == [memory.id]
    assert answer.augmented_task.startswith("Refund order 2044, it arrived broken\n")
    assert "manager" in answer.augmented_task
    found = api.call("QueryMemories", wire.QueryMemoriesRequest(task=TASK)).memories
    assert 0 < found[0].similarity <= 1
    assert api.call("ListTraces", wire.ListTracesRequest()).traces[0].created_memory_id == memory.id
    assert api.call("ListMemories", wire.ListMemoriesRequest()).memories[0].id == memory.id
    assert api.call("DeleteTraces", wire.DeleteTracesRequest(trace_ids=[trace.id])).deleted_count == 1


def test_an_inline_review_is_queued_and_can_be_waited_for(api):
    receipt = api.call("CreateTrace", trace_request("run-1", review=FAIL))
    assert receipt.ingest_status == wire.INGEST_STATUS_QUEUED
    last = list(api.call("WaitTrace", wire.WaitTraceRequest(trace_id="run-1", require_reviewed=True)))[-1].trace
    assert (last.review_status, last.ingest_status) == (wire.REVIEW_STATUS_REVIEWED, wire.INGEST_STATUS_COMPLETED)
    assert last.created_memory_id


def test_the_callers_trace_is_credited_with_what_it_was_served(api, backend):
    api.call("CreateMemory", wire.CreateMemoryRequest(task=TASK, reflection="Refund to the original card."))
    api.call("Augment", wire.AugmentRequest(task=TASK), metadata=(("traceparent", TRACEPARENT),))
    api.call("Augment", wire.AugmentRequest(task=TASK), metadata=(("traceparent", "00-broken-01"),))
    ((project_id, served),) = backend.intake.served
    assert (project_id, served.trace_id.hex()) == ("shop", TRACEPARENT.split("-")[1])


def test_messages_keep_their_tool_calls_and_whole_numbers(api):
    request = wire.CreateTraceRequest(trace_id="run-1", task=TASK)
    call = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": {"sum": 9.5, "order": 1017}}}
    request.trajectory.add().update({"role": "assistant", "content": None, "tool_calls": [call]})
    request.trajectory.add().update({"role": "tool", "tool_call_id": "c1", "content": "ok"})
    api.call("CreateTrace", request)
    first = api.call("GetTrace", wire.GetTraceRequest(trace_id="run-1")).trace.trajectory[0]
    assert first["tool_calls"][0]["function"]["arguments"] == '{"order":1017,"sum":9.5}'


def test_pages_follow_each_other(api, backend):
    for number in range(3):
        backend.create_run(run_id=f"run-{number}")
    first = api.call("ListTraces", wire.ListTracesRequest(page_size=2))
    second = api.call("ListTraces", wire.ListTracesRequest(page_size=2, page_token=first.next_page_token))
    assert [trace.id for trace in (*first.traces, *second.traces)] == ["run-2", "run-1", "run-0"]
    stray = api.failure("ListTraces", wire.ListTracesRequest(page_token=first.next_page_token, agent="x"))
    assert (stray.code, stray.field) == (grpc.StatusCode.INVALID_ARGUMENT, "page_token")


# --- bad input --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "request_", "field"),
    [
        ("Augment", wire.AugmentRequest(), "task"),
        ("Augment", wire.AugmentRequest(task="x" * 1_000_000), "task"),
        ("Augment", wire.AugmentRequest(task=TASK, options={"limit": 0}), "options.limit"),
        ("QueryMemories", wire.QueryMemoriesRequest(task=TASK, options={"lambda": 2}), "options.lambda"),
        ("CreateTrace", trace_request("r", review={"feedback": "no result"}), "review.result"),
        ("CreateTrace", trace_request("r", review={"result": 7}), "review.result"),
        ("CreateTrace", trace_request("r", review={"result": 1, "score": 3}), "review.score"),
        ("ReviewTrace", wire.ReviewTraceRequest(trace_id="r"), "review.result"),
        ("ReviewTrace", wire.ReviewTraceRequest(trace_id="r", review={"result": 1, "source": 9}), "review.source"),
        ("ListTraces", wire.ListTracesRequest(review_status=9), "review_status"),
        ("ListTraces", wire.ListTracesRequest(page_size=-1), "page_size"),
        ("WaitTrace", wire.WaitTraceRequest(), "trace_id"),
        ("CreateMemory", wire.CreateMemoryRequest(task=TASK, reflection="x", kind=9), "kind"),
    ],
)
def test_a_wrong_field_is_named(refusing_api, name, request_, field):
    failure = refusing_api.failure(name, request_)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert failure.field == field
    assert field.rpartition(".")[2] in failure.text


def test_a_message_without_a_known_role_is_named(refusing_api):
    request = wire.CreateTraceRequest(task=TASK)
    request.trajectory.add().update({"role": "user", "content": "x"})
    request.trajectory.add().update({"role": "narrator", "content": "x"})
    assert refusing_api.failure("CreateTrace", request).field == "trajectory[1].role"


def test_a_method_that_does_not_exist_is_unimplemented(refusing_api):
    send = refusing_api.channel.unary_unary("/reflect.v1.ReflectService/Nothing")
    with pytest.raises(grpc.RpcError) as failure:
        send(b"", metadata=refusing_api.metadata, timeout=5)
    assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("moment", [(2**62, 0), (-(2**63), -1), (1, 2**31 - 1), (253_402_300_800, 0)])
def test_a_time_that_no_calendar_has_is_the_callers_fault_or_none(moment, api):
    time = wire.Memory().create_time
    time.seconds, time.nanos = moment
    api.call("CreateTrace", wire.CreateTraceRequest(task=TASK, trace_id="run-1", start_time=time, end_time=time))
    api.call("GetLift", wire.GetLiftRequest(since=time))
    for name, request in (
        ("FindBlastRadius", wire.FindBlastRadiusRequest),
        ("CreateQuarantine", wire.CreateQuarantineRequest),
    ):
        origin = wire.Origin(since=time, memory_ids=["id-9"])
        assert api.failure(name, request(origin=origin)).code in (
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
        )


# --- trouble inside ---------------------------------------------------------------------------------------
class FailingStore(InMemoryStore):
    def find_run(self, project_id, identifier):
        raise RuntimeError("/home/secret/reflect.duckdb is odd")


def test_an_unexpected_error_is_logged_once_and_its_cause_stays_inside(caplog):
    backend = Backend(FailingStore(), InMemoryIndex)
    with serving(backend, Authenticator({})) as address, caplog.at_level(logging.INFO):
        anyone = Api(address)
        failure = anyone.failure("GetTrace", wire.GetTraceRequest(trace_id="run-1"))
        anyone.channel.close()
    error_id = failure.details["ErrorInfo"].metadata["error_id"]
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert error_id in failure.text
    assert "secret" not in failure.text
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert error_id in record.getMessage()
    assert "secret" in caplog.text


class PatientReflector:
    """Thinks until it is told to stop."""

    name = "patient"

    def __init__(self):
        self.enough = threading.Event()

    def reflect(self, lesson):
        self.enough.wait(30)


def test_a_review_is_answered_before_the_callers_deadline():
    reflector = PatientReflector()
    backend = Backend(InMemoryStore(), InMemoryIndex, reflector)
    with serving(backend, Authenticator({})) as address:
        anyone = Api(address)
        anyone.call("CreateTrace", trace_request("run-1"))
        request = wire.ReviewTraceRequest(trace_id="run-1", review=FAIL)
        failure = anyone.failure("ReviewTrace", request, timeout=1.5)
        reflector.enough.set()
        anyone.channel.close()
    assert (failure.code, failure.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert "stored and its learning goes on" in failure.text


# --- waiting ----------------------------------------------------------------------------------------------
def test_waiting_streams_each_state(api, backend):
    states = api.call("WaitTrace", wire.WaitTraceRequest(trace_id="01" * 16, require_reviewed=True))
    wait_until(lambda: len(backend.watch) == 1)
    backend.intake.open_run("shop", "run-1")
    assert next(states).trace.ingest_status == wire.INGEST_STATUS_PROCESSING
    backend.operations.review_trace("shop", "run-1", Review(result=ReviewResult.PASS))
    assert list(states)[-1].trace.review_status == wire.REVIEW_STATUS_REVIEWED
    assert len(backend.watch) == 0


def test_a_cancelled_wait_gives_its_thread_back(api, backend):
    for round_number in range(5):
        waiting = [api.call("WaitTrace", wire.WaitTraceRequest(trace_id=f"run-{i}")) for i in range(4)]
        wait_until(lambda: len(backend.watch) == 4)
        for call in waiting:
            call.cancel()
        wait_until(lambda: len(backend.watch) == 0)
        assert api.call("ListTraces", wire.ListTracesRequest()).traces == [], round_number


def test_a_caller_that_vanishes_is_noticed(address, backend):
    gone = Api(address, KEYS["shop"])
    states = gone.call("WaitTrace", wire.WaitTraceRequest(trace_id="run-1"))
    wait_until(lambda: len(backend.watch) == 1)
    gone.channel.close()
    wait_until(lambda: len(backend.watch) == 0)
    assert states.code() == grpc.StatusCode.CANCELLED


def test_memories_that_come_too_late_for_their_run_are_not_noted_as_served():
    """The run went on without them, so what becomes of it says nothing about them."""
    may_answer = threading.Event()

    class HeldIndex(InMemoryIndex):
        def search(self, vector, limit):
            assert may_answer.wait(10)
            return super().search(vector, limit)

    backend = Backend(InMemoryStore(), HeldIndex)
    backend.operations.create_memory("default", task=TASK, reflection="Ask for the order number first.")
    with serving(backend, Authenticator({}), threads=1) as address:
        api = Api(address)
        late = api.failure("Augment", wire.AugmentRequest(task=TASK, run_id="run-1"), timeout=0.2)
        assert late.code == grpc.StatusCode.DEADLINE_EXCEEDED
        may_answer.set()
        assert len(api.call("Augment", wire.AugmentRequest(task=TASK, run_id="run-2")).memories) == 1
        api.channel.close()
    assert [served.run_id for _, served in backend.intake.served] == ["run-2"]


def test_a_wait_ends_at_the_callers_deadline(api, backend):
    failure = api.failure("WaitTrace", wire.WaitTraceRequest(trace_id="run-1"), timeout=0.3)
    assert failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: len(backend.watch) == 0)


def test_waiters_beyond_the_limit_are_told_to_come_back_and_others_are_served(api, backend):
    waiting = [api.call("WaitTrace", wire.WaitTraceRequest(trace_id=f"run-{i}")) for i in range(4)]
    wait_until(lambda: len(backend.watch) == 4)
    failure = api.failure("WaitTrace", wire.WaitTraceRequest(trace_id="run-5"))
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert failure.details["RetryInfo"].retry_delay.seconds == 1
    assert api.call("Augment", wire.AugmentRequest(task=TASK)).augmented_task == TASK
    for call in waiting:
        call.cancel()


def test_a_stopping_service_sends_its_waiters_away(api, backend):
    waiting = api.call("WaitTrace", wire.WaitTraceRequest(trace_id="run-1"))
    wait_until(lambda: len(backend.watch) == 1)
    backend.watch.close()
    with pytest.raises(grpc.RpcError) as failure:
        next(waiting)
    assert failure.value.code() == grpc.StatusCode.UNAVAILABLE
