"""Bad input gets a clear typed error that names the remedy; the valid rest of the request is kept."""

import json
import subprocess
import sys

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from reflect_otel import ReflectClient
from reflect_otel.errors import AuthError, InvalidArgument, NotFound, Unavailable

from .service_process import ServiceProcess
from .telemetry import TRACES, OtlpSender, agent_run, trace_request

AUGMENT = "/reflect.v1.ReflectService/Augment"


def details_of(error):
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return info


@pytest.mark.parametrize("method", [TRACES, TRACES.replace("trace.v1.Trace", "logs.v1.Logs"), AUGMENT])
def test_malformed_protobuf_is_an_invalid_argument(sender, method):
    with pytest.raises(grpc.RpcError) as raised:
        sender.send_bytes(method, b"\xff\xff\xffnot protobuf")
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(raised.value).reason == "INVALID_ARGUMENT"
    assert "Traceback" not in raised.value.details()


def test_span_without_a_valid_id_is_rejected_and_the_rest_kept(service, sender):
    spans = agent_run("Refund an order", "Done.")
    spans[0].trace_id = b""
    spans[1].span_id = bytes(8)
    response = sender.send(trace_request(spans))
    assert response.partial_success.rejected_spans == 2
    assert "trace id has 0 bytes" in response.partial_success.error_message
    assert service.wait_settled()["spans"] == 1


def test_a_list_where_a_name_belongs_holds_up_nobody(service, sender, client):
    """In the root of a trace that links to another one, which is where a run is looked for."""
    spans = agent_run("Refund an order", "Done.")
    operation = next(pair for pair in spans[2].attributes if pair.key == "gen_ai.operation.name")
    operation.value.array_value.values.add(string_value="invoke_agent")
    spans[2].links.add(trace_id=b"elsewhere".zfill(16), span_id=b"anywhere")
    sender.send(trace_request(spans))
    assert service.wait_settled()["runs"] == 1
    assert client.get_trace(spans[0].trace_id.hex()).ingest_status == "completed"


def test_unknown_review_result_is_told_and_the_span_kept(service, sender, client):
    spans = agent_run("Refund an order", "Done.", root={"reflect.review.result": "meh"})
    response = sender.send(trace_request(spans))
    assert response.partial_success.rejected_spans == 0
    assert "use 'pass' or 'fail'" in response.partial_success.error_message
    assert service.wait_settled()["spans"] == 3
    assert client.get_trace(spans[0].trace_id.hex()).review_status == "pending"


def test_unknown_review_result_of_a_call_names_the_field(sender, client):
    spans = agent_run("Refund an order", "Done.")
    sender.send(trace_request(spans))
    with pytest.raises(InvalidArgument, match="pass"):
        client.review_trace(spans[0].trace_id.hex(), result="meh")


def test_task_of_a_megabyte_is_refused_with_its_limit(client):
    with pytest.raises(InvalidArgument, match="262144|256 KiB") as raised:
        client.augment_with_memories("x" * 1_000_000)
    assert raised.value.field == "task"


def test_empty_request_succeeds(sender):
    assert not sender.send(trace_request([])).HasField("partial_success")


def test_service_that_is_not_there_fails_open_for_the_agent_and_is_told_to_explicit_calls():
    with ReflectClient(base_url="http://127.0.0.1:9") as client:
        augmented = client.augment_with_memories("Refund an order")
        assert (augmented.augmented_task, augmented.degraded) == ("Refund an order", True)
        with pytest.raises(Unavailable, match="reflect-otel serve"):
            client.list_traces()


def test_command_line_tells_that_no_service_answers_by_its_exit_code():
    done = subprocess.run(
        [sys.executable, "-m", "collector_plugin", "runs", "--endpoint", "http://127.0.0.1:9"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 5
    assert "reflect-otel serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_run_is_not_found(client):
    with pytest.raises(NotFound):
        client.get_trace("nothing")


@pytest.fixture
def guarded(tmp_path):
    keys = tmp_path / "keys.txt"
    keys.write_text("key-of-red-0123456789:red\nkey-of-blue-0123456789:blue\n")
    with ServiceProcess(tmp_path / "data", "--settle-seconds", "0.1", "--api-key-file", str(keys)) as process:
        yield process


def test_key_decides_the_project_whatever_the_request_claims(guarded):
    red = OtlpSender(
        guarded.grpc_address, (("authorization", "Bearer key-of-red-0123456789"), ("x-reflect-project", "blue"))
    )
    spans = agent_run("Refund an order", "Done.", root={"reflect.project.id": "blue"})
    red.send(trace_request(spans, {"reflect.project.id": "blue"}))
    red.close()
    run_id = spans[0].trace_id.hex()
    with ReflectClient(base_url=guarded.url, api_key="key-of-red-0123456789", project_id="blue") as client:
        assert client.wait_for_trace(run_id, wait_timeout=20).task == "Refund an order"
    with ReflectClient(base_url=guarded.url, api_key="key-of-blue-0123456789", project_id="red") as client:
        for call in (
            lambda: client.get_trace(run_id),
            lambda: client.review_trace(run_id, result="pass"),
        ):
            with pytest.raises(NotFound):
                call()
        assert client.list_traces() == []


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer wrong-key-0123456789"),)])
def test_telemetry_without_a_known_key_is_unauthenticated(guarded, metadata):
    sender = OtlpSender(guarded.grpc_address, metadata)
    with pytest.raises(grpc.RpcError) as raised:
        sender.send(trace_request(agent_run("Refund an order", "Done.")))
    sender.close()
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert guarded.get("/status")[0] == 401


def test_calls_without_a_known_key_are_unauthenticated(guarded):
    with ReflectClient(base_url=guarded.url, api_key="wrong-key-0123456789") as client, pytest.raises(AuthError):
        client.augment_with_memories("Refund an order")


def test_listening_beyond_this_machine_without_keys_is_refused(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "collector_plugin", "serve", "--data-dir", str(tmp_path / "data"),
            "--grpc-address", "0.0.0.0:0",
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3
    assert "--api-key-file" in done.stderr
    assert not (tmp_path / "data").exists()


def test_second_service_on_a_data_folder_is_refused_with_the_holder(service):
    done = subprocess.run(
        [
            sys.executable, "-m", "collector_plugin", "serve", "--data-dir", str(service.data_dir),
            "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0",
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert str(service.process.pid) in done.stderr
    assert "Traceback" not in done.stderr


def test_malformed_file_is_told_by_read_and_the_rest_is_read(tmp_path):
    good = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "11" * 16, "spanId": "22" * 8, "name": "chat",
            "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]}]}]}]}  # fmt: skip
    path = tmp_path / "spans.jsonl"
    path.write_text("{broken\n" + json.dumps(good) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "collector_plugin", "read", str(path), "--json"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert "line 1" in done.stderr
    assert json.loads(done.stdout)["run_id"] == "11" * 16
