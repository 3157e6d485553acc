"""What is refused is refused in the same words, class and field, whichever way the call went."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from reflect_otel import FailedPrecondition, InvalidArgument, ReflectClient, ReflectError, errors
from reflect_otel.capture.connection import parse_address
from reflect_otel.client.channel import ServiceChannel
from reflect_otel.service.auth import Authenticator
from reflect_otel.service.caller_errors import build_caller_error
from reflect_otel.service.grpc_handler import build_service_handler
from reflect_otel.wire.v1 import reflect_pb2 as wire

from .runs import CHAT, TASK

REFUSALS = {
    "blank task": ("task", lambda client: client.augment_with_memories(" ")),
    "long task": ("task", lambda client: client.query_memories("x" * 300_000)),
    "no memories": ("options.limit", lambda client: client.augment_with_memories(TASK, limit=0)),
    "too many memories": ("options.limit", lambda client: client.query_memories(TASK, limit=1000)),
    "lambda": ("options.lambda", lambda client: client.query_memories(TASK, lambda_=1.5)),
    "mmr": ("options.mmr_lambda", lambda client: client.query_memories(TASK, mmr_lambda=-1)),
    "threshold": (
        "options.similarity_threshold",
        lambda client: client.query_memories(TASK, similarity_threshold=2),
    ),
    "metadata filter": (
        "options.metadata_filter",
        lambda client: client.query_memories(TASK, metadata_filter={"k": "x" * 70_000}),
    ),
    "blank run task": ("task", lambda client: client.create_trace("", CHAT)),
    "role": ("trajectory[0].role", lambda client: client.create_trace(TASK, [{"role": "narrator", "content": "x"}])),
    "run id": ("trace_id", lambda client: client.create_trace(TASK, CHAT, trace_id="x" * 201)),
    "inline score": (
        "review.score",
        lambda client: client.create_trace(TASK, CHAT, review_result="pass", score=3),
    ),
    "step size": ("review.alpha", lambda client: client.review_trace("run", result="pass", alpha=0)),
    "metadata": ("metadata", lambda client: client.create_trace(TASK, CHAT, metadata={"k": "x" * 70_000})),
    "no id": ("trace_id", lambda client: client.get_trace("")),
    "id with a line break": ("trace_id", lambda client: client.get_trace("a\nb")),
    "no id to wait for": ("trace_id", lambda client: client.wait_for_trace("")),
    "id to delete": ("trace_ids[1]", lambda client: client.delete_traces(["run", ""])),
    "memory id": ("memory_id", lambda client: client.get_memory("")),
    "blank lesson": ("reflection", lambda client: client.create_memory(TASK, " ")),
    "unknown run": ("", lambda client: client.get_trace("run-nobody")),
    "review of an unknown run": ("", lambda client: client.review_trace("run-nobody", result="pass")),
    "withdrawal from an unknown run": ("", lambda client: client.withdraw_review("run-nobody")),
    "withdrawal without a name": ("identifier", lambda client: client.withdraw_review("run", identifier="x" * 201)),
    "unknown memory": ("", lambda client: client.get_memory("mem-nobody")),
}


def refusal(call, client):
    with pytest.raises(ReflectError) as refused:
        call(client)
    return refused.value


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_same_both_ways(name, clients):
    field, call = REFUSALS[name]
    remote, embedded = (refusal(call, client) for client in clients.values())
    assert (type(remote), str(remote)) == (type(embedded), str(embedded))
    if isinstance(remote, InvalidArgument):
        assert (remote.field, embedded.field) == (field, field)


@pytest.mark.parametrize("name", ["no name", "a/b", "x" * 101])
def test_an_impossible_project_is_refused_by_name(address, name):
    with (
        pytest.raises(InvalidArgument, match="project name"),
        ReflectClient(address, project_id=name) as client,
    ):
        client.list_traces()


def test_a_closed_client_says_so_and_may_be_closed_again(address, project):
    client = ReflectClient(address, project_id=project)
    client.close()
    client.close()
    with pytest.raises(FailedPrecondition, match="closed"):
        client.get_trace("run")
    with pytest.raises(FailedPrecondition, match="closed"):
        client.wait_for_trace("run")


# --- errors from inside -----------------------------------------------------------------------------------


class Failing:
    """Operations that end in one error."""

    governance = None

    def __init__(self, error):
        self._error = error

    def get_memory(self, project_id, memory_id):
        raise self._error


def seen_over_grpc(error):
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((build_service_handler(Failing(error), Authenticator({})),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = ServiceChannel(parse_address(f"http://127.0.0.1:{port}"), {})
    try:
        with pytest.raises(ReflectError) as seen:
            channel.call("GetMemory", wire.GetMemoryRequest(memory_id="m"), 20)
    finally:
        channel.close()
        server.stop(0).wait()
    return seen.value


def every_error(kind=ReflectError):
    return [kind, *(found for child in kind.__subclasses__() for found in every_error(child))]


ERRORS = [
    *(kind("what to do about it") for kind in every_error() if kind.__module__ == errors.__name__),
    errors.RateLimited("slow down", retry_after_seconds=1.5),
    InvalidArgument("wrong", field="options.limit"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_inside_is_seen_as_the_same_both_ways(error):
    remote, embedded = seen_over_grpc(error), build_caller_error(error)
    assert (type(embedded), str(embedded), embedded.field) == (type(remote), str(remote), remote.field)
    assert getattr(embedded, "retry_after_seconds", None) == getattr(remote, "retry_after_seconds", None)


def test_an_unexpected_error_keeps_its_cause_inside_and_in_the_log(caplog):
    error = RuntimeError("/home/secret/reflect.duckdb is odd")
    seen = build_caller_error(error)
    assert type(seen) is type(seen_over_grpc(error)) is errors.TransportError
    assert "secret" not in str(seen)
    assert "secret" in caplog.text
