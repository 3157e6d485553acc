"""Each call of the client, over a real socket."""

import json

import pytest

from reflect_otel import InvalidArgument, MemoryKind, ReflectClient
from reflect_otel.wire.v1 import reflect_pb2 as wire

MEMORY = wire.Memory(
    id="m1",
    task="Return an order",
    reflection="Check that the order exists.",
    kind=wire.MEMORY_KIND_PITFALL,
    utility=0.7,
    uses=4,
    passes=3,
    similarity=0.9,
    score=0.8,
    success=False,
    created_from="run-1",
    status="active",
)
MESSAGES = [{"role": "user", "content": "Parse the CSV"}, {"role": "assistant", "content": "Done"}]


def completed(request, context):
    yield wire.WaitTraceResponse(
        trace=wire.Trace(
            id=request.trace_id,
            ingest_status=wire.INGEST_STATUS_COMPLETED,
            review_status=wire.REVIEW_STATUS_REVIEWED if request.require_reviewed else wire.REVIEW_STATUS_PENDING,
            created_memory_id="m9" if request.require_reviewed else "",
        )
    )


def queued(request, context):
    status = wire.INGEST_STATUS_QUEUED if request.HasField("review") else wire.INGEST_STATUS_COMPLETED
    return wire.CreateTraceResponse(trace_id=request.trace_id, ingest_status=status)


def test_augment_returns_the_task_with_the_memories_served(service, client):
    service.answers["Augment"] = wire.AugmentResponse(augmented_task="task and notes", memories=[MEMORY])
    augmented = client.augment_with_memories(task="task", limit=3, lambda_=0.2, metadata_filter={"team": "shop"})
    assert augmented.augmented_task == "task and notes"
    assert not augmented.degraded
    memory = augmented.memories[0]
    assert (memory.id, memory.kind, memory.q_value, memory.success) == ("m1", MemoryKind.PITFALL, 0.7, False)
    options = service.requests("Augment")[0].options
    assert options.limit == 3
    assert getattr(options, "lambda") == 0.2
    assert not options.HasField("similarity_threshold")
    assert dict(options.metadata_filter) == {"team": "shop"}


def test_query_memories_returns_a_list_best_first(service, client):
    service.answers["QueryMemories"] = wire.QueryMemoriesResponse(memories=[MEMORY, wire.Memory(id="m2")])
    assert [memory.id for memory in client.query_memories("task", similarity_threshold=0.1)] == ["m1", "m2"]
    assert service.requests("QueryMemories")[0].options.similarity_threshold == 0.1


def test_create_trace_without_a_review_is_completed(service, client):
    service.answers["CreateTrace"] = queued
    submission = client.create_trace(
        task="Parse the CSV",
        trajectory=MESSAGES,
        retrieved_memory_ids=["mem-abc"],
        model="gpt-5.4-mini",
        metadata={"source": "cli", "attempt": 2, "tags": ["a"]},
    )
    sent = service.requests("CreateTrace")[0]
    assert submission.id == sent.trace_id
    assert submission.ingest_status == "completed"
    assert dict(sent.metadata) == {"source": "cli", "attempt": "2", "tags": '["a"]'}
    assert list(sent.retrieved_memory_ids) == ["mem-abc"]
    assert [message.fields["content"].string_value for message in sent.trajectory] == ["Parse the CSV", "Done"]


@pytest.mark.parametrize(
    ("result", "number"),
    [("pass", 1), ("success", 1), (" Pass ", 1), ("fail", 2), ("failure", 2)],
)
def test_an_inline_review_is_queued_under_either_name(service, client, result, number):
    service.answers["CreateTrace"] = queued
    submission = client.create_trace("t", json.dumps(MESSAGES), review_result=result, feedback_text="why")
    assert submission.ingest_status == "queued"
    review = service.requests("CreateTrace")[0].review
    assert (review.result, review.feedback) == (number, "why")


def test_feedback_without_a_result_is_kept_as_metadata(service, client):
    service.answers["CreateTrace"] = queued
    client.create_trace("t", MESSAGES, metadata={"a": "b"}, feedback_text="looks odd")
    sent = service.requests("CreateTrace")[0]
    assert not sent.HasField("review")
    assert dict(sent.metadata) == {"a": "b", "feedback_text": "looks odd"}


def test_a_repeated_create_can_name_the_same_run(service, client):
    service.answers["CreateTrace"] = queued
    assert client.create_trace("t", MESSAGES, trace_id="run-7").id == "run-7"


def test_create_and_wait_waits_for_the_review_it_gave(service, client):
    service.answers.update(CreateTrace=queued, WaitTrace=completed)
    trace = client.create_trace_and_wait("t", MESSAGES, review_result="pass")
    assert (trace.review_status, trace.created_memory_id) == ("reviewed", "m9")


def test_create_and_wait_without_a_review_does_not_wait_for_one(service, client):
    service.answers.update(CreateTrace=queued, WaitTrace=completed)
    trace = client.create_trace_and_wait("t", MESSAGES)
    assert (trace.review_status, trace.created_memory_id) == ("pending", None)


def test_review_trace_returns_the_reviewed_trace(service, client):
    service.answers["ReviewTrace"] = wire.ReviewTraceResponse(
        trace=wire.Trace(
            id="r",
            review_status=wire.REVIEW_STATUS_REVIEWED,
            created_memory_id="m9",
            review=wire.Review(result=wire.REVIEW_RESULT_FAIL, feedback="wrong rows", source=wire.REVIEW_SOURCE_CODE),
        )
    )
    trace = client.review_trace(trace_id="r", result="failure", feedback_text="wrong rows", score=0.1, source="code")
    assert trace.review is not None
    assert (trace.review.result.value, trace.review.feedback, trace.review.reward) == ("fail", "wrong rows", 0.0)
    sent = service.requests("ReviewTrace")[0].review
    assert (sent.result, sent.score, sent.source) == (wire.REVIEW_RESULT_FAIL, 0.1, wire.REVIEW_SOURCE_CODE)


def test_get_trace_gives_the_conversation_back_as_it_was_sent(service, client):
    service.answers["CreateTrace"] = queued
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    sent = [{"role": "assistant", "content": None, "tool_calls": [call], "index": 3, "logprob": -0.5, "final": True}]
    client.create_trace("t", sent)
    service.answers["GetTrace"] = wire.GetTraceResponse(
        trace=wire.Trace(id="r", trajectory=service.requests("CreateTrace")[0].trajectory)
    )
    assert list(client.get_trace("r").trajectory) == sent


def test_the_deepest_message_that_is_accepted_arrives(service, client):
    service.answers["CreateTrace"] = queued
    client.create_trace("t", [{"content": json.loads("[" * 28 + '{"a": 1}' + "]" * 28)}])
    nested = service.requests("CreateTrace")[0].trajectory
    response = wire.GetTraceResponse(trace=wire.Trace(trajectory=nested))
    assert wire.GetTraceResponse.FromString(response.SerializeToString()) == response


def test_list_traces_reads_every_page_with_the_same_filter(service, client):
    def page(request, context):
        number = int(request.page_token or 0)
        token = str(number + 1) if number < 2 else ""
        return wire.ListTracesResponse(traces=[wire.Trace(id=str(number))], next_page_token=token)

    service.answers["ListTraces"] = page
    assert [trace.id for trace in client.list_traces(review_status="pending")] == ["0", "1", "2"]
    assert {request.review_status for request in service.requests("ListTraces")} == {wire.REVIEW_STATUS_PENDING}


def test_delete_traces_adds_up_over_requests_of_at_most_a_thousand(service, client):
    service.answers["DeleteTraces"] = lambda request, context: wire.DeleteTracesResponse(
        deleted_count=len(request.trace_ids)
    )
    assert client.delete_traces([str(number) for number in range(1500)]) == 1500
    assert client.delete_traces("only-one") == 1
    assert [len(request.trace_ids) for request in service.requests("DeleteTraces")] == [1000, 500, 1]


def test_memories_written_by_hand_come_back_as_stored(service, client):
    service.answers["CreateMemory"] = lambda request, context: wire.CreateMemoryResponse(
        memory=wire.Memory(id="m1", task=request.task, reflection=request.reflection, kind=request.kind)
    )
    service.answers["GetMemory"] = wire.GetMemoryResponse(memory=MEMORY)
    service.answers["ListMemories"] = wire.ListMemoriesResponse(memories=[MEMORY])
    assert client.create_memory("task", "lesson", kind="contrast").kind is MemoryKind.CONTRAST
    assert not service.requests("CreateMemory")[0].HasField("success")
    assert client.get_memory("m1").passes == 3
    assert [memory.created_from for memory in client.list_memories()] == ["run-1"]


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("review_result", lambda c: c.create_trace("t", MESSAGES, review_result="maybe")),
        ("score", lambda c: c.create_trace("t", MESSAGES, score=0.5)),
        ("trajectory", lambda c: c.create_trace("t", "not json")),
        ("trajectory", lambda c: c.create_trace("t", '{"role": "user"}')),
        ("trajectory", lambda c: c.create_trace("t", 5)),
        ("trajectory[1]", lambda c: c.create_trace("t", [MESSAGES[0], "hello"])),
        ("trajectory[0]", lambda c: c.create_trace("t", [{"role": "user", "content": float("nan")}])),
        (
            "trajectory[0]",
            lambda c: c.create_trace("t", [{"content": json.loads("[" * 99 + "]" * 99)}]),
        ),
        ("metadata", lambda c: c.create_trace("t", MESSAGES, metadata={"a": object()})),
        ("retrieved_memory_ids", lambda c: c.create_trace("t", MESSAGES, retrieved_memory_ids="mem-abc")),
        ("result", lambda c: c.review_trace("r", result="good")),
        ("source", lambda c: c.review_trace("r", result="pass", source="cat")),
        ("review_status", lambda c: c.list_traces(review_status="open")),
        ("kind", lambda c: c.create_memory("t", "r", kind="tip")),
        ("task", lambda c: c.augment_with_memories(task=7)),
        ("memory_id", lambda c: c.get_memory(7)),
        ("trace_id", lambda c: c.get_trace(7)),
        ("limit", lambda c: c.query_memories("t", limit="many")),
    ],
)
def test_a_wrong_argument_is_refused_by_name_before_anything_is_sent(service, client, field, call):
    with pytest.raises(InvalidArgument) as refused:
        call(client)
    assert refused.value.field == field
    assert not service.calls


def test_text_that_is_no_unicode_does_not_stop_a_trace(service, client):
    service.answers["CreateTrace"] = queued
    client.create_trace("t\ud800", [{"role": "user", "content": "a\udfffb"}])
    sent = service.requests("CreateTrace")[0]
    assert (sent.task, sent.trajectory[0].fields["content"].string_value) == ("t?", "a?b")


def test_message_objects_of_the_openai_library_are_read(service, client):
    from openai.types.chat import ChatCompletionMessage

    service.answers["CreateTrace"] = queued
    client.create_trace("t", [MESSAGES[0], ChatCompletionMessage(role="assistant", content="Done")])
    sent = service.requests("CreateTrace")[0].trajectory[1]
    assert {key: value.string_value for key, value in sent.fields.items()} == {"role": "assistant", "content": "Done"}


def test_settings_come_from_arguments_then_environment_then_defaults(service, monkeypatch):
    service.answers["GetMemory"] = wire.GetMemoryResponse(memory=MEMORY)
    monkeypatch.setenv("REFLECT_ENDPOINT", service.url)
    monkeypatch.setenv("REFLECT_API_KEY", "rf_env")
    with ReflectClient() as from_environment, ReflectClient(api_key="rf_arg", project_id="shop") as from_arguments:
        from_environment.get_memory("m1")
        from_arguments.get_memory("m1")
    sent = [(headers["authorization"], headers["x-reflect-project"]) for _, _, headers in service.calls]
    assert sent == [("Bearer rf_env", "default"), ("Bearer rf_arg", "shop")]


@pytest.mark.parametrize("url", ["localhost:4317", "ftp://host:1", "http://", "http://host:port", "http://[::1"])
def test_an_address_without_a_scheme_or_host_is_refused(url):
    with pytest.raises(InvalidArgument, match="http://HOST:PORT"):
        ReflectClient(url)


def test_a_key_with_a_line_break_is_refused_by_name():
    with pytest.raises(InvalidArgument) as refused:
        ReflectClient("http://localhost:4317", api_key="rf_key\n")
    assert refused.value.field == "api_key"
