"""Embeddings over a real socket and the real openai library: batches, retries, faults, calibration."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from reflect_otel.errors import ConfigError, DeadlineExceeded, RateLimited, Unavailable
from reflect_otel.providers.calibration import FALLBACK_GATE, TASKS, read_gate
from reflect_otel.providers.openai_embedder import BATCH_CHARACTERS, BATCH_TEXTS, OpenAIEmbedder
from tests.scripted_embeddings import DIMENSIONS, ScriptedEmbeddings, embed
from tests.waiting import wait_until


@pytest.fixture
def endpoint(monkeypatch):
    with ScriptedEmbeddings() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.fixture
def known(endpoint, monkeypatch):
    """An embedder that needs no question before the first text."""
    monkeypatch.setenv("REFLECT_EMBEDDING_DIMENSIONS", "512")
    return OpenAIEmbedder()


def asked(endpoint):
    return [text for text in endpoint.texts if text not in TASKS]


def test_an_unknown_model_is_asked_once_for_its_dimensions_and_gate(endpoint):
    first = OpenAIEmbedder()
    assert first.id == f"openai:scripted-words@{DIMENSIONS}"
    unit = [embed(task, length=1.0) for task in TASKS]
    assert first.gate == pytest.approx(read_gate(unit), abs=1e-3)
    questions = len(endpoint.requests)
    again = OpenAIEmbedder()
    assert (again.id, again.gate, len(endpoint.requests)) == (first.id, first.gate, questions)


def test_a_model_with_known_dimensions_starts_without_a_network_and_is_calibrated_by_its_first_use(known, endpoint):
    assert (known.dimensions, known.gate, endpoint.requests) == (512, FALLBACK_GATE, [])
    known.embed(["cancel my flight"])
    wait_until(lambda: known.gate != FALLBACK_GATE)
    known.embed(["cancel my flight"])
    assert sum(text in TASKS for text in endpoint.texts) == len(TASKS)


def test_the_published_models_need_no_question(endpoint, monkeypatch):
    monkeypatch.setenv("REFLECT_EMBEDDING_MODEL", "text-embedding-3-large")
    assert OpenAIEmbedder().id == "openai:text-embedding-3-large@3072"
    monkeypatch.setenv("REFLECT_EMBEDDING_DIMENSIONS", "256")
    embedder = OpenAIEmbedder()
    assert embedder.id == "openai:text-embedding-3-large@256"
    embedder.embed(["cancel my flight"])
    assert endpoint.requests[0]["dimensions"] == 256


def test_an_unknown_model_that_does_not_answer_says_what_to_set(endpoint):
    endpoint.faults = [404]
    with pytest.raises(ConfigError, match="REFLECT_EMBEDDING_DIMENSIONS"):
        OpenAIEmbedder()


def test_many_texts_go_in_batches_and_come_back_in_order(known, endpoint):
    texts = [f"{word} the order" for word in "abcdefghijklmnopqrstuvwxyz"] * 12
    vectors = known.embed(texts)
    sizes = [len(request["input"]) for request in endpoint.requests if request["input"][0] not in TASKS]
    assert sizes == [BATCH_TEXTS, BATCH_TEXTS, len(texts) - 2 * BATCH_TEXTS]
    for text, vector in zip(texts, vectors, strict=True):
        assert float(np.asarray(vector) @ embed(text, length=1.0)) == pytest.approx(1.0, abs=1e-4)


def test_long_texts_count_with_both_ends_and_share_no_request(known, endpoint):
    known.embed(["head " + "x" * 100_000 + " tail"] * 40)
    assert all(sum(map(len, request["input"])) <= BATCH_CHARACTERS for request in endpoint.requests)
    assert all(text.startswith("head") and text.endswith("tail") for text in asked(endpoint))


def test_texts_that_an_endpoint_would_refuse_are_mended(known, endpoint):
    known.embed(["", " \n", "nul \0 here", "\ud800"])
    assert asked(endpoint)[:2] == ["(empty)", "(empty)"]
    assert not any("\0" in text for text in endpoint.texts)


@pytest.mark.parametrize("fault", [429, 500, 503])
def test_a_passing_fault_is_tried_again(known, endpoint, fault):
    endpoint.faults = [fault]
    (vector,) = known.embed(["cancel my flight"])
    assert float(np.asarray(vector) @ embed("cancel my flight", length=1.0)) == pytest.approx(1.0, abs=1e-4)
    assert len(asked(endpoint)) == 2


@pytest.mark.parametrize(
    ("fault", "error"), [(429, RateLimited), (500, Unavailable), (401, ConfigError), (400, ConfigError)]
)
def test_a_lasting_fault_is_a_typed_error_without_the_key(known, endpoint, fault, error):
    endpoint.faults = [fault] * 9
    with pytest.raises(error) as told:
        known.embed(["a"])
    assert "sk-scripted" not in str(told.value)


def test_an_endpoint_that_hangs_is_given_up(endpoint, monkeypatch):
    monkeypatch.setenv("REFLECT_EMBEDDING_DIMENSIONS", "512")
    monkeypatch.setenv("REFLECT_EMBEDDING_TIMEOUT_SECONDS", "0.05")
    embedder = OpenAIEmbedder()
    endpoint.gate.clear()
    with pytest.raises(DeadlineExceeded):
        embedder.embed(["a"])


def test_an_answer_that_never_ends_is_given_up(endpoint, monkeypatch):
    """Each of its pieces comes in time, so no timeout of the connection ends it."""
    monkeypatch.setenv("REFLECT_EMBEDDING_DIMENSIONS", "512")
    monkeypatch.setenv("REFLECT_EMBEDDING_TIMEOUT_SECONDS", "0.3")
    tick = threading.Event()
    endpoint.faults = [(b" " for _ in iter(lambda: tick.wait(0.02), True)) for _ in range(9)]
    try:
        with ThreadPoolExecutor(1) as pool, pytest.raises(DeadlineExceeded):
            pool.submit(OpenAIEmbedder().embed, ["a"]).result(20)
    finally:
        tick.set()


def test_an_answer_without_measure_is_cut_off(known, endpoint):
    endpoint.faults = [itertools.repeat(b" " * 1_000_000)]
    with pytest.raises(Unavailable, match="longer than"):
        known.embed(["a"])


def test_an_endpoint_that_is_not_there_is_unavailable(monkeypatch, endpoint):
    monkeypatch.setenv("REFLECT_EMBEDDING_DIMENSIONS", "512")
    monkeypatch.setenv("REFLECT_EMBEDDING_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(Unavailable, match="cannot be reached"):
        OpenAIEmbedder().embed(["a"])


def _without_one(body):
    return {**body, "data": body["data"][1:]}


def _of_zeros(body):
    return {**body, "data": [{**entry, "embedding": [0.0] * 512} for entry in body["data"]]}


def _of_words(body):
    return {**body, "data": [{**entry, "embedding": ["x"] * 512} for entry in body["data"]]}


def _of_huge_numbers(body):
    return {**body, "data": [{**entry, "embedding": [10**400] * 512} for entry in body["data"]]}


def _without_data(body):
    return {"object": "list"}


@pytest.mark.parametrize(
    "fault", [_without_one, _of_zeros, _of_words, _of_huge_numbers, _without_data, b"[" * 100_000, b"null", b"<html>"]
)
def test_an_answer_that_holds_no_usable_vectors_is_refused(known, endpoint, fault):
    endpoint.faults = [fault]
    with pytest.raises(Unavailable, match="endpoint"):
        known.embed(["a", "b"])


def test_vectors_of_other_dimensions_are_refused_with_the_setting_that_mends_it(known, endpoint):
    def halved(body):
        return {**body, "data": [{**entry, "embedding": [0.5] * 256} for entry in body["data"]]}

    endpoint.faults = [halved]
    with pytest.raises(ConfigError, match="REFLECT_EMBEDDING_DIMENSIONS=256"):
        known.embed(["a"])


def test_plain_lists_of_numbers_are_read_too(known, endpoint):
    endpoint.encoding = "float"
    (vector,) = known.embed(["cancel my flight"])
    assert float(np.asarray(vector) @ embed("cancel my flight", length=1.0)) == pytest.approx(1.0, abs=1e-4)


def test_a_former_id_opens_its_model_again(endpoint):
    assert OpenAIEmbedder.from_id("openai:text-embedding-3-small@1536").id == "openai:text-embedding-3-small@1536"
    with pytest.raises(ConfigError):
        OpenAIEmbedder.from_id("hashing@1")


@pytest.mark.parametrize("value", ["many", "0", "-3"])
def test_a_wrong_setting_is_named(endpoint, monkeypatch, value):
    monkeypatch.setenv("REFLECT_EMBEDDING_DIMENSIONS", value)
    with pytest.raises(ConfigError, match="REFLECT_EMBEDDING_DIMENSIONS"):
        OpenAIEmbedder()


def test_no_key_says_what_to_set(monkeypatch):
    for name in ("OPENAI_API_KEY", "REFLECT_EMBEDDING_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIEmbedder()
