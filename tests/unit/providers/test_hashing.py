"""The lexical embedder: valid, repeatable everywhere, fast, and calibrated on real tasks."""

import subprocess
import sys
import time
from hashlib import sha256
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.providers.hashing import HashingEmbedder

from .recorded_tasks import EVERYDAY, read_recorded_tasks

EMBEDDER = HashingEmbedder()
GOLDEN_DIGEST = "85b681d75dffb046240b5bfcd406d6aa95cfb3f1a67023692fe4ef9d70be001c"


def embed(text):
    return np.asarray(EMBEDDER.embed([text])[0])


def cosine(left, right):
    return float(embed(left) @ embed(right))


@given(st.text(st.characters(), max_size=500))
def test_every_text_has_a_unit_vector(text):
    vector = embed(text)
    assert vector.dtype == np.float32
    assert vector.shape == (EMBEDDER.dimensions,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("text", ["", "   ", "?!…", "\ud800"])
def test_a_text_that_says_nothing_still_has_a_unit_vector(text):
    assert np.linalg.norm(embed(text)) == pytest.approx(1.0, abs=1e-5)


def test_texts_embed_alike_alone_and_in_company():
    together = EMBEDDER.embed(EVERYDAY)
    assert all((embed(text) == np.asarray(vector)).all() for text, vector in zip(EVERYDAY, together, strict=True))


def digest_of(texts):
    return sha256(np.stack([np.asarray(v) for v in EMBEDDER.embed(texts)]).astype("<f4").tobytes()).hexdigest()


def test_vectors_are_the_same_in_every_process_and_on_every_platform():
    assert digest_of([*EVERYDAY, "Übersetze: 東京へ行く 🚀", ""]) == GOLDEN_DIGEST


def test_vectors_do_not_depend_on_the_hash_seed_of_the_process():
    script = (
        "from reflect_otel.providers.hashing import HashingEmbedder; import numpy as np;"
        "print(np.asarray(HashingEmbedder().embed(['cancel my flight'])[0]).tobytes().hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {embed("cancel my flight").tobytes().hex()}


def test_the_same_kind_of_task_is_close_whatever_its_numbers():
    assert cosine("Refund order 1234 for Ann", "Please refund order 98765 for Ann") > 0.8
    assert cosine("Cancel my flight to Boston", "I want to cancel a flight") > 0.5
    assert (
        cosine("Parse the CSV and return the top 5 rows", "Read a CSV file, print the first 10 rows") > EMBEDDER.gate
    )
    assert cosine("Cancel my flight to Boston", "Write a haiku about autumn") < EMBEDDER.gate


def test_it_is_lexical_and_says_so():
    assert EMBEDDER.lexical
    assert cosine("call off the trip", "cancel my journey") < EMBEDDER.gate


def test_similar_words_are_close_in_any_script():
    assert cosine("東京への旅行を予約する", "東京への旅行を取り消す") > 0.3
    assert cosine("Rechnung stornieren", "Rechnungen stornieren bitte") > 0.5


def test_the_gate_is_the_95th_percentile_of_pairs_of_different_tasks():
    texts = [*read_recorded_tasks(), *((text, text) for text in EVERYDAY)]
    vectors = [embed(text) for _, text in texts]
    pairs = [
        float(vectors[i] @ vectors[j]) for i, j in combinations(range(len(texts)), 2) if texts[i][0] != texts[j][0]
    ]
    assert np.quantile(pairs, 0.95) == pytest.approx(EMBEDDER.gate, abs=0.01)


def test_the_nearest_other_run_is_mostly_one_of_the_same_task():
    recorded = read_recorded_tasks()
    vectors = np.stack([embed(text) for _, text in recorded])
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -1.0)
    hits = [recorded[row][0] == recorded[column][0] for row, column in enumerate(similar.argmax(axis=1))]
    assert np.mean(hits) > 0.9


def test_two_hundred_words_take_a_few_milliseconds_of_processor_time_at_most():
    text = " ".join(" ".join(EVERYDAY).split()[:200])

    def seconds():
        started = time.thread_time()
        EMBEDDER.embed([text])
        return time.thread_time() - started

    assert min(seconds() for _ in range(50)) < 0.01


def test_a_text_of_any_length_takes_bounded_time():
    started = time.perf_counter()
    EMBEDDER.embed(["word " * 500_000])
    assert time.perf_counter() - started < 5
