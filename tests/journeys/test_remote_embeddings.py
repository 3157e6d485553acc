"""A service whose embeddings come over the network: agents never wait for it, and an outage loses nothing."""

import time

import pytest

from reflect_otel import ReflectClient
from reflect_otel.errors import FailedPrecondition
from tests.scripted_embeddings import ScriptedEmbeddings

from .service_process import ServiceProcess, wait_for

TASK = "Cancel the customer's flight to Oslo"
LESSON = "Ask which of the two flights is meant before cancelling."


@pytest.fixture
def endpoint(monkeypatch):
    with ScriptedEmbeddings() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.fixture
def service(endpoint, tmp_path):
    with ServiceProcess(tmp_path / "data", "--settle-seconds", "0.2") as process:
        yield process
        endpoint.gate.set()


@pytest.fixture
def client(service):
    with ReflectClient(base_url=service.url) as client:
        yield client


def test_a_configured_model_is_what_auto_stands_for(service):
    status = service.status()
    assert (status["embedder"], status["embedder_is_lexical"]) == ("openai:scripted-words@512", False)


def test_an_augmentation_does_not_wait_for_a_slow_embedder_and_finds_the_vector_later(service, client, endpoint):
    client.create_memory(task=TASK, reflection=LESSON)
    endpoint.gate.clear()
    began = time.monotonic()
    augmented = client.augment_with_memories(f"{TASK} today")
    assert time.monotonic() - began < 5  # the embedder does not answer before the gate opens
    assert (augmented.augmented_task, augmented.degraded) == (f"{TASK} today", True)
    endpoint.gate.set()
    found = wait_for(lambda: client.augment_with_memories(f"{TASK} today"), lambda found: not found.degraded)
    assert LESSON in found.augmented_task
    asked = len(endpoint.requests)
    client.augment_with_memories(f"{TASK} today")
    assert len(endpoint.requests) == asked  # remembered


def test_what_needs_the_vectors_says_that_they_are_missing(service, client, endpoint):
    client.create_memory(task=TASK, reflection=LESSON)
    endpoint.faults = [401]
    with pytest.raises(FailedPrecondition, match="OPENAI_API_KEY"):
        client.query_memories("another task")
    assert "401" in service.status()["embedding_error"]
    endpoint.faults = []
    client.query_memories("another task")
    assert service.status()["embedding_error"] == ""


def test_a_run_is_learned_from_during_an_outage_and_its_memory_is_found_afterwards(service, client, endpoint):
    endpoint.faults = [401] * 20
    trace = client.create_trace_and_wait(
        task=TASK,
        trajectory=[{"role": "user", "content": TASK}, {"role": "assistant", "content": "Cancelled."}],
        review_result="fail",
        feedback_text="There were two flights; it should have asked which one.",
    )
    assert trace.review_status == "reviewed"
    status = service.status()
    assert (status["memories"], status["memories_embedded"]) == (1, 0)
    endpoint.faults = []
    service.restart()
    wait_for(service.status, lambda status: status["memories_embedded"] == 1)
    with ReflectClient(base_url=service.url) as again:
        assert again.query_memories(TASK, limit=1)[0].created_from == trace.id


def test_the_former_model_serves_while_another_one_is_unreachable(service, client, endpoint, monkeypatch):
    client.create_memory(task=TASK, reflection=LESSON)
    service.terminate()
    monkeypatch.setenv("REFLECT_EMBEDDING_MODEL", "text-embedding-3-small")  # the endpoint gives it 512 dimensions
    service.start()
    status = wait_for(service.status, lambda status: status["embedding_error"])
    assert (status["embedder"], status["embedding_into"]) == (
        "openai:scripted-words@512",
        "openai:text-embedding-3-small@1536",
    )
    assert "REFLECT_EMBEDDING_DIMENSIONS=512" in status["embedding_error"]
    with ReflectClient(base_url=service.url, augment_timeout=30) as again:
        assert LESSON in again.augment_with_memories(TASK).augmented_task
