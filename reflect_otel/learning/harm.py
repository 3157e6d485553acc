"""Whether memories harm, judged after every run without fooling oneself by looking so often. Pure arithmetic.

Looking at a 95 % interval after each run ends up, sooner or later, with one that lies below zero by luck. So the stop
rests on an e-value instead: the wealth of a gambler who bets, run after run, that runs without memories pass more
often. If memories do no harm the game is fair or worse for him, whatever the pass rates, their drift and the order of
the verdicts, because chance alone, with a share that we know, decides who gets memories. Ville's inequality then says
that his wealth ever reaches ``HARM_LIMIT`` times the stake with a chance of at most ``1 / HARM_LIMIT``, however often
one looks. No normal approximation and no smallest number of runs is involved.

A bet on "pass rate p with memories, q > p without" multiplies the wealth, for a run drawn with control share s, by
q / m (passed without), p / m (passed with), (1 - q) / (1 - m) (failed without) or (1 - p) / (1 - m) (failed with),
where m = s q + (1 - s) p. The stake is spread evenly over a grid of p and q.

Sources: Ville 1939; Shafer, "Testing by betting", JRSS A 184, 2021; Ramdas, Grünwald, Vovk and Shafer,
"Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38, 2023.
"""

import math
from collections.abc import Sequence
from typing import Final

from reflect_otel.model.lift import ArmCount

HARM_LIMIT: Final = 40.0
"""Serving stops here: by mistake in at most one of forty harmless projects, over their whole life."""

_RATES: Final = tuple((2 * step + 1) / 20 for step in range(10))
_BETS: Final = tuple((p, q) for p in _RATES for q in _RATES if p < q)


def build_harm_evidence(counts: Sequence[ArmCount]) -> float:
    """How many times his stake the gambler has now; 1 without verdicts, never below 0."""
    wealths = [_log_wealth(counts, p, q) for p, q in _BETS]
    largest = max(wealths)
    return math.exp(min(700.0, largest + math.log(sum(math.exp(w - largest) for w in wealths) / len(wealths))))


def _log_wealth(counts: Sequence[ArmCount], p: float, q: float) -> float:
    wealth = 0.0
    for item in counts:
        mean = item.control_share * q + (1 - item.control_share) * p
        rate = q if item.withheld else p
        wealth += item.passes * math.log(rate / mean)
        wealth += (item.reviewed - item.passes) * math.log((1 - rate) / (1 - mean))
    return wealth
