"""The stages of choosing among recalled memories: one per lesson, score, guards, variety. Pure.

Score: ``lambda_ * s + (1 - lambda_) * utility``, where ``s`` is the cosine put on the scale from the gate (0) to
the near cosine (1), so that it weighs like a utility and means the same in every query. Beyond it the record decides:
whoever plants a memory right on the task gains no rank by it. Guards: a memory that was tried and
mostly failed is left out, and at most one untried memory is injected at a time.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from reflect_otel.learning.decay import build_present_utility
from reflect_otel.learning.diversity import find_words, read_overlap
from reflect_otel.learning.memory_table import Neighbour
from reflect_otel.model.explanation import LeftOut, build_near_cosine
from reflect_otel.model.memory import Memory

UTILITY_FLOOR: Final = 0.40
TRIED_USES: Final = 2
"""Uses from which a memory counts as tried."""
PROBES: Final = 1
"""Most untried memories in one augmentation."""


class Candidate(NamedTuple):
    """A recalled memory and what ranks it.

    Attributes:
        cosine: to the query, in [-1, 1].
        closeness: the cosine on the scale from the embedder's gate (0) to its near cosine (1), clipped.
        utility: of the memory at present: shrunk towards the start when it has long gone unused.
        score: ``lambda_ * closeness + (1 - lambda_) * utility``.
    """

    memory: Memory
    cosine: float
    closeness: float
    utility: float
    score: float

    @property
    def is_tried(self) -> bool:
        """Whether enough runs were served it to judge it."""
        return self.memory.uses >= TRIED_USES

    def build_memory(self) -> Memory:
        """The memory as a caller sees it, with ``similarity`` (the cosine), ``score`` and present ``utility``."""
        return replace(self.memory, similarity=self.cosine, score=self.score, utility=self.utility)


def build_candidates(near: Iterable[Neighbour], lambda_: float, gate: float, now_ns: int) -> list[Candidate]:
    """Neighbours with their scores at ``now_ns``; ``gate`` is that of the embedder that measured their cosines."""
    near_cosine = build_near_cosine(gate)
    candidates = []
    for memory, cosine in near:
        closeness = build_closeness(cosine, gate, near_cosine)
        utility = build_present_utility(memory, now_ns)
        score = lambda_ * closeness + (1 - lambda_) * utility
        similarity = cosine if -1.0 <= cosine <= 1.0 else math.copysign(1.0, cosine)
        candidates.append(Candidate(memory, similarity, closeness, utility, score))
    return candidates


def build_closeness(cosine: float, gate: float, near_cosine: float) -> float:
    """The cosine on a scale where the gate is 0 and the near cosine is 1, clipped to [0, 1]."""
    if cosine <= gate:
        return 0.0
    return 1.0 if cosine >= near_cosine else (cosine - gate) / (near_cosine - gate)


def rank(pool: Iterable[Candidate]) -> list[Candidate]:
    """By score; ties by cosine, then newer, then id."""
    return sorted(pool, key=lambda c: (-c.score, -c.cosine, -c.memory.created_ns, c.memory.id))


def guard(ranked: Iterable[Candidate]) -> list[Candidate]:
    """Those fit to inject: tried ones at or above the utility floor, and ``PROBES`` untried ones."""
    return [candidate for candidate, reason in judge(ranked) if reason is None]


def judge(ranked: Iterable[Candidate]) -> list[tuple[Candidate, LeftOut | None]]:
    """Each candidate with why the guards leave it out; ``None`` when they do not."""
    judged: list[tuple[Candidate, LeftOut | None]] = []
    probes = 0
    for candidate in ranked:
        reason = None
        if candidate.is_tried:
            reason = None if candidate.utility >= UTILITY_FLOOR else LeftOut.UTILITY_FLOOR
        else:
            probes += 1
            reason = None if probes <= PROBES else LeftOut.PROBE_RATION
        judged.append((candidate, reason))
    return judged


def spare_pinned(guarded: Sequence[Candidate], count: int) -> list[Candidate]:
    """The same candidates, untried ones behind those pinned ones whose places among ``count`` they would take."""
    if not any(candidate.memory.pinned for candidate in guarded):
        return list(guarded)
    settled = [candidate for candidate in guarded if candidate.is_tried or candidate.memory.pinned][:count]
    pinned = {candidate.memory.id for candidate in settled if candidate.memory.pinned}
    end = max((at for at, candidate in enumerate(guarded, 1) if candidate.memory.id in pinned), default=0)
    untried = [item for item in guarded[:end] if not (item.is_tried or item.memory.pinned)]
    moved = {candidate.memory.id for candidate in untried}
    return [*(item for item in guarded[:end] if item.memory.id not in moved), *untried, *guarded[end:]]


def diversify(ranked: Sequence[Candidate], count: int, mmr_lambda: float) -> list[Candidate]:
    """The first ``count`` by maximal marginal relevance; with ``mmr_lambda`` 1 the ranking as it is.

    Each next one has the most ``mmr_lambda * score - (1 - mmr_lambda) * overlap``, where overlap is the share of
    words that its lesson has in common with the nearest one already chosen.

    Source: Carbonell and Goldstein, "The use of MMR", SIGIR 1998.
    """
    if mmr_lambda == 1.0:
        return list(ranked[:count])
    waiting = {index: find_words(candidate.memory.reflection) for index, candidate in enumerate(ranked)}
    overlaps = dict.fromkeys(waiting, 0.0)
    chosen: list[Candidate] = []
    while waiting and len(chosen) < count:
        best = max(
            waiting,
            key=lambda i: (mmr_lambda * ranked[i].score - (1 - mmr_lambda) * overlaps[i], ranked[i].score, -i),
        )
        words = waiting.pop(best)
        chosen.append(ranked[best])
        for index, others in waiting.items():
            overlaps[index] = max(overlaps[index], read_overlap(words, others))
    return chosen


def nearest_of_each(near: Iterable[Neighbour]) -> list[Neighbour]:
    """One neighbour per memory, by the nearest of its keys; ``near`` is nearest first."""
    found: dict[str, Neighbour] = {}
    for item in near:
        found.setdefault(item.memory.id, item)
    return list(found.values())


def distinct_texts(near: Sequence[Neighbour]) -> list[Neighbour]:
    """One neighbour per reflection text: the one with most uses, then the nearest."""
    best: dict[str, Neighbour] = {}
    for item in near:
        rival = best.setdefault(item.memory.reflection, item)
        if rival is not item and item.memory.uses > rival.memory.uses:
            best[item.memory.reflection] = item
    if len(best) == len(near):
        return list(near)
    return sorted(best.values(), key=lambda item: -item.cosine)
