"""Real agents in processes of their own, and what an OTLP receiver gets from them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.otlp_sink import OtlpSink, attributes_of
from tests.scripted_llm import ScriptedLLM, text, tool_call
from tests.waiting import wait_until

AGENTS = Path(__file__).parent.parent / "agents"
INSTRUMENT = Path(sys.executable).with_name("opentelemetry-instrument")
TOOL_LOOP = (tool_call("find_order", {"order": "A-1"}), text("Send it back with form 7."))
TASK = "How do I return order A-1?"


@pytest.fixture
def sink():
    with OtlpSink() as sink:
        yield sink


@pytest.fixture
def llm():
    with ScriptedLLM(TOOL_LOOP) as llm:
        yield llm


def environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "REFLECT_"))}
    quiet = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    return {**inherited, **quiet, **settings}


def run_agent(script: str, *arguments: str, instrumented: bool = False, **settings: str) -> str:
    command = [*([INSTRUMENT] if instrumented else []), sys.executable, AGENTS / script, *arguments]
    done = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def run_ids(spans) -> set[str]:
    return {attributes_of(span).get("reflect.run.id") or span.trace_id.hex() for span in spans}


def test_an_untouched_agent_under_opentelemetry_instrument_is_one_complete_run(sink, llm):
    printed = run_agent(
        "openai_agent.py",
        TASK,
        instrumented=True,
        OTEL_TRACES_EXPORTER="none",
        REFLECT_ENDPOINT=sink.url,
        REFLECT_PROJECT_ID="shop",
        **llm.environment,
    )
    assert printed == "Send it back with form 7.\n"
    first, last = sink.spans
    assert first.trace_id != last.trace_id
    assert run_ids(sink.spans) == {first.trace_id.hex()}
    assert TASK in attributes_of(first)["gen_ai.input.messages"]
    assert "find_order" in attributes_of(first)["gen_ai.output.messages"]
    assert "delivered" in attributes_of(last)["gen_ai.input.messages"]
    assert "form 7" in attributes_of(last)["gen_ai.output.messages"]
    assert {metadata["x-reflect-project"] for _, metadata in sink.trace_requests} == {"shop"}


@pytest.mark.parametrize(
    "settings",
    [
        {"OTEL_TRACES_EXPORTER": "none", "REFLECT_ENDPOINT": "sink"},
        {"OTEL_TRACES_EXPORTER": "reflect", "REFLECT_ENDPOINT": "sink"},
        {"OTEL_TRACES_EXPORTER": "reflect", "OTEL_EXPORTER_OTLP_ENDPOINT": "sink"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "sink"},
    ],
    ids=["by our processor", "by exporter name", "by exporter name and OTel endpoint", "by the stock exporter"],
)
def test_a_traced_agent_arrives_once_as_one_trace(sink, llm, settings):
    settings = {name: sink.url if value == "sink" else value for name, value in settings.items()}
    run_agent("traced_openai_agent.py", TASK, instrumented=True, **settings, **llm.environment)
    assert sorted(span.name for span in sink.spans) == ["handle return", "openai.chat", "openai.chat"]
    assert len({span.trace_id for span in sink.spans}) == 1


def test_a_review_given_when_every_span_has_ended_still_names_its_run(sink, llm):
    run_agent(
        "reviewed_openai_agent.py",
        *(TASK, "run-7"),
        instrumented=True,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        **llm.environment,
    )
    first, last, review = map(attributes_of, sink.spans)
    assert first["reflect.run.id"] == last["reflect.run.id"] == "run-7"
    assert (first["reflect.task"], "reflect.task" in last) == (TASK, False)
    assert review == {
        "reflect.run.id": "run-7",
        "reflect.review.run_id": "run-7",
        "reflect.review.result": "fail",
        "reflect.review.feedback": "Form 9 is the one.",
    }


@pytest.mark.parametrize("switch", [{"REFLECT_ENABLED": "false"}, {"OTEL_SDK_DISABLED": "true"}])
def test_it_can_be_switched_off(sink, llm, switch):
    run_agent(
        "openai_agent.py",
        TASK,
        instrumented=True,
        OTEL_TRACES_EXPORTER="none",
        REFLECT_ENDPOINT=sink.url,
        **switch,
        **llm.environment,
    )
    assert sink.spans == []


def test_a_service_that_is_away_changes_nothing_for_the_agent(llm):
    printed = run_agent(
        "openai_agent.py",
        TASK,
        instrumented=True,
        OTEL_TRACES_EXPORTER="none",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        REFLECT_ENDPOINT="http://127.0.0.1:1",
        **llm.environment,
    )
    assert printed == "Send it back with form 7.\n"


def test_configure_sets_everything_up_once(sink):
    assert run_agent("configured_agent.py", sink.url) == "True\n"
    (span,) = sink.spans
    assert attributes_of(span) == {
        "reflect.run.id": "run-7",
        "reflect.task": "Return order A-1",
        "gen_ai.agent.name": "returns",
        "reflect.review.result": "fail",
        "reflect.review.feedback": "The order was already sent back.",
    }
    (record,) = sink.log_records
    assert (record.event_name, record.trace_id) == ("gen_ai.evaluation.result", span.trace_id)
    for request, metadata in (*sink.trace_requests, *sink.log_requests):
        assert (metadata["authorization"], metadata["x-reflect-project"]) == ("Bearer rf_key", "shop")
        (resource,) = getattr(request, "resource_spans", None) or request.resource_logs
        pairs = attributes_of(resource.resource)
        assert (pairs["service.name"], pairs["reflect.project.id"]) == ("returns", "shop")


def test_configure_leaves_an_existing_provider_its_exporters(sink):
    assert run_agent("existing_provider_agent.py", sink.url) == "apm: root\n"
    assert [span.name for span in sink.spans] == ["root"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_pre_forking_server_loses_nothing_and_sends_nothing_twice(sink):
    from reflect_otel.wire.v1 import reflect_pb2 as wire
    from tests.wire_server import WireServer

    service = WireServer()
    service.answers["GetMemory"] = wire.GetMemoryResponse()
    run_agent("forking_agent.py", sink.url, service.url, PYTHONWARNINGS="ignore")
    service.stop()
    names = ["child 0", "child 1", "parent after", "parent before"]
    assert sorted(span.name for span in sink.spans) == names
    assert sorted(request.memory_id for request in service.requests("GetMemory")) == names
    parents = {metadata["traceparent"].split("-")[1] for _, _, metadata in service.calls}
    assert parents == {span.trace_id.hex() for span in sink.spans}


def test_the_service_sees_the_untouched_agent_as_one_complete_run(service, client, llm):
    run_agent(
        "openai_agent.py",
        TASK,
        instrumented=True,
        OTEL_TRACES_EXPORTER="none",
        REFLECT_ENDPOINT=service.url,
        **llm.environment,
    )

    def complete():
        found = [
            trace for trace in client.list_traces() if trace.ingest_status == "completed" and trace.llm_calls == 2
        ]
        return found or None

    (trace,) = wait_until(complete, 20)
    assert [each.id for each in client.list_traces()] == [trace.id]
    assert (trace.task, trace.final_response, trace.model) == (TASK, "Send it back with form 7.", "gpt-5.4-mini")
    assert (trace.llm_calls, trace.tool_calls, trace.tool_errors, len(trace.trace_ids)) == (2, 1, 0, 2)
    roles = [message["role"] for message in client.get_trace(trace.id).trajectory]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]


def test_the_service_learns_from_a_review_given_when_every_span_has_ended(service, client, llm):
    run_agent(
        "reviewed_openai_agent.py",
        *(TASK, "run-7"),
        instrumented=True,
        OTEL_EXPORTER_OTLP_ENDPOINT=service.url,
        **llm.environment,
    )
    trace = client.wait_for_trace("run-7", require_reviewed=True, wait_timeout=30)
    assert (trace.task, trace.llm_calls, trace.review.feedback) == (TASK, 2, "Form 9 is the one.")
    assert client.get_memory(trace.created_memory_id).success is False
