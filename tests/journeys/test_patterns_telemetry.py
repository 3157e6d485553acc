"""The patterns and OpenTelemetry: one run, wherever its spans go, and one result, however its review comes."""

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from reflect_otel import ReflectClient

from .service_process import ServiceProcess, wait_for
from .telemetry import OtlpSender, agent_run, evaluation_request, new_trace_id, trace_request

AGENT = Path(__file__).parents[1] / "agents" / "pattern_agent.py"
TASK = "Refund the damaged coffee order of a customer"
ANSWER = "The order was refunded to the card."
FEEDBACK = "no refund was issued"


_projects = count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with ServiceProcess(tmp_path_factory.mktemp("telemetry") / "data", "--settle-seconds", "0.2") as process:
        yield process


@pytest.fixture(autouse=True)
def project(monkeypatch):
    """An empty project of the one service, for this process and the agents it starts."""
    name = f"telemetry-{next(_projects)}"
    monkeypatch.setenv("REFLECT_PROJECT_ID", name)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"reflect.project.id={name}")
    return name


@pytest.fixture
def client(service, project):
    with ReflectClient(service.url, augment_timeout=10) as client:
        yield client


@pytest.fixture
def sender(service, project):
    sender = OtlpSender(service.grpc_address, (("x-reflect-project", project),))
    yield sender
    sender.close()


def run_agent(service, tmp_path, spans_go_to: str, doing: str) -> tuple[dict, list[dict]]:
    """What the agent printed, and the spans that its APM got."""
    apm = tmp_path / f"apm-{spans_go_to}-{doing}"
    apm.touch()
    done = subprocess.run(
        [sys.executable, AGENT, spans_go_to, doing, service.url, apm],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [json.loads(line) for line in apm.read_text().splitlines()]


def only_trace(service, client, run_id, *, reviewed=False):
    trace = client.wait_for_trace(run_id, require_reviewed=reviewed, wait_timeout=20)
    service.wait_settled()
    assert [each.id for each in client.list_traces()] == [run_id]
    return client.get_trace(trace.id)


@pytest.mark.parametrize("spans_go_to", ["none", "ours", "stock", "apm", "unsampled"])
@pytest.mark.parametrize("doing", ["output", "error"])
def test_wherever_the_spans_go_it_is_one_run(service, client, tmp_path, spans_go_to, doing):
    printed, _ = run_agent(service, tmp_path, spans_go_to, doing)
    trace = only_trace(service, client, printed["run_id"], reviewed=doing == "error")
    assert (trace.task, trace.agent) == (TASK, "support")
    assert len(trace.trace_ids) == 1
    assert printed["otel_trace_id"] in (None, *trace.trace_ids)
    assert (printed["otel_trace_id"] is None) == (spans_go_to == "none")
    if doing == "output":
        spoken = [message for message in trace.trajectory if message["role"] in ("user", "assistant")]
        assert [message["content"] for message in spoken if message["content"]] == [TASK, ANSWER]
    else:
        assert (trace.review.result, trace.review.feedback) == ("fail", "ConnectionError: the model is away")
    if spans_go_to in ("ours", "stock"):
        assert (trace.llm_calls, trace.tool_calls, trace.input_tokens, trace.model) == (1, 1, 120, "gpt-5.4-mini")


def test_spans_of_the_run_teach_what_an_exception_left_unsaid(service, client, tmp_path):
    printed, _ = run_agent(service, tmp_path, "ours", "error")
    trace = only_trace(service, client, printed["run_id"], reviewed=True)
    assert ANSWER in str(trace.trajectory)
    assert trace.created_memory_id


def test_without_set_output_the_conversation_is_that_of_the_spans(service, client, tmp_path):
    printed, _ = run_agent(service, tmp_path, "ours", "spans")
    trace = only_trace(service, client, printed["run_id"])
    assert [message["role"] for message in trace.trajectory] == ["user", "assistant", "tool", "assistant"]
    assert trace.final_response == ANSWER


def test_the_teams_apm_gets_the_whole_run_and_no_content_from_us(service, client, tmp_path):
    printed, spans = run_agent(service, tmp_path, "ours", "inline")
    assert [span["name"] for span in spans] == [
        "search_memory",
        "execute_tool refund_order",
        "chat gpt-5.4-mini",
        "invoke_agent support",
    ]
    root = spans[-1]
    assert {span["context"]["trace_id"] for span in spans} == {f"0x{printed['otel_trace_id']}"}
    assert [span["parent_id"] for span in spans] == [*[root["context"]["span_id"]] * 3, None]
    assert spans[0]["attributes"] == {
        "gen_ai.operation.name": "search_memory",
        "gen_ai.provider.name": "reflect-otel",
        "reflect.retrieval.lambda": 0.5,
        "reflect.retrieval.policy": "blend-2",
        "reflect.retrieval.embedder": service.status()["embedder"],
        "gen_ai.memory.record.count": 0,
        "reflect.run.id": printed["run_id"],
    }
    assert root["attributes"] == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "reflect.run.id": printed["run_id"],
    }


# --- one result, however the review comes -------------------------------------------------------------------


def no_more(sender, client, printed):
    pass


def by_call(sender, client, printed):
    client.review_trace(printed["run_id"], result="fail", feedback_text=FEEDBACK)


def by_call_with_the_w3c_trace_id(sender, client, printed):
    client.review_trace(printed["otel_trace_id"], result="failure", feedback_text=FEEDBACK)


def by_later_span(sender, client, printed):
    span = agent_run("x", "y")[2]
    del span.attributes[:]
    named = {"reflect.review.run_id": printed["run_id"], "reflect.review.result": "fail"}
    for key, value in {**named, "reflect.review.feedback": FEEDBACK}.items():
        span.attributes.add(key=key).value.string_value = value
    sender.send(trace_request([span]))


def by_evaluation_event(sender, client, printed):
    values = {
        "gen_ai.evaluation.name": "Done",
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.explanation": FEEDBACK,
    }
    sender.send_logs(evaluation_request(values, bytes.fromhex(printed["otel_trace_id"])))


@pytest.fixture
def served_memory(client):
    """What every run of this task is served."""
    return client.create_memory(TASK, "Look the order up before refunding it.")


@pytest.mark.parametrize(
    ("doing", "review"),
    [
        ("inline", no_more),
        ("review", no_more),
        ("output", by_call),
        ("output", by_call_with_the_w3c_trace_id),
        ("output", by_later_span),
        ("output", by_evaluation_event),
    ],
)
def test_every_way_of_reviewing_a_run_gives_the_same_result(
    service, sender, client, served_memory, tmp_path, doing, review
):
    printed, _ = run_agent(service, tmp_path, "ours", doing)
    client.wait_for_trace(printed["run_id"], wait_timeout=20)
    review(sender, client, printed)
    trace = only_trace(service, client, printed["run_id"], reviewed=True)
    assert (trace.review.result, trace.review.feedback) == ("fail", FEEDBACK)
    learned = client.get_memory(trace.created_memory_id)
    assert (learned.kind, learned.success, learned.created_from) == ("pitfall", False, printed["run_id"])
    assert FEEDBACK in learned.reflection
    assert "refund_order" in learned.reflection or "refund" in learned.reflection
    credited = client.get_memory(served_memory.id)
    assert (credited.uses, credited.passes, credited.utility) == (1, 0, 0.25)


# --- pattern 3 --------------------------------------------------------------------------------------------


def in_a_span():
    trace_id = new_trace_id()
    caller = SpanContext(int.from_bytes(trace_id, "big"), 7, is_remote=False, trace_flags=TraceFlags(1))
    return use_span(NonRecordingSpan(caller))


def test_explicit_calls_in_one_span_close_the_loop_without_passing_ids(client, served_memory):
    with in_a_span():
        assert [memory.id for memory in client.augment_with_memories(TASK).memories] == [served_memory.id]
        submission = client.create_trace(
            TASK, trajectory=[{"role": "assistant", "content": ANSWER}], review_result="pass"
        )
    trace = client.wait_for_trace(submission.id, require_reviewed=True)
    assert trace.retrieved_memory_ids == (served_memory.id,)
    assert client.get_memory(served_memory.id).uses == 1


def test_runs_side_by_side_in_one_trace_are_credited_apart(service, client):
    memories = {task: client.create_memory(task, f"Lesson for {task}.") for task in ("Bake bread", "Sail a boat")}
    with in_a_span():
        for task in memories:
            with client.trace(task) as ctx:
                ctx.set_output(trajectory=[{"role": "assistant", "content": "Done."}], result="pass")
    for trace in wait_for(
        lambda: client.list_traces(review_status="reviewed"), lambda traces: len(traces) == len(memories)
    ):
        assert trace.retrieved_memory_ids == (memories[trace.task].id,)


def test_a_record_that_arrives_twice_changes_nothing(service, client, served_memory):
    request_of = {}
    with ReflectClient(service.url, augment_timeout=10) as other:
        send = other._submissions.send
        other._submissions.send = lambda record, seconds: (request_of.update(record=record), send(record, seconds))
        with other.trace(TASK) as ctx:
            ctx.set_output(trajectory=[{"role": "assistant", "content": ANSWER}], result="pass")
        before = client.wait_for_trace(ctx.trace_id, require_reviewed=True)
        send(request_of["record"], 10)
    service.wait_settled()
    after = client.wait_for_trace(ctx.trace_id, require_reviewed=True)
    assert (after.created_memory_id, after.trajectory) == (before.created_memory_id, before.trajectory)
    assert client.get_memory(served_memory.id).uses == 1
