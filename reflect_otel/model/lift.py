"""What memories are worth: runs that were served them against runs from which they were withheld by chance."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DEFAULT_HALF_WIDTH: Final = 0.05
"""How narrow an interval is asked for, to either side."""

MAX_RUNS_NEEDED: Final = 2**31 - 1
"""Stands for more runs than anybody will have."""


class LiftScope(StrEnum):
    """What a comparison is about: the whole project, one agent, or one memory."""

    PROJECT = "project"
    AGENT = "agent"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCount:
    """The runs of one arm that were assigned with one chance.

    Attributes:
        subject: name of the agent or id of the memory; empty for the project.
        control_share: the chance of being assigned to the control arm, in (0, 1].
        withheld: True for the control arm.
        runs: assigned, reviewed or not.
        reviewed: of those, how many have a verdict.
        passes: of those reviewed, how many passed.
        rewards: sum of the rewards of those reviewed.
    """

    control_share: float
    withheld: bool
    runs: int
    reviewed: int
    passes: int
    rewards: float
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of a comparison.

    Attributes:
        runs: assigned to this side.
        reviewed: of those, how many have a verdict.
        passes: of those reviewed, how many passed.
        mean_reward: of those reviewed; ``None`` without any.
    """

    runs: int = 0
    reviewed: int = 0
    passes: int = 0
    mean_reward: float | None = None

    @property
    def pass_rate(self) -> float | None:
        """Share of the reviewed runs that passed; ``None`` without any."""
        return self.passes / self.reviewed if self.reviewed else None


class LiftConclusion(StrEnum):
    """What a comparison says."""

    HELPS = "helps"
    HARMS = "harms"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """A comparison.

    Attributes:
        subject: name of the agent or id of the memory; empty for the project.
        with_memory: runs that were served memories.
        without_memory: runs from which they were withheld.
        difference: pass rate with memory less that without, in [-1, 1]; ``None`` while one side has no verdict.
        low, high: ends of its 95 % interval.
        runs_needed: further reviewed runs, at this control share, until the interval is as narrow as asked for.
    """

    scope: LiftScope
    subject: str = ""
    with_memory: Arm = field(default_factory=Arm)
    without_memory: Arm = field(default_factory=Arm)
    difference: float | None = None
    low: float = -1.0
    high: float = 1.0
    runs_needed: int = 0

    @property
    def conclusion(self) -> LiftConclusion:
        """Whether the interval leaves zero out, and on which side."""
        if self.difference is None or self.low <= 0.0 <= self.high:
            return LiftConclusion.UNKNOWN
        return LiftConclusion.HELPS if self.low > 0.0 else LiftConclusion.HARMS


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftReport:
    """What is known about the worth of a project's memories.

    Attributes:
        agents, memories: those with the most control runs first.
        control_share: in force now.
        since_ns: the evidence begins here, Unix nanoseconds; 0 = from the first run on.
        half_width: how narrow an interval ``Lift.runs_needed`` asks for.
        harm_evidence: how many times likelier the verdicts are if memories harm; at ``harm_limit`` serving stops.
        serving_stopped_reason: why no memory is served; empty while they are.
        serving_stopped_ns: since when, Unix nanoseconds.
    """

    project: Lift
    agents: tuple[Lift, ...] = ()
    memories: tuple[Lift, ...] = ()
    control_share: float = 0.0
    since_ns: int = 0
    half_width: float = DEFAULT_HALF_WIDTH
    harm_evidence: float = 1.0
    harm_limit: float = 1.0
    serving_stopped_reason: str = ""
    serving_stopped_ns: int = 0
