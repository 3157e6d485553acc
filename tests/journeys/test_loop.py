"""The loop over real sockets: spans, review, memory, augmented prompt, in every way a review can arrive."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from reflect_otel import ReflectClient

from .service_process import wait_for
from .telemetry import OtlpSender, agent_run, evaluation_request, new_trace_id, trace_request

TASK = "Refund the damaged coffee order of a customer"
EXAMPLES = Path(__file__).parents[2] / "examples"


def reviewed(client, run_id):
    return client.wait_for_trace(run_id, require_reviewed=True, wait_timeout=20)


def test_plain_otel_sdk_run_with_review_attributes_becomes_one_memory_that_augment_returns(service, client):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "plain_otel.py")],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": service.url, "OTEL_EXPORTER_OTLP_INSECURE": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "reflect_otel" not in (EXAMPLES / "plain_otel.py").read_text().replace("reflect_otel imported", "")
    (memory,) = wait_for(client.list_memories, bool)
    augmented = client.augment_with_memories(memory.task)
    assert [m.id for m in augmented.memories] == [memory.id], done.stdout
    assert augmented.augmented_task.startswith(memory.task)
    assert memory.reflection[:20] in augmented.augmented_task


def review_by_attribute(sender, client, spans):
    for key, value in (("reflect.review.result", "fail"), ("reflect.review.feedback", "no refund was issued")):
        attribute = spans[-1].attributes.add(key=key)
        attribute.value.string_value = value
    sender.send(trace_request(spans))


def review_by_evaluation_event(sender, client, spans):
    sender.send(trace_request(spans))
    values = {
        "gen_ai.evaluation.name": "Done",
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.explanation": "no refund was issued",
    }
    sender.send_logs(evaluation_request(values, spans[0].trace_id))


def review_by_response_id_before_the_spans(sender, client, spans):
    response_id = next(a.value.string_value for a in spans[0].attributes if a.key == "gen_ai.response.id")
    values = {
        "gen_ai.evaluation.name": "Done",
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.explanation": "no refund was issued",
        "gen_ai.response.id": response_id,
    }
    sender.send_logs(evaluation_request(values))
    sender.send(trace_request(spans))


def review_by_later_span(sender, client, spans):
    sender.send(trace_request(spans))
    later = agent_run("x", "y")[2]
    del later.attributes[:]
    for key, value in (
        ("reflect.review.run_id", spans[0].trace_id.hex()),
        ("reflect.review.result", "failure"),
        ("reflect.review.feedback", "no refund was issued"),
    ):
        later.attributes.add(key=key).value.string_value = value
    sender.send(trace_request([later]))


def review_by_linked_span(sender, client, spans):
    sender.send(trace_request(spans))
    later = agent_run("x", "y")[2]
    del later.attributes[:]
    later.links.add(trace_id=spans[2].trace_id, span_id=spans[2].span_id)
    for key, value in (("reflect.review.result", "fail"), ("reflect.review.feedback", "no refund was issued")):
        later.attributes.add(key=key).value.string_value = value
    sender.send(trace_request([later]))


def review_by_call(sender, client, spans):
    sender.send(trace_request(spans))
    client.review_trace(spans[0].trace_id.hex(), result="fail", feedback_text="no refund was issued")


@pytest.mark.parametrize(
    "give_review",
    [
        review_by_attribute,
        review_by_evaluation_event,
        review_by_response_id_before_the_spans,
        review_by_later_span,
        review_by_linked_span,
        review_by_call,
    ],
)
def test_every_way_of_reviewing_teaches_the_same(sender, client, give_review):
    spans = agent_run(TASK, "Done.")
    give_review(sender, client, spans)
    trace = reviewed(client, spans[0].trace_id.hex())
    assert (trace.review.result, trace.review.feedback) == ("fail", "no refund was issued")
    memory = client.get_memory(trace.created_memory_id)
    assert (memory.kind, memory.success, memory.created_from) == ("pitfall", False, spans[0].trace_id.hex())
    assert "no refund was issued" in memory.reflection
    assert client.list_traces(review_status="pending") == []


def test_memories_served_by_trace_context_are_credited_without_passing_ids(service, sender, client):
    first = agent_run(
        TASK, "Done.", root={"reflect.review.result": "fail", "reflect.review.feedback": "asked nobody"}
    )
    sender.send(trace_request(first))
    memory_id = reviewed(client, first[0].trace_id.hex()).created_memory_id
    trace_id = new_trace_id()
    caller = SpanContext(int.from_bytes(trace_id, "big"), 7, is_remote=False, trace_flags=TraceFlags(1))
    with use_span(NonRecordingSpan(caller)):
        served = client.augment_with_memories(TASK)
    assert [memory.id for memory in served.memories] == [memory_id]
    sender.send(
        trace_request(agent_run(TASK, "Refunded.", trace_id=trace_id, root={"reflect.review.result": "pass"}))
    )
    reviewed(client, trace_id.hex())
    memory = client.get_memory(memory_id)
    assert (memory.uses, round(memory.utility, 3)) == (1, 0.75)


def tables(service):
    """Everything the store holds, as the stopped folder shows it."""
    import duckdb

    with duckdb.connect(str(service.data_dir / "reflect.duckdb"), read_only=True) as db:
        names = ("spans", "runs", "run_traces", "messages", "reviews", "memories", "utility_events")
        return {name: sorted(map(repr, db.execute(f"select * from {name}").fetchall())) for name in names}


def test_same_spans_twice_also_after_a_restart_change_nothing(service):
    def send_all():
        sender = OtlpSender(service.grpc_address)
        for request in requests:
            sender.send(request)
        sender.send_logs(evaluation)
        sender.close()

    def finish():
        with ReflectClient(base_url=service.url) as client:
            for spans in runs:
                reviewed(client, spans[0].trace_id.hex())
        service.wait_settled()

    runs = [agent_run(TASK, "Done.", root={"reflect.review.result": result}) for result in ("fail", "pass", "fail")]
    requests = [trace_request(spans) for spans in runs]
    evaluation = evaluation_request(
        {"gen_ai.evaluation.name": "Done", "gen_ai.evaluation.score.label": "fail"}, runs[0][0].trace_id
    )
    send_all()
    finish()
    service.terminate()
    before = tables(service)
    service.start()
    send_all()
    send_all()
    finish()
    service.terminate()
    after = tables(service)
    assert before["memories"]
    for name in ("spans", "run_traces", "messages", "reviews", "memories", "utility_events"):
        assert after[name] == before[name], name
    assert len(after["runs"]) == len(before["runs"])


def test_review_is_changed_and_utilities_follow_exactly(service, sender, client):
    first = agent_run(
        TASK, "Done.", root={"reflect.review.result": "fail", "reflect.review.feedback": "asked nobody"}
    )
    sender.send(trace_request(first))
    memory_id = reviewed(client, first[0].trace_id.hex()).created_memory_id
    second = agent_run(TASK, "Refunded.", root={"reflect.memory.ids": memory_id, "reflect.review.result": "pass"})
    sender.send(trace_request(second))
    run_id = second[0].trace_id.hex()
    reviewed(client, run_id)
    assert round(client.get_memory(memory_id).utility, 3) == 0.75
    client.review_trace(run_id, result="fail")
    assert round(client.get_memory(memory_id).utility, 3) == 0.25
    assert client.get_memory(memory_id).uses == 1


def test_augmentation_is_told_as_json_by_the_command_line(service, sender, client):
    spans = agent_run(
        TASK, "Done.", root={"reflect.review.result": "fail", "reflect.review.feedback": "asked nobody"}
    )
    sender.send(trace_request(spans))
    reviewed(client, spans[0].trace_id.hex())
    done = subprocess.run(
        [sys.executable, "-m", "collector_plugin", "augment", TASK, "--endpoint", service.url, "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    printed = json.loads(done.stdout)
    assert printed["augmented_task"].startswith(TASK)
    assert len(printed["memories"]) == 1
