"""The comparison of runs with and without memories: unbiased, with an interval that holds, alone and over strata."""

import random
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.learning.lift import (
    MAX_RUNS_NEEDED,
    build_interval,
    build_lift,
    build_newcombe,
    build_wilson,
    count_runs_needed,
)
from reflect_otel.model.lift import Arm, ArmCount, LiftConclusion, LiftScope

TRIALS = 1000
ARMS = st.integers(1, 300).flatmap(lambda runs: st.integers(0, runs).map(lambda passes: (passes, runs)))


def arm(passes, reviewed):
    return Arm(runs=reviewed, reviewed=reviewed, passes=passes)


def counts(served, withheld, share=0.5):
    """The two arms, each (passes, runs), drawn with one chance."""
    return [
        ArmCount(control_share=share, withheld=side, runs=runs, reviewed=runs, passes=passes, rewards=float(passes))
        for side, (passes, runs) in ((False, served), (True, withheld))
        if runs
    ]


def draw(rng, runs, share, served_rate, withheld_rate):
    """What so many runs come to when chance decides who gets memories."""
    tally = [[0, 0], [0, 0]]
    for _ in range(runs):
        control = rng.random() < share
        tally[control][0] += rng.random() < (withheld_rate if control else served_rate)
        tally[control][1] += 1
    return counts(*tally, share=share)


# --- published examples -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_the_interval_is_that_of_the_published_examples(first, second, low, high):
    found = build_newcombe(arm(*first), arm(*second))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_a_wilson_interval_is_that_of_the_published_example():
    low, high = build_wilson(81, 263)  # Newcombe 1998, "Two-sided confidence intervals for the single proportion"
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


# --- properties -------------------------------------------------------------------------------------------
@given(ARMS, ARMS)
def test_the_interval_holds_the_difference_and_stays_in_range(served, withheld):
    found = build_interval(counts(served, withheld))
    assert -1.0 <= found.low <= found.difference <= found.high <= 1.0
    assert isclose(found.difference, served[0] / served[1] - withheld[0] / withheld[1], abs_tol=1e-12)


@given(ARMS, ARMS)
def test_swapping_the_arms_mirrors_the_interval(served, withheld):
    one, other = build_interval(counts(served, withheld)), build_interval(counts(withheld, served))
    assert isclose(one.low, -other.high, abs_tol=1e-9)
    assert isclose(one.high, -other.low, abs_tol=1e-9)


@given(ARMS, ARMS)
def test_runs_drawn_with_another_chance_but_without_a_counterpart_change_nothing(served, withheld):
    alone = [
        ArmCount(control_share=0.05, withheld=False, runs=90, reviewed=90, passes=9, rewards=9.0),
        ArmCount(control_share=0.9, withheld=True, runs=90, reviewed=90, passes=81, rewards=81.0),
    ]
    assert build_interval([*counts(served, withheld), *alone]) == build_interval(counts(served, withheld))


def test_without_verdicts_on_both_sides_nothing_is_known():
    for some in ([], counts((5, 9), (0, 0)), counts((0, 0), (5, 9))):
        lift = build_lift(LiftScope.PROJECT, "", some, 0.05, 0.05)
        assert (lift.difference, lift.low, lift.high, lift.conclusion) == (None, -1.0, 1.0, LiftConclusion.UNKNOWN)


@pytest.mark.parametrize(
    ("served", "withheld", "says"),
    [((63, 100), (41, 100), "helps"), ((41, 100), (63, 100), "harms"), ((7, 12), (6, 12), "unknown")],
)
def test_a_lift_says_only_what_its_interval_allows(served, withheld, says):
    assert build_lift(LiftScope.PROJECT, "", counts(served, withheld), 0.05, 0.05).conclusion == says


def test_a_share_that_changed_does_not_pass_for_a_lift():
    """Early runs fail and half of them are control runs; late ones pass and few are: no effect within either time."""
    early, late = counts((20, 100), (20, 100), share=0.5), counts((855, 950), (45, 50), share=0.05)
    assert build_interval([*early, *late]).difference == pytest.approx(0.0)
    pooled = build_interval(counts((875, 1050), (65, 150)))
    assert pooled.low > 0.3


# --- runs needed ------------------------------------------------------------------------------------------
def test_the_runs_needed_do_narrow_the_interval_as_promised():
    served, withheld = arm(60, 95), arm(2, 5)
    missing = count_runs_needed(served, withheld, 0.05, 0.05)
    more = (0.05 * missing, 0.95 * missing)
    grown = counts(
        (round(0.63 * (95 + more[1])), round(95 + more[1])), (round(0.43 * (5 + more[0])), round(5 + more[0]))
    )
    found = build_interval(grown)
    assert 0.045 <= (found.high - found.low) / 2 <= 0.051
    assert count_runs_needed(arm(630, 1000), arm(410, 1000), 0.05, 0.05) == 0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_arm_that_gets_no_runs_never_becomes_known(share):
    assert count_runs_needed(arm(6, 10), arm(0, 0) if share == 0.0 else arm(4, 10), share, 0.05) == MAX_RUNS_NEEDED


# --- simulation -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("runs", "share", "served_rate", "withheld_rate"),
    [
        (240, 0.05, 0.63, 0.41),
        (240, 0.05, 0.5, 0.5),
        (60, 0.5, 0.9, 0.95),
        (120, 0.2, 0.1, 0.3),
        (400, 0.05, 0.97, 0.9),
    ],
)
def test_the_estimate_is_unbiased_and_the_interval_covers(runs, share, served_rate, withheld_rate):
    rng = random.Random(f"{runs} {share} {served_rate} {withheld_rate}")
    truth, covered, total, known = served_rate - withheld_rate, 0, 0.0, 0
    for _ in range(TRIALS):
        found = build_interval(draw(rng, runs, share, served_rate, withheld_rate))
        if found is not None:
            known += 1
            total += found.difference
            covered += found.low <= truth <= found.high
    spread = (1 / (runs * share)) ** 0.5 / 2
    print(f"n={runs} share={share} {served_rate} vs {withheld_rate}: coverage {covered / known:.3f}")
    assert known > 0.999 * TRIALS
    assert abs(total / known - truth) < 4 * spread / known**0.5
    assert 0.93 <= covered / known <= 0.99
