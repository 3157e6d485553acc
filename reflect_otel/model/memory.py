"""Memories, their ledger, and what an augmentation serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from reflect_otel.model.review import ReviewResult

if TYPE_CHECKING:
    from reflect_otel.model.explanation import Explanation


INITIAL_UTILITY: Final = 0.5


class MemoryKind(StrEnum):
    """What a memory teaches: what to do, what to avoid, or the difference between a failed and a passed run."""

    STRATEGY = "strategy"
    PITFALL = "pitfall"
    CONTRAST = "contrast"


class MemoryStatus(StrEnum):
    """Only ``active`` memories are served; a ``merged`` one lends its retrieval key to the memory it repeats."""

    ACTIVE = "active"
    MERGED = "merged"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"


SERVED: Final = frozenset({MemoryStatus.ACTIVE, MemoryStatus.MERGED})
"""Memories that are found: active ones for themselves, merged ones for the memory that speaks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A stored reflection with its utility.

    Attributes:
        task: the task of the run it was drawn from; its embedding is the retrieval key.
        reflection: the lesson, plain text.
        utility: in [0, 1]; also readable as ``q_value``, the name of the Reflect SDK.
        uses: reviewed runs that were served this memory.
        similarity: cosine to the query in [-1, 1]; 0.0 outside a query.
        score: ``lambda_ * s + (1 - lambda_) * utility``, where s is the similarity on a scale from the embedder's
            gate (0) to its near cosine (1); 0.0 outside a query.
        success: outcome of the run it was drawn from; ``None`` when written by hand without one.
        created_from: run id it was drawn from; empty when written by hand.
        pinned: never archived, merged away or displaced by untried memories.
        merged_into: id of the older memory that says the same and is served in its place; empty for itself.
        last_served_ns: when a run was last served it, Unix nanoseconds; 0 = never.
        author: end user of the run it was drawn from; empty when unknown or written by hand.
        status_reason: why it is not active, or that an active one was restored by hand; else empty.
        reflector: what wrote it: ``offline`` or ``NAME MODEL`` of a language model; empty when written by hand.
        alarm: how its utility has jumped within a day; empty when it has not.
        contrasted_with: of a contrast, the id of the failed run that the passed one was compared with.
    """

    id: str
    task: str
    reflection: str
    kind: MemoryKind
    utility: float = INITIAL_UTILITY
    uses: int = 0
    passes: int = 0
    similarity: float = 0.0
    score: float = 0.0
    success: bool | None = None
    created_from: str = ""
    created_ns: int = 0
    status: MemoryStatus = MemoryStatus.ACTIVE
    agent: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    pinned: bool = False
    merged_into: str = ""
    last_served_ns: int = 0
    author: str = ""
    status_reason: str = ""
    reflector: str = ""
    contrasted_with: str = ""
    alarm: str = ""

    @property
    def q_value(self) -> float:
        """The utility, under the Reflect SDK's name."""
        return self.utility


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One memory handed to one run, as it was at that moment.

    Attributes:
        trace_id: 16 bytes of the caller's trace, or ``None``.
        run_id: run key when the caller named it, or ``None``.
        served_ns: Unix time in nanoseconds.
        rank: 1 = first.
        withheld: chosen, but kept back because the run belongs to the control group; earns no credit.
        control_share: the chance of that; 0 where nothing was left to chance.
    """

    memory_id: str
    trace_id: bytes | None = None
    run_id: str | None = None
    rank: int = 1
    similarity: float = 0.0
    utility: float = INITIAL_UTILITY
    score: float = 0.0
    served_ns: int = 0
    withheld: bool = False
    control_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilityEvent:
    """One entry of the utility ledger: this run was served this memory and got this reward.

    The ledger is the truth; ``before`` and ``after`` are what the rule made of it at the time.

    Attributes:
        reward: in [0, 1].
        sequence: time of the run's first review that stands, Unix nanoseconds; recomputation follows it.
        result: the verdict that the reward goes with; ``None`` = not noted, the reward tells.
        reviewer: who answers for the reward (``model.reward.read_reviewer``); empty when unknown.
        excluded: why the entry moves nothing; empty when it counts.
    """

    memory_id: str
    run_id: str
    reward: float
    alpha: float | None = None
    sequence: int = 0
    before: float = INITIAL_UTILITY
    after: float = INITIAL_UTILITY
    reviewer: str = ""
    excluded: str = ""
    result: ReviewResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions:
    """How memories are chosen; the defaults are the Reflect SDK's.

    Attributes:
        limit: most memories to return, a ceiling.
        lambda_: blend in [0, 1]: 1 = similarity only, 0 = utility only.
        similarity_threshold: cosine floor in [-1, 1]; ``None`` = the embedder's calibrated gate.
        metadata_filter: only memories whose metadata holds all these pairs.
        mmr_lambda: relevance against variety in [0, 1]: 1 = by score alone.
        max_injected: most memories an augmentation serves; ``None`` = the service's setting.
    """

    limit: int = 10
    lambda_: float = 0.5
    similarity_threshold: float | None = None
    metadata_filter: Mapping[str, str] = field(default_factory=dict)
    mmr_lambda: float = 1.0
    max_injected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentedTask:
    """The task with the memories served for it (glossary: *augmentation*).

    Attributes:
        augmented_task: the task, byte for byte, followed by the notes block when there are memories.
        degraded: True when service or embedder did not answer in time and the task is unchanged.
        control: True when memories would have been served, but the run belongs to the control group.
        serving_stopped_reason: why the project serves no memories at the moment; empty while it does.
        explanation: why it holds these memories and not others, for the control group why it would; ``None`` unless
            it was asked for.
        policy: the rule that chose, by name and version; empty when nothing was looked for.
        embedder_id: what compared, ``NAME@VERSION``; empty as above.
    """

    augmented_task: str
    memories: tuple[Memory, ...] = ()
    degraded: bool = False
    control: bool = False
    serving_stopped_reason: str = ""
    explanation: "Explanation | None" = None
    policy: str = ""
    embedder_id: str = ""
