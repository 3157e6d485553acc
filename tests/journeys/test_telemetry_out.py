"""An APM sees the loop: ``serve --telemetry`` and the client's spans, at a real OTLP receiver."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from reflect_otel import InvalidArgument, ReflectClient
from tests.otlp_sink import OtlpSink, attributes_of
from tests.waiting import wait_until

from .service_process import ServiceProcess
from .telemetry import LOGS, TRACES

AGENT = Path(__file__).parents[1] / "agents" / "memory_agent.py"
CONTENT = "Ask which order is meant before refunding."


@pytest.fixture(scope="module")
def apm():
    with OtlpSink() as sink:
        yield sink


@pytest.fixture(scope="module")
def service(apm, tmp_path_factory):
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": apm.url,
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=9.9,deployment.environment.name=test",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BLRP_SCHEDULE_DELAY": "50",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        process = ServiceProcess(
            tmp_path_factory.mktemp("telemetry") / "data", "--settle-seconds", "0.1", "--telemetry"
        )
    with process:
        yield process


@pytest.fixture(scope="module")
def told(service, apm):
    """What the APM has of an agent's calls: its own spans and the service's."""
    subprocess.run([sys.executable, str(AGENT), service.url, apm.url], check=True, timeout=60)
    apm.wait_for_spans(10)
    return list(apm.spans)


def test_the_clients_span_stands_under_the_agents_and_the_services_under_the_clients(told):
    by_id = {span.span_id: span for span in told}
    (request,) = [span for span in told if span.name == "handle request"]
    inside = [span for span in told if span.trace_id == request.trace_id and span is not request]
    clients = [span for span in inside if span.kind == span.SPAN_KIND_CLIENT]
    assert [span.name for span in clients] == ["create_memory", "search_memory", "search_memory"]
    assert {span.parent_span_id for span in clients} == {request.span_id}
    servers = [span for span in inside if span.kind == span.SPAN_KIND_SERVER]
    assert [by_id[span.parent_span_id].name for span in servers] == [span.name for span in servers]
    assert len(servers) == 3


def test_the_span_tells_what_was_served_and_by_what_rule(told, service):
    served = [span for span in told if "reflect.memory.ids" in attributes_of(span)]
    assert len(served) == 2  # the client's and the service's of Augment; a query serves nothing
    for span in served:
        facts = attributes_of(span)
        assert facts["gen_ai.operation.name"] == "search_memory"
        assert (facts["gen_ai.memory.record.count"], facts["reflect.retrieval.lambda"]) == (1, 0.25)
        chosen_by = (facts["reflect.retrieval.policy"], facts["reflect.retrieval.embedder"])
        assert chosen_by == ("blend-2", service.status()["embedder"])
        assert facts["reflect.memory.utilities"].values[0].double_value == 0.5
        assert facts["reflect.memory.similarities"].values[0].double_value == pytest.approx(1.0, abs=1e-3)


def test_a_service_that_is_away_is_an_error_of_the_span_and_not_of_the_agent(told):
    (away,) = [span for span in told if attributes_of(span).get("reflect.degraded")]
    assert away.status.code == away.status.STATUS_CODE_ERROR
    assert attributes_of(away)["error.type"] in ("Unavailable", "DeadlineExceeded")


def test_a_wrong_request_is_named_on_the_services_span_and_is_no_error_of_it(service, apm):
    with ReflectClient(service.url) as client, pytest.raises(InvalidArgument):
        client.query_memories(" ")

    def find_refused():
        return [span for span in apm.spans if attributes_of(span).get("error.type") == "InvalidArgument"]

    wait_until(find_refused)
    assert [(span.kind, span.status.code) for span in find_refused()] == [
        (span.SPAN_KIND_SERVER, span.status.STATUS_CODE_UNSET) for span in find_refused()
    ]


def test_what_was_withheld_from_the_control_group_is_tagged_on_the_services_span(service, apm):
    with ReflectClient(service.url, project_id="control", augment_timeout=10) as client:
        client.create_memory("Refund an order", CONTENT)
        client.update_project_settings(control_share=1.0)
        assert client.augment_with_memories("Refund an order").control
    wait_until(lambda: [span for span in apm.spans if attributes_of(span).get("reflect.memory.control") is True])


def test_outside_of_a_span_the_client_makes_none(told):
    roots = {span.name for span in told if not span.parent_span_id and span.kind != span.SPAN_KIND_SERVER}
    assert roots == {"handle request", "later"}


def test_no_content_leaves_unasked(told, apm):
    assert not [request for request, _ in apm.trace_requests if CONTENT in str(request)]


def find_learned(apm, run_id):
    return [span for span in apm.spans if attributes_of(span).get("reflect.run.id") == run_id]


def learn(service, apm):
    """A run that was learned from, and told of."""
    chat = [{"role": "user", "content": "Refund it"}, {"role": "assistant", "content": "Refunded."}]
    with ReflectClient(service.url) as client:
        trace = client.create_trace_and_wait(
            "Refund it", chat, review_result="fail", feedback_text="Ask for a photo of the damage first."
        )
    wait_until(lambda: find_learned(apm, trace.id))
    wait_until(lambda: {record.event_name for record in apm.log_records} >= {"reflect.review", "reflect.learning"})
    return trace


def test_learning_is_told_by_span_event_and_metric(service, apm, told):
    trace = learn(service, apm)
    (span,) = find_learned(apm, trace.id)
    assert (span.name, attributes_of(span)["gen_ai.memory.record.id"]) == ("create_memory", trace.created_memory_id)
    wait_until(
        lambda: (
            apm.metric_names
            >= {
                "reflect.augmentation.duration",
                "reflect.memories.served",
                "reflect.memory.utility",
                "reflect.memories.created",
                "reflect.reviews",
                "reflect.runs.read",
                "reflect.journal.pending",
            }
        )
    )


def test_the_resource_is_what_the_environment_says_and_else_ours(apm, told):
    own = [
        attributes_of(group.resource)
        for request, _ in apm.trace_requests
        for group in request.resource_spans
        if any(scoped.scope.name == "reflect_otel.service" for scoped in group.scope_spans)
    ]
    assert {facts["service.name"] for facts in own} == {"reflect-otel"}
    assert {facts["service.version"] for facts in own} == {"9.9"}
    assert {facts["deployment.environment.name"] for facts in own} == {"test"}


def test_what_comes_back_to_the_service_is_no_run(service, apm, told):
    learn(service, apm)
    with ReflectClient(service.url) as client, grpc.insecure_channel(service.grpc_address) as channel:
        before = {trace.id for trace in client.list_traces()}
        stored = service.wait_settled()["spans"]
        own = [(request, response) for kept, response in _returned(apm) for request in kept]
        for request, (path, response_type) in own:
            send = channel.unary_unary(
                path,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response_type.FromString,
            )
            assert not send(request, timeout=10).HasField("partial_success")
        assert {trace.id for trace in client.list_traces()} == before
        agents = [span for span in apm.spans if span.kind != span.SPAN_KIND_SERVER and span.parent_span_id]
        assert service.wait_settled()["spans"] - stored == len(agents) + 2  # the agent's own are kept


def _returned(apm):
    yield [request for request, _ in apm.trace_requests], (TRACES, traces.ExportTraceServiceResponse)
    yield [request for request, _ in apm.log_requests], (LOGS, logs.ExportLogsServiceResponse)


def test_the_service_ends_in_time_although_the_backend_is_away(start_service, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    process = start_service(tmp_path / "data", "--telemetry")
    with ReflectClient(process.url) as client:
        client.create_memory("task", "lesson")
    code, seconds = process.terminate()
    assert code == 0
    assert seconds < 8
