"""The evidence that stops serving: fair while memories do no harm, however often one looks, quick when they do."""

import random
from itertools import count
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.learning.harm import HARM_LIMIT, build_harm_evidence
from reflect_otel.model.lift import ArmCount

SHARES = st.sampled_from([0.01, 0.05, 0.2, 0.5, 0.9])
CELLS = st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 60), SHARES)


def build_count(withheld, passes, fails, share):
    reviewed = passes + fails
    return ArmCount(
        control_share=share,
        withheld=withheld,
        runs=reviewed,
        reviewed=reviewed,
        passes=passes,
        rewards=float(passes),
    )


def test_without_verdicts_the_stake_is_untouched():
    assert build_harm_evidence([]) == pytest.approx(1.0)
    assert build_harm_evidence([build_count(True, 0, 0, 0.05)]) == pytest.approx(1.0)


@given(st.lists(CELLS, max_size=6), SHARES, st.floats(0, 1), st.floats(0, 1))
def test_one_more_run_is_a_fair_game_or_worse_while_memories_do_no_harm(cells, share, rate, help_given):
    """Whatever came before: the expected wealth after the next run is at most the wealth before it."""
    before = [build_count(*cell) for cell in cells]
    served_rate = rate + help_given * (1 - rate)
    chances = {
        (True, True): share * rate,
        (True, False): share * (1 - rate),
        (False, True): (1 - share) * served_rate,
        (False, False): (1 - share) * (1 - served_rate),
    }
    wealth = build_harm_evidence(before)
    expected = sum(
        chance * build_harm_evidence([*before, build_count(withheld, int(passed), int(not passed), share)])
        for (withheld, passed), chance in chances.items()
    )
    assert expected <= wealth * (1 + 1e-9)


@given(st.lists(CELLS, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_the_verdicts_does_not_matter(cells, rng):
    listed = [build_count(*cell) for cell in cells]
    shuffled = rng.sample(listed, len(listed))
    assert build_harm_evidence(shuffled) == pytest.approx(build_harm_evidence(listed), rel=1e-6)


def test_overwhelming_evidence_is_a_number():
    assert build_harm_evidence([build_count(False, 0, 10**6, 0.5), build_count(True, 10**6, 0, 0.5)]) > 1e300
    assert build_harm_evidence([build_count(False, 10**6, 0, 0.5), build_count(True, 0, 10**6, 0.5)]) >= 0.0


def find_stop(rng, share, served_rate, withheld_rate, runs):
    """After how many runs the evidence reaches the limit, looking after each; ``None`` when it does not."""
    tally = {False: [0, 0], True: [0, 0]}
    for number in count(1):
        withheld = rng.random() < share
        tally[withheld][rng.random() < (withheld_rate if withheld else served_rate)] += 1
        seen = [build_count(side, passes, fails, share) for side, (fails, passes) in tally.items()]
        if build_harm_evidence(seen) >= HARM_LIMIT:
            return number
        if number == runs:
            return None
    raise AssertionError


@pytest.mark.parametrize(("share", "rate"), [(0.05, 0.5), (0.2, 0.8), (0.5, 0.3)])
def test_harmless_memories_are_rarely_stopped_though_every_run_is_looked_at(share, rate):
    rng = random.Random(f"harmless {share} {rate}")
    projects, runs = 60, 250
    stopped = sum(find_stop(rng, share, rate, rate, runs) is not None for _ in range(projects))
    print(f"share {share}, pass rate {rate}: {stopped} of {projects} harmless projects stopped within {runs} runs")
    assert stopped / projects <= 0.05


@pytest.mark.parametrize(("share", "within"), [(0.05, 2500), (0.2, 900), (0.5, 500)])
def test_memories_that_cost_thirty_points_are_stopped(share, within):
    rng = random.Random(f"harmful {share}")
    stops = [find_stop(rng, share, 0.3, 0.6, within) for _ in range(6)]
    print(f"share {share}: stopped after {median(stop or within for stop in stops)} runs (median of {len(stops)})")
    assert None not in stops
