"""Maximal marginal relevance: off by default, lessons in the same words spread out below 1."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import InvalidArgument
from reflect_otel.learning.diversity import find_words, read_overlap
from reflect_otel.learning.ranking import Candidate, diversify
from reflect_otel.model.memory import Memory, MemoryKind, RetrievalOptions

words = st.lists(st.sampled_from(["refund", "order", "ask", "card", "ship"]), max_size=4).map(" ".join)
candidates = st.lists(st.tuples(words, st.floats(0, 1)), max_size=12).map(
    lambda items: sorted((candidate(text, score) for text, score in items), key=lambda c: -c.score)
)


def candidate(lesson: str, score: float) -> Candidate:
    memory = Memory(id=f"{lesson}/{score}", task="t", reflection=lesson, kind=MemoryKind.STRATEGY)
    return Candidate(memory=memory, cosine=score, closeness=score, utility=0.5, score=score)


@given(candidates, st.integers(0, 12))
def test_at_one_the_ranking_is_untouched(ranked, count):
    assert diversify(ranked, count, 1.0) == ranked[:count]


@given(candidates, st.integers(0, 12), st.floats(0, 1))
def test_no_candidate_is_lost_doubled_or_invented(ranked, count, mmr_lambda):
    chosen = diversify(ranked, count, mmr_lambda)
    assert len(chosen) == min(count, len(ranked))
    assert sorted(map(id, diversify(ranked, len(ranked), mmr_lambda))) == sorted(map(id, ranked))
    assert [c.score for c in chosen[:1]] == [c.score for c in ranked[: len(chosen[:1])]]


def test_a_lesson_in_new_words_overtakes_a_repetition():
    ranked = [candidate("ask for the order number", 0.9), candidate("ask for the order number first", 0.8),
              candidate("refund to the card", 0.6)]  # fmt: skip
    assert [c.score for c in diversify(ranked, 2, 1.0)] == [0.9, 0.8]
    assert [c.score for c in diversify(ranked, 2, 0.5)] == [0.9, 0.6]


@given(words, words)
def test_overlap_is_a_share_and_whole_only_for_equal_words(first, second):
    overlap = read_overlap(find_words(first), find_words(second))
    assert 0.0 <= overlap <= 1.0
    assert (overlap == 1.0) == (bool(find_words(first)) and find_words(first) == find_words(second))


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_value_out_of_range_is_refused_by_name(shelf, value):
    with pytest.raises(InvalidArgument) as failed:
        shelf.retriever.find_memories("p", "task", replace(RetrievalOptions(), mmr_lambda=value))
    assert failed.value.field == "options.mmr_lambda"
