"""The typed form of a run: Task, Steps, Messages, ToolCalls, metrics.

Names, fields and defaults are those of the Trajectory SDK documents; what we add is marked *added*. All types
are frozen. ``Step.messages`` is cumulative in the API, but every step shares the trajectory's one message
tuple, so a run of n messages takes O(n) memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, overload


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class TrainableStatus(StrEnum):
    """Whether a message or step may be used for training."""

    TRAINABLE = "trainable"
    NOT_TRAINABLE = "not_trainable"
    SUPERSEDED = "superseded"
    SUMMARIZATION_BOUNDARY = "summarization_boundary"


class TerminationReason(StrEnum):
    """Why the conversation ended."""

    ENV_DONE = "ENV_DONE"
    ERROR = "ERROR"
    TRUNCATION = "TRUNCATION"
    TIMEOUT = "TIMEOUT"
    MAX_STEPS = "MAX_STEPS"
    STALE = "STALE"
    CANCELLED = "CANCELLED"
    NONE = "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool invocation that the assistant asked for."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResponse:
    """What came back from a tool. ``error`` is set when the execution failed."""

    id: str = ""
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    response: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardComponent:
    """One signal of a reward: ``value`` as given, ``scaled_value`` in [0, 1], ``weight`` 0 = diagnostic only."""

    name: str
    value: float
    scaled_value: float
    explanation: str | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """An aggregated reward in [0, 1]; the seed names the type, the fields are the published package's."""

    aggregated_value: float
    aggregation_method: str = "weighted_mean"
    components: tuple[RewardComponent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the conversation."""

    role: Role
    content: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_response: ToolResponse | None = None
    usage: dict[str, int] | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    name: str | None = None
    """*Added*: the participant's name, for system, user and assistant messages that carry one."""
    trainable_status: TrainableStatus = TrainableStatus.NOT_TRAINABLE


class MessagePrefix(Sequence[Message]):
    """The first ``end`` messages of a shared tuple: a cumulative view that copies nothing."""

    __slots__ = ("_end", "_shared")

    def __init__(self, shared: tuple[Message, ...], end: int) -> None:
        self._shared = shared
        self._end = min(end, len(shared))

    @property
    def shared(self) -> tuple[Message, ...]:
        """The whole tuple that this is a view on."""
        return self._shared

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        positions = range(self._end)[index]
        if isinstance(positions, range):
            return tuple(self._shared[i] for i in positions)
        return self._shared[positions]

    def __len__(self) -> int:
        return self._end

    def __iter__(self) -> Iterator[Message]:
        return (self._shared[i] for i in range(self._end))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))

    def __hash__(self) -> int:
        return hash((self._end, self._shared[self._end - 1].content if self._end else None))

    def __repr__(self) -> str:
        return f"MessagePrefix({self._end} of {len(self._shared)} messages)"


def _same(left: object, right: object) -> bool:
    return left == right


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision point: a model call with everything it saw and answered.

    ``messages`` is cumulative (a view on the shared messages); ``info`` holds provider-specific facts such as
    the span id and response id.
    """

    messages: Sequence[Message]
    reward: Reward | None = None
    info: dict[str, Any] | None = None
    trainable_status: TrainableStatus = TrainableStatus.NOT_TRAINABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What was asked, and totals over the conversation."""

    conversation_id: str | None = None
    data_source: str | None = None
    num_turns: int | None = None
    num_steps: int | None = None
    total_tokens: int | None = None
    total_cost: float | None = None
    text: str | None = None
    """*Added*: the task in words: ``reflect.task``, else the first user message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryMetrics:
    """Counts over the run's content."""

    steps: int | None = None
    tokens_generated: int | None = None
    num_tool_calls: int | None = None
    num_tool_failures: int | None = None
    tool_error_rate: float | None = None
    llm_calls: int = 0
    """*Added*: answered model calls, each counted once."""
    llm_errors: int = 0
    """*Added*: model calls that failed."""
    input_tokens: int = 0
    """*Added*: prompt tokens, cached ones included."""
    output_tokens: int = 0
    """*Added*: completion tokens, reasoning included."""
    cached_input_tokens: int = 0
    """*Added*: the cached part of ``input_tokens``."""
    reasoning_output_tokens: int = 0
    """*Added*: the reasoning part of ``output_tokens``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionMetrics:
    """Times in seconds; ``env_time`` and ``llm_time`` are unions of the spans' intervals."""

    env_time: float | None = None
    llm_time: float | None = None
    total_time: float | None = None
    termination_reason: TerminationReason | None = None
    started_ns: int = 0
    """*Added*: Unix time of the first span's start in nanoseconds."""
    ended_ns: int = 0
    """*Added*: Unix time of the last span's end in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """A run (or a session) in typed form.

    The first six fields are the seed's. The rest is *added*: ``messages`` is the whole conversation that the
    steps share; ``inferred`` tells that no known dialect matched; ``problems`` lists what could not be read,
    one sentence each; ``dialects`` names the readers that contributed.
    """

    task: Task = field(default_factory=Task)
    steps: tuple[Step, ...] = ()
    reward: Reward | None = None
    metrics: TrajectoryMetrics | None = None
    execution_metrics: ExecutionMetrics | None = None
    error: str | None = None
    messages: tuple[Message, ...] = ()
    run_id: str = ""
    trace_ids: tuple[str, ...] = ()
    agent: str | None = None
    model: str | None = None
    final_response: str | None = None
    dialects: tuple[str, ...] = ()
    inferred: bool = False
    problems: tuple[str, ...] = ()
