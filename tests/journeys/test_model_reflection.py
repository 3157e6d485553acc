"""`reflect-otel serve` with a language model: the lesson, a kill in the middle of a call, and no runs of our own."""

import json
import os
import subprocess
import sys
import threading

import pytest
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from reflect_otel import ReflectClient
from tests.scripted_llm import ScriptedLLM, error, held, text

from .scripted_lesson import lesson
from .service_process import wait_for
from .telemetry import OtlpSender, agent_run, trace_request

TASK = "Refund the damaged coffee order"


def scripted(request):
    """A lesson or a verdict, whichever is asked for."""
    name = request["response_format"]["json_schema"]["name"]
    if name == "judgement":
        return text(json.dumps({"evidence_steps": [0], "reason": "A tool failed.", "result": "fail", "score": 0.1}))
    return lesson(request)


def send(service, **root):
    sender = OtlpSender(service.grpc_address)
    spans = agent_run(TASK, "Done.", root=root)
    sender.send(trace_request(spans))
    sender.close()
    return spans[0].trace_id.hex()


def doctor(service):
    """What `reflect-otel doctor` finds, by check."""
    command = [sys.executable, "-m", "collector_plugin", "doctor", "--json", "--http-endpoint", service.http_url]
    done = subprocess.run(
        command, env={**os.environ, "REFLECT_ENDPOINT": service.url}, capture_output=True, text=True, check=False
    )
    return {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}


def test_a_lesson_of_the_model_is_served_to_the_next_task_and_shown_with_its_writer(start):
    with ScriptedLLM(scripted) as llm:
        service = start(llm)
        run_id = send(service, **{"reflect.review.result": "fail"})
        with ReflectClient(base_url=service.url, augment_timeout=30) as client:
            trace = client.wait_for_trace(run_id, require_reviewed=True)
            assert (trace.reflector, trace.reflection_note) == ("openai gpt-test", None)
            assert client.get_memory(trace.created_memory_id).reflector == "openai gpt-test"
            assert "Verify the state of the purchase" in client.augment_with_memories(TASK).augmented_task
    assert service.status()["reflector"] == "openai:gpt-test"


def test_an_endpoint_in_trouble_is_told_by_the_run_until_it_answers(start):
    healthy = threading.Event()
    with ScriptedLLM(lambda request: scripted(request) if healthy.is_set() else error(503, "overloaded")) as llm:
        service = start(llm)
        run_id = send(service, **{"reflect.review.result": "fail"})
        with ReflectClient(base_url=service.url) as client:
            trace = wait_for(lambda: client.get_trace(run_id), lambda trace: trace.last_ingest_error)
            assert (trace.ingest_status, trace.review_status) == ("processing", "pending")
            assert "503" in trace.last_ingest_error
            assert "503" in service.status()["reflector_error"]
            assert doctor(service)["reflector_error"]["remedy"]
            assert client.augment_with_memories(TASK).augmented_task == TASK
            healthy.set()
            learned = client.wait_for_trace(run_id, require_reviewed=True)
            assert (learned.reflector, learned.last_ingest_error) == ("openai gpt-test", None)
            assert doctor(service)["reflector_error"]["ok"]


def test_a_kill_in_the_middle_of_a_call_leaves_exactly_one_memory(start):
    called, go_on = threading.Event(), threading.Event()

    def slow_at_first(request):
        if called.is_set():
            return scripted(request)
        called.set()
        return held(go_on, scripted(request))

    with ScriptedLLM(slow_at_first) as llm:
        service = start(llm)
        run_id = send(service, **{"reflect.review.result": "fail"})
        assert called.wait(20)
        service.kill()
        go_on.set()
        service.start()
        with ReflectClient(base_url=service.url) as client:
            trace = client.wait_for_trace(run_id, require_reviewed=True)
            assert trace.reflector == "openai gpt-test"
            assert [memory.id for memory in client.iter_memories()] == [trace.created_memory_id]


def test_a_stop_in_the_middle_of_a_call_is_soon_and_loses_nothing(start):
    called, go_on = threading.Event(), threading.Event()

    def slow_at_first(request):
        if called.is_set():
            return scripted(request)
        called.set()
        return held(go_on, scripted(request))

    with ScriptedLLM(slow_at_first) as llm:
        service = start(llm)
        run_id = send(service, **{"reflect.review.result": "fail"})
        assert called.wait(20)
        code, seconds = service.terminate()
        go_on.set()
        assert (code, seconds < 12) == (0, True)
        service.start()
        with ReflectClient(base_url=service.url) as client:
            trace = client.wait_for_trace(run_id, require_reviewed=True)
            assert [memory.id for memory in client.iter_memories()] == [trace.created_memory_id]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what the instrumentation imports
def test_our_own_calls_never_become_runs_of_the_host(tmp_path, monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    try:
        with ScriptedLLM(scripted) as llm:
            for name, value in llm.environment.items():
                monkeypatch.setenv(name, value)
            with ReflectClient.embedded(tmp_path / "data", reflector="openai:gpt-test") as client:
                conversation = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "Done."}]
                submitted = client.create_trace(task=TASK, trajectory=conversation, review_result="fail")
                trace = client.wait_for_trace(submitted.id, require_reviewed=True)
                assert (trace.reflector, len(llm.requests)) == ("openai gpt-test", 1)
                assert len(list(client.iter_traces())) == 1
        assert exporter.get_finished_spans() == ()
    finally:
        OpenAIInstrumentor().uninstrument()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--reflector", "openai"), "openai:MODEL"),
        (("--reflector", "nowhere"), "installed: "),
        (("--judge",), "--reflector openai:MODEL"),
        (("--reflector", "openai:gpt-test"), "OPENAI_API_KEY"),
        (("--daily-usd", "1"), "--model-price"),
        (("--model-price", "cheap"), "INPUT:OUTPUT"),
    ],
)
def test_a_wrong_setting_is_refused_at_the_start(start_service, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(AssertionError) as refused:
        start_service(tmp_path / "data", *arguments)
    assert complaint in str(refused.value)
