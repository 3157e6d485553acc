"""The calls about memories give the same whichever way they go."""

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from reflect_otel import InvalidArgument, MemoryKind, NotFound
from reflect_otel.model.explanation import LeftOut

from .runs import CHAT, TASK, learn


def test_a_lesson_is_appended_to_the_next_task_and_nothing_is_degraded(client):
    trace = learn(client)
    augmented = client.augment_with_memories(TASK)
    assert [memory.id for memory in augmented.memories] == [trace.created_memory_id]
    assert augmented.augmented_task.startswith(TASK + "\n")
    assert "Ask which order is meant" in augmented.augmented_task
    assert not augmented.degraded


def test_without_memories_the_task_comes_back_as_it_is(client):
    augmented = client.augment_with_memories(TASK)
    assert (augmented.augmented_task, augmented.memories, augmented.degraded) == (TASK, (), False)


def test_memories_are_ranked_limited_filtered_and_cut_off(client):
    for team, number in (("shop", 1), ("shop", 2), ("bank", 3)):
        client.create_memory(f"{TASK} {number}", f"Lesson {number}", metadata={"team": team})
    found = client.query_memories(TASK, limit=2, lambda_=1.0)
    assert len(found) == 2
    assert found[0].similarity >= found[1].similarity > 0
    of_bank = client.query_memories(TASK, metadata_filter={"team": "bank"})
    assert [memory.reflection for memory in of_bank] == ["Lesson 3"]
    assert client.query_memories("Water the tulips", similarity_threshold=0.9) == []
    assert len(client.query_memories(TASK, limit=3, mmr_lambda=0.5)) == 3


def test_an_explanation_tells_of_every_memory_near_the_task(client):
    for number in range(3):
        client.create_memory(f"{TASK} {number}", f"Lesson {number}")
    augmented = client.augment_with_memories(TASK, explain=True)
    told = augmented.explanation
    served = [candidate for candidate in told.candidates if candidate.left_out is None]
    assert [candidate.memory for candidate in served] == list(augmented.memories)
    assert [candidate.note for candidate in served] == [1]
    assert [candidate.left_out for candidate in told.candidates[1:]] == [LeftOut.PROBE_RATION] * 2
    assert [candidate.rank for candidate in told.candidates] == [1, 2, 3]
    assert (told.lambda_, told.guarded, told.max_injected) == (0.5, True, 3)
    assert told.threshold == told.gate > 0
    assert all(candidate.closeness > 0 for candidate in told.candidates)
    assert client.augment_with_memories(TASK).explanation is None


def test_the_explanation_of_an_empty_store_names_the_threshold_that_held(client):
    told = client.augment_with_memories(TASK, explain=True).explanation
    assert (told.candidates, told.threshold) == ((), told.gate)
    assert client.augment_with_memories(TASK, explain=True, similarity_threshold=0.5).explanation.threshold == 0.5


def test_a_metadata_filter_that_is_no_mapping_is_refused_by_name(client):
    with pytest.raises(InvalidArgument, match="mapping") as refused:
        client.augment_with_memories(TASK, metadata_filter=[("team", "air")])
    assert refused.value.field == "metadata_filter"


def test_the_number_of_memories_in_a_task_can_be_asked_for(client):
    for number in range(3):
        client.create_memory(f"{TASK} {number}", f"Lesson {number}")
    assert len(client.augment_with_memories(TASK, lambda_=1.0, max_injected=2).memories) == 2
    assert client.augment_with_memories(TASK, max_injected=0).augmented_task == TASK
    with pytest.raises(InvalidArgument, match="max_injected"):
        client.augment_with_memories(TASK, max_injected=-1)


def test_a_memory_written_by_hand_comes_back_as_stored(client):
    stored = client.create_memory(TASK, "Refund to the card.", kind="contrast", success=True, metadata={"n": 1})
    again = client.get_memory(stored.id)
    assert (again.task, again.reflection, again.kind) == (TASK, "Refund to the card.", MemoryKind.CONTRAST)
    assert (again.success, again.utility, again.uses, dict(again.metadata)) == (True, 0.5, 0, {"n": "1"})
    assert again.created_ns > 0
    assert client.create_memory(TASK, "Never twice.", success=False).kind is MemoryKind.PITFALL


def test_every_memory_is_listed_newest_first(client):
    ids = [client.create_memory(f"{TASK} {number}", f"Lesson {number}").id for number in range(5)]
    assert [memory.id for memory in client.list_memories()] == ids[::-1]
    assert [memory.id for memory in client.iter_memories()] == ids[::-1]
    assert [len(page) for page in client.iter_memory_pages()] == [5]


def test_lists_longer_than_a_page_are_read_to_their_end(client, monkeypatch):
    monkeypatch.setattr("reflect_otel.client.memory_calls.PAGE_SIZE", 2)
    ids = [client.create_memory(f"{TASK} {number}", f"Lesson {number}").id for number in range(5)]
    assert [memory.id for memory in client.list_memories()] == ids[::-1]
    assert [len(page) for page in client.iter_memory_pages()] == [2, 2, 1]


def test_an_unknown_memory_is_not_found(client):
    with pytest.raises(NotFound, match="mem-nobody"):
        client.get_memory("mem-nobody")


def test_memories_served_within_a_trace_are_credited_without_passing_ids(client):
    memory_id = learn(client).created_memory_id
    span = SpanContext(0xABCDEF, 7, is_remote=False, trace_flags=TraceFlags(1))
    with use_span(NonRecordingSpan(span)):
        client.augment_with_memories(TASK)
        learn(client, "pass")
    assert (client.get_memory(memory_id).uses, client.get_memory(memory_id).passes) == (1, 1)
    assert client.get_memory(memory_id).utility > 0.5


def test_memories_named_with_the_run_are_credited(client):
    memory_id = learn(client).created_memory_id
    client.create_trace_and_wait(TASK, CHAT, retrieved_memory_ids=[memory_id], review_result="fail")
    assert (client.get_memory(memory_id).uses, client.get_memory(memory_id).passes) == (1, 0)
    assert client.get_memory(memory_id).utility < 0.5
