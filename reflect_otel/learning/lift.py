"""How much better runs with memories do, with the interval that the number of runs allows. Pure arithmetic.

Runs fall into the two arms by chance, so the difference of their pass rates is what serving memories does. The
interval is Newcombe's hybrid score interval (method 10 in "Interval estimation for the difference between independent
proportions", Statistics in Medicine 17, 1998), which keeps its promise with a dozen runs and with rates near 0 and 1.
Runs drawn with different chances are compared among themselves first; the differences are then averaged with
Mantel-Haenszel weights and the interval follows by the same squaring and adding (Zou and Donner, "Construction of
confidence limits about effect measures", Statistics in Medicine 27, 2008).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from reflect_otel.model.lift import MAX_RUNS_NEEDED, Arm, ArmCount, Lift, LiftScope

Z_95: Final = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference in [-1, 1] with the ends of its interval."""

    difference: float
    low: float
    high: float


def build_lift(
    scope: LiftScope, subject: str, counts: Sequence[ArmCount], control_share: float, half_width: float
) -> Lift:
    """The comparison that these counts allow.

    Args:
        scope: what it is about.
        subject: which one.
        counts: of this subject alone.
        control_share: at which further runs will be drawn; 0 takes the largest share among the counts.
        half_width: of the interval that ``runs_needed`` asks for, in (0, 1).
    """
    served, withheld = (_build_arm([item for item in counts if item.withheld is side]) for side in (False, True))
    found = build_interval(counts)
    share = control_share or max((item.control_share for item in counts), default=0.0)
    return Lift(
        scope=scope,
        subject=subject,
        with_memory=served,
        without_memory=withheld,
        difference=None if found is None else found.difference,
        low=-1.0 if found is None else found.low,
        high=1.0 if found is None else found.high,
        runs_needed=count_runs_needed(served, withheld, share, half_width),
    )


def build_interval(counts: Iterable[ArmCount]) -> Interval | None:
    """The pass rate with memories less that without, and its 95 % interval; ``None`` while an arm has no verdict."""
    by_share = sorted(counts, key=lambda item: item.control_share)
    compared: list[tuple[float, Interval]] = []
    for _, members in groupby(by_share, key=lambda item: item.control_share):
        stratum = list(members)
        served, withheld = (_build_arm([item for item in stratum if item.withheld is side]) for side in (False, True))
        if served.reviewed and withheld.reviewed:
            weight = served.reviewed * withheld.reviewed / (served.reviewed + withheld.reviewed)
            compared.append((weight, build_newcombe(served, withheld)))
    return _average(compared) if compared else None


def build_newcombe(first: Arm, second: Arm) -> Interval:
    """The first pass rate less the second, and its 95 % interval; both arms have verdicts."""
    p, q = first.passes / first.reviewed, second.passes / second.reviewed
    p_low, p_high = build_wilson(first.passes, first.reviewed)
    q_low, q_high = build_wilson(second.passes, second.reviewed)
    return Interval(p - q, p - q - math.hypot(p - p_low, q_high - q), p - q + math.hypot(p_high - p, q - q_low))


def build_wilson(passes: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a pass rate (Wilson 1927); ``runs`` is at least 1."""
    rate, square = passes / runs, Z_95 * Z_95
    middle = (rate + square / (2 * runs)) / (1 + square / runs)
    reach = Z_95 / (1 + square / runs) * math.sqrt(rate * (1 - rate) / runs + square / (4 * runs * runs))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def count_runs_needed(served: Arm, withheld: Arm, control_share: float, half_width: float) -> int:
    """Reviewed runs still missing until the interval reaches ``half_width`` to either side, by the rates so far.

    With a share of 0 or 1 one arm never grows: the answer is then the largest there is.
    """
    spread = [_smoothed_variance(arm) for arm in (served, withheld)]
    now = sum(variance / (arm.reviewed or 1) for variance, arm in zip(spread, (served, withheld), strict=True))
    wanted = (half_width / Z_95) ** 2
    if served.reviewed and withheld.reviewed and now <= wanted:
        return 0
    if not 0.0 < control_share < 1.0:
        return MAX_RUNS_NEEDED
    low, high = 0, MAX_RUNS_NEEDED
    while low < high:
        middle = (low + high) // 2
        sizes = (served.reviewed + middle * (1 - control_share), withheld.reviewed + middle * control_share)
        enough = all(sizes) and sum(v / size for v, size in zip(spread, sizes, strict=True)) <= wanted
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def _smoothed_variance(arm: Arm) -> float:
    """Variance of one verdict; a rate of 0 or 1 from a few runs does not count as certain."""
    rate = (arm.passes + 1) / (arm.reviewed + 2)
    return rate * (1 - rate)


def _build_arm(counts: Sequence[ArmCount]) -> Arm:
    reviewed = sum(item.reviewed for item in counts)
    return Arm(
        runs=sum(item.runs for item in counts),
        reviewed=reviewed,
        passes=sum(item.passes for item in counts),
        mean_reward=sum(item.rewards for item in counts) / reviewed if reviewed else None,
    )


def _average(compared: Sequence[tuple[float, Interval]]) -> Interval:
    total = sum(weight for weight, _ in compared)
    shares = [(weight / total, interval) for weight, interval in compared]
    difference = sum(share * item.difference for share, item in shares)
    down = math.hypot(*(share * (item.difference - item.low) for share, item in shares))
    up = math.hypot(*(share * (item.high - item.difference) for share, item in shares))
    return Interval(difference, max(-1.0, difference - down), min(1.0, difference + up))
