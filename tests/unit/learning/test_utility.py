"""The utility rule: bounds, direction, and exact recomputation from the ledger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.learning.utility import MIN_STEP, build_step, build_utility, recompute
from reflect_otel.model.memory import UtilityEvent

REWARD = st.floats(0.0, 1.0, allow_nan=False)
ALPHA = st.none() | st.floats(0.01, 1.0, allow_nan=False)


@st.composite
def ledgers(draw, *, alphas=ALPHA, rewards=REWARD, max_size=40):
    entries = draw(st.lists(st.tuples(rewards, alphas, st.integers(0, 50)), max_size=max_size))
    return [
        UtilityEvent(memory_id="m", run_id=f"run-{i}", reward=reward, alpha=alpha, sequence=sequence)
        for i, (reward, alpha, sequence) in enumerate(entries)
    ]


@given(ledgers())
def test_utility_and_every_step_of_its_history_stay_within_bounds(events):
    state = recompute(events)
    assert 0.0 <= state.utility <= 1.0
    assert all(0.0 <= event.before <= 1.0 and 0.0 <= event.after <= 1.0 for event in state.events)
    assert 0 <= state.passes <= state.uses == len(events)


@given(REWARD, st.integers(0, 100), REWARD, REWARD, ALPHA)
def test_a_higher_reward_never_gives_a_lower_utility(utility, uses, reward, other, alpha):
    low, high = sorted((reward, other))
    assert build_utility(utility, uses, low, alpha) <= build_utility(utility, uses, high, alpha)


@given(st.floats(0.01, 0.99), st.integers(0, 100))
def test_a_pass_raises_and_a_failure_lowers(utility, uses):
    assert build_utility(utility, uses, 0.0) < utility < build_utility(utility, uses, 1.0)


@given(st.lists(st.booleans(), max_size=19))
def test_the_first_nineteen_uses_give_the_smoothed_pass_rate(passed):
    events = [UtilityEvent(memory_id="m", run_id=f"{i:02}", reward=float(p)) for i, p in enumerate(passed)]
    assert recompute(events).utility == pytest.approx((sum(passed) + 0.5) / (len(passed) + 1))


@given(ledgers(alphas=st.none(), max_size=19), st.randoms(use_true_random=False))
def test_while_the_step_still_shrinks_the_order_of_rewards_does_not_matter(events, rng):
    rewards = [event.reward for event in events]
    rng.shuffle(rewards)
    shuffled = [
        UtilityEvent(memory_id="m", run_id=event.run_id, sequence=event.sequence, reward=reward)
        for event, reward in zip(events, rewards, strict=True)
    ]
    assert recompute(shuffled).utility == pytest.approx(recompute(events).utility)


@given(ledgers(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_ledger_is_read_does_not_matter(events, rng):
    shuffled = list(events)
    rng.shuffle(shuffled)
    assert recompute(shuffled) == recompute(events)


@given(ledgers())
def test_recomputing_a_recomputed_ledger_changes_nothing(events):
    state = recompute(events)
    assert recompute(state.events) == state


@given(ledgers(), REWARD, st.integers(0, 1000))
def test_a_changed_reward_gives_what_a_ledger_written_with_it_from_the_start_gives(events, reward, pick):
    if not events:
        return
    changed = pick % len(events)
    stale = list(recompute(events).events)
    position = next(i for i, event in enumerate(stale) if event.run_id == events[changed].run_id)
    stale[position] = UtilityEvent(
        memory_id="m",
        run_id=stale[position].run_id,
        reward=reward,
        alpha=stale[position].alpha,
        sequence=stale[position].sequence,
    )
    from_scratch = [
        UtilityEvent(memory_id="m", run_id=e.run_id, reward=reward if i == changed else e.reward,
                     alpha=e.alpha, sequence=e.sequence)
        for i, e in enumerate(events)
    ]  # fmt: skip
    assert recompute(stale) == recompute(from_scratch)


@given(ledgers(max_size=10))
def test_a_run_counts_once_however_often_it_stands_in_the_ledger(events):
    assert recompute([*events, *events]) == recompute(events)


def test_the_step_shrinks_with_use_to_its_floor_and_alpha_overrides_it():
    assert [build_step(uses) for uses in (0, 1, 8)] == [1 / 2, 1 / 3, 1 / 10]
    assert build_step(1000) == MIN_STEP
    assert build_step(1000, alpha=0.3) == 0.3


def test_an_empty_ledger_is_the_initial_utility():
    state = recompute([])
    assert (state.utility, state.uses, state.passes, state.events) == (0.5, 0, 0, ())
