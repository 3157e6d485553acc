"""Why an augmentation holds the memories it holds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reflect_otel.model.memory import Memory


class LeftOut(StrEnum):
    """Why a memory near the task is not in its augmentation; the first stage that left it out."""

    BELOW_GATE = "below_gate"
    """Its cosine lies below the similarity threshold, by default the embedder's gate."""
    METADATA = "metadata"
    """Its metadata does not hold the wanted pairs."""
    SAME_TEXT = "same_text"
    """Another candidate says the same, word for word, and is tried more or nearer."""
    BEYOND_POOL = "beyond_pool"
    """Enough nearer ones filled the pool that is ranked."""
    UTILITY_FLOOR = "utility_floor"
    """It was tried and runs mostly failed with it."""
    PROBE_RATION = "probe_ration"
    """It is untried, and a better ranked untried one takes the place."""
    DIVERSITY = "diversity"
    """It would have been served by score alone, but says too much that a chosen one says."""
    MAX_INJECTED = "max_injected"
    """Better ranked ones fill the places there are."""
    TOKEN_BUDGET = "token_budget"  # noqa: S105 - tokens of text, not a credential
    """The notes block has no room for it."""


NEAR_SHARE: Final = 0.6
"""How far from the gate to identity two tasks must come to count as of one kind: nearer is not better there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A memory that came near the task, and what became of it.

    Attributes:
        memory: with ``similarity`` (the cosine), ``score`` and the present ``utility``.
        closeness: the cosine on the scale from the embedder's gate (0) to its near cosine (1).
        rank: place in the pool by score, 1 = first; 0 for one that was left out before it was ranked.
        note: number of its note in the augmentation (M1 is 1); 0 when it has none.
        left_out: why it has none; ``None`` when it has one.
    """

    memory: Memory
    closeness: float
    rank: int = 0
    note: int = 0
    left_out: LeftOut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How an augmentation came about.

    Attributes:
        candidates: those in the pool by rank, then the others, nearest first.
        embedder_id: what measured the cosines.
        gate: cosine that the embedder takes for unrelated; 0 on the scale of ``closeness``.
        threshold: cosine below which nothing is considered.
        lambda_: blend of closeness and utility.
        guarded: False when ``lambda_`` is 0 or 1: floor and ration are off then.
        max_injected: most notes there could have been.
    """

    candidates: tuple[Candidate, ...] = ()
    embedder_id: str = ""
    gate: float = 0.0
    threshold: float = 0.0
    lambda_: float = 0.5
    guarded: bool = True
    max_injected: int = 0

    @property
    def near(self) -> float:
        """Cosine from which tasks count as of one kind; 1 on the scale of ``closeness``."""
        return build_near_cosine(self.gate)


def build_near_cosine(gate: float) -> float:
    """The cosine ``NEAR_SHARE`` of the way from an embedder's gate to identity."""
    return gate + NEAR_SHARE * (1 - gate)
