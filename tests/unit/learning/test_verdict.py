"""Several reviews come to one verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.learning.verdict import build_verdict
from reflect_otel.model.review import Review, ReviewResult, ReviewSource

PASS, FAIL = ReviewResult.PASS, ReviewResult.FAIL
REVIEWS = st.builds(
    Review,
    result=st.sampled_from(ReviewResult),
    score=st.none() | st.floats(0, 1),
    feedback=st.none() | st.text(max_size=20),
    source=st.sampled_from(ReviewSource),
    identifier=st.uuids().map(str),
    created_ns=st.integers(0, 10),
)


def test_without_reviews_there_is_no_verdict():
    assert build_verdict([]) is None


@pytest.mark.parametrize(("result", "reward"), [(PASS, 1.0), (FAIL, 0.0)])
def test_a_single_review_is_the_verdict(result, reward):
    verdict = build_verdict([Review(result=result, feedback=" because ", alpha=0.3)])
    assert (verdict.result, verdict.reward, verdict.feedback, verdict.alpha) == (result, reward, "because", 0.3)


def test_a_graded_score_is_the_reward_and_the_label_still_the_result():
    verdict = build_verdict([Review(result=PASS, score=0.3)])
    assert (verdict.result, verdict.reward) == (PASS, 0.3)


def test_an_automatic_judge_counts_half():
    verdict = build_verdict([Review(result=FAIL), Review(result=PASS, source=ReviewSource.LLM)])
    assert (verdict.result, verdict.reward) == (FAIL, pytest.approx(1 / 3))


def test_a_draw_is_decided_by_the_reward():
    human, test = Review(result=PASS, score=0.6), Review(result=FAIL, score=0.3, source=ReviewSource.CODE)
    assert build_verdict([human, test]).result is FAIL
    assert build_verdict([human, Review(result=FAIL, score=0.4, source=ReviewSource.CODE)]).result is PASS


def test_only_reasons_that_agree_with_the_result_are_kept_each_once():
    verdict = build_verdict(
        [
            Review(result=FAIL, feedback="wrong total", identifier="a", created_ns=1),
            Review(result=FAIL, feedback="wrong total", identifier="b", created_ns=2),
            Review(result=FAIL, feedback="too slow", identifier="c", created_ns=3, source=ReviewSource.LLM),
            Review(result=PASS, feedback="looks fine", identifier="d", created_ns=4),
        ]
    )
    assert verdict.feedback == "wrong total\ntoo slow"


def test_the_newest_step_size_named_counts():
    reviews = [Review(result=PASS, alpha=a, identifier=str(n), created_ns=n) for n, a in enumerate((0.1, 0.2, None))]
    assert build_verdict(reviews).alpha == 0.2


@given(st.lists(REVIEWS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_reviews_does_not_matter(reviews, rng):
    shuffled = list(reviews)
    rng.shuffle(shuffled)
    assert build_verdict(shuffled) == build_verdict(reviews)
    assert 0.0 <= build_verdict(reviews).reward <= 1.0
