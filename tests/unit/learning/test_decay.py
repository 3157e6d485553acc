"""A record that has long gone unused counts less and less; the stored utility stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.learning.decay import HALF_LIFE_DAYS, UNUSED_DAYS, build_present_utility
from reflect_otel.model.memory import Memory, MemoryKind, RetrievalOptions

DAY_NS = 86_400 * 10**9


def memory(utility=0.9, created_ns=1, last_served_ns=0):
    return Memory(
        id="m",
        task="t",
        reflection="r",
        kind=MemoryKind.STRATEGY,
        utility=utility,
        created_ns=created_ns,
        last_served_ns=last_served_ns,
    )


def test_for_ninety_days_nothing_changes_and_then_half_is_left_every_half_year():
    assert build_present_utility(memory(), UNUSED_DAYS * DAY_NS) == 0.9
    assert build_present_utility(memory(), HALF_LIFE_DAYS * DAY_NS + 1) == pytest.approx(0.7)
    assert build_present_utility(memory(0.1), 2 * HALF_LIFE_DAYS * DAY_NS + 1) == pytest.approx(0.4)


def test_serving_it_starts_the_time_again():
    served = memory(last_served_ns=300 * DAY_NS)
    assert build_present_utility(served, 380 * DAY_NS) == 0.9


@given(st.floats(0, 1), st.integers(0, 5000), st.integers(0, 5000))
def test_it_moves_towards_the_start_and_never_past_it(utility, days, more):
    sooner = build_present_utility(memory(utility), days * DAY_NS)
    later = build_present_utility(memory(utility), (days + more) * DAY_NS)
    assert min(0.5, utility) <= later <= max(0.5, utility)
    assert abs(later - 0.5) <= abs(sooner - 0.5) <= abs(utility - 0.5)


def test_what_is_served_shows_the_utility_that_ranked_it_until_it_is_served_again(shelf):
    shelf.clock.now_ns = HALF_LIFE_DAYS * DAY_NS + 1
    stored = shelf.put("m", 0.9, utility=0.9, uses=5, created_ns=1)
    (found,) = shelf.retriever.find_memories("p", "task", RetrievalOptions(lambda_=0.0))
    assert found.utility == found.score == pytest.approx(0.7)
    shelf.retriever.note_served("p", [found], shelf.clock())
    shelf.table.write_utility("p", stored)  # a reward that was worked out meanwhile
    (found,) = shelf.retriever.find_memories("p", "task", RetrievalOptions(lambda_=0.0))
    assert found.utility == 0.9
