"""FaissIndex against brute force; the port's own suite runs in tests/conformance."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import InvalidArgument
from reflect_otel.store.faiss_index import FaissIndex

DIMENSIONS = 6


def unit(seed):
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def brute_force(vectors, query, limit):
    cosines = {
        key: float(np.dot(vector.astype(np.float64), query.astype(np.float64))) for key, vector in vectors.items()
    }
    return sorted(cosines.items(), key=lambda item: (-item[1], item[0]))[:limit]


CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "add", "remove"]), st.integers(0, 12), st.integers(0, 5)), max_size=60
)


@given(changes=CHANGES, query=st.integers(0, 8), limit=st.integers(0, 20))
def test_search_equals_brute_force_after_any_changes(changes, query, limit):
    index, vectors = FaissIndex(DIMENSIONS), {}
    for change, name, seed in changes:
        if change == "add":
            index.add(f"m{name}", unit(seed))
            vectors[f"m{name}"] = unit(seed)
        else:
            index.remove(f"m{name}")
            vectors.pop(f"m{name}", None)
    found = index.search(unit(query), limit)
    expected = brute_force(vectors, unit(query), limit)
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected])
    assert len(index) == len(vectors)


def test_recall_is_complete_on_many_clustered_vectors():
    source = np.random.default_rng(7)
    centres = source.standard_normal((20, 64), dtype=np.float32)
    rows = centres[source.integers(0, 20, 3000)] + 0.01 * source.standard_normal((3000, 64), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = FaissIndex(64)
    for at, row in enumerate(rows):
        index.add(f"m{at:04d}", row)
    vectors = {f"m{at:04d}": row for at, row in enumerate(rows)}
    for query in rows[:20]:
        assert [key for key, _ in index.search(query, 50)] == [key for key, _ in brute_force(vectors, query, 50)]


def test_vectors_that_half_precision_cannot_tell_apart_are_ordered_exactly_also_after_removals():
    source = np.random.default_rng(11)
    rows = np.tile(source.standard_normal(32, dtype=np.float32), (400, 1))
    rows += 3e-6 * source.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert len(np.unique(rows.astype(np.float16), axis=0)) < len(rows)
    index = FaissIndex(32)
    vectors = {f"m{at:03d}": row for at, row in enumerate(rows)}
    for key, row in vectors.items():
        index.add(key, row)
    for key in source.permutation(sorted(vectors))[:150].tolist():
        index.remove(key)
        del vectors[key]
    for query in rows[:20]:
        assert [key for key, _ in index.search(query, 10)] == [key for key, _ in brute_force(vectors, query, 10)]


@pytest.mark.parametrize("length", [1e-3, 1.0, 100.0, 60_000.0])
def test_vectors_of_any_length_that_is_taken_are_ordered_exactly(length):
    index, vectors = FaissIndex(DIMENSIONS), {f"m{seed}": unit(seed) * np.float32(length) for seed in range(200)}
    for key, row in vectors.items():
        index.add(key, row)
    assert [key for key, _ in index.search(unit(3), 20)] == [key for key, _ in brute_force(vectors, unit(3), 20)]


def test_a_number_that_half_precision_cannot_hold_is_refused():
    with pytest.raises(InvalidArgument, match="far from unit length"):
        FaissIndex(DIMENSIONS).add("m", unit(1) * np.float32(1e6))


def test_openmp_is_kept_to_one_thread_unless_the_user_says_otherwise():
    code = "import os; import reflect_otel.store.faiss_index; print(os.environ['OMP_NUM_THREADS'])"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    for given_value, expected in ((None, "1"), ("2", "2")):
        chosen = environment | ({"OMP_NUM_THREADS": given_value} if given_value else {})
        done = subprocess.run([sys.executable, "-c", code], env=chosen, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected
