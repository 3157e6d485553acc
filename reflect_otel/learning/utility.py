"""How a memory's utility follows the rewards of the runs that were served it. Pure arithmetic.

The rule is a running mean with a floor on the step: with ``n`` earlier uses the step is ``max(0.05, 1/(n+2))``, so
for the first 19 uses the utility is ``(rewards + 1/2) / (uses + 1)``, the mean under Jeffreys' prior Beta(1/2, 1/2),
and after that it forgets with a half-life of about 14 uses. The update itself, U <- U + a(r - U), is MemRL's with
gamma = 0; the shrinking step and the floor are ours (docs/learning.md).

The ledger of events is the truth: a utility is never adjusted in place but recomputed from its events. Entries that
are ``excluded`` stay in it and move nothing: those of quarantined runs, and what one reviewer gives one memory beyond
the daily cap.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from reflect_otel.model.memory import INITIAL_UTILITY, UtilityEvent
from reflect_otel.model.review import ReviewResult

MIN_STEP: Final = 0.05
"""Smallest step of the rule: how fast an old memory can still change."""

PASS_REWARD: Final = 0.5
"""A reward from here up counts as a pass where the verdicts do not say."""

REVIEWER_DAILY_CAP: Final = 200
"""Most rewards of one reviewer that move one memory in a UTC day: bounds how far one of them can pump it."""

EXCLUDED_BY_CAP: Final = "reviewer's daily cap"
EXCLUDED_BY_QUARANTINE: Final = "quarantined run"

_DAY_NS: Final = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class UtilityState:
    """What the ledger says about one memory.

    Attributes:
        utility: in [0, 1].
        uses: runs that were served the memory and got a reward.
        passes: those of them that passed.
        events: the ledger in order, with ``before`` and ``after`` as the rule makes them.
    """

    utility: float = INITIAL_UTILITY
    uses: int = 0
    passes: int = 0
    events: tuple[UtilityEvent, ...] = ()


def build_step(uses: int, alpha: float | None = None) -> float:
    """The step size in (0, 1] after ``uses`` earlier uses; ``alpha`` overrides the rule's own."""
    return max(MIN_STEP, 1 / (uses + 2)) if alpha is None else alpha


def build_utility(utility: float, uses: int, reward: float, alpha: float | None = None) -> float:
    """The utility in [0, 1] after one more reward in [0, 1]."""
    moved = utility + build_step(uses, alpha) * (reward - utility)
    return min(1.0, max(0.0, moved))


def recompute(events: Iterable[UtilityEvent], daily_cap: int | None = None) -> UtilityState:
    """Replay one memory's ledger from the start.

    Events are taken in the order of (sequence, run id), whatever order they come in; of several events of one run
    the last one given counts, so a memory gets one reward per run.

    Args:
        events: ledger entries of a single memory.
        daily_cap: rewards of one reviewer that count in a UTC day, 0 = all of them; ``None`` = REVIEWER_DAILY_CAP.
    """
    cap = REVIEWER_DAILY_CAP if daily_cap is None else daily_cap
    utility, uses, passes = INITIAL_UTILITY, 0, 0
    given: Counter[tuple[str, int]] = Counter()
    replayed: list[UtilityEvent] = []
    for event in _in_order(events):
        excluded = _find_exclusion(event, given, cap)
        after = utility if excluded else build_utility(utility, uses, event.reward, event.alpha)
        same = event.before == utility and event.after == after and event.excluded == excluded
        replayed.append(event if same else replace(event, before=utility, after=after, excluded=excluded))
        if not excluded:
            utility, uses, passes = after, uses + 1, passes + _is_pass(event)
    return UtilityState(utility=utility, uses=uses, passes=passes, events=tuple(replayed))


def _is_pass(event: UtilityEvent) -> bool:
    return event.reward >= PASS_REWARD if event.result is None else event.result is ReviewResult.PASS


def _find_exclusion(event: UtilityEvent, given: Counter[tuple[str, int]], daily_cap: int) -> str:
    """Why the entry moves nothing, empty when it counts; counts it for its reviewer then."""
    if event.excluded == EXCLUDED_BY_QUARANTINE:
        return event.excluded
    if not (event.reviewer and daily_cap):
        return ""
    key = (event.reviewer, event.sequence // _DAY_NS)
    given[key] += 1
    return EXCLUDED_BY_CAP if given[key] > daily_cap else ""


def _in_order(events: Iterable[UtilityEvent]) -> list[UtilityEvent]:
    by_run = {event.run_id: event for event in events}
    return sorted(by_run.values(), key=lambda event: (event.sequence, event.run_id))
