"""What agent code holds while its run is recorded: the task with memories, and a place for the outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.memory import AugmentedTask, Memory
from reflect_otel.model.review import ReviewResult

OutputT = TypeVar("OutputT", default=Any)


@dataclass(frozen=True, slots=True)
class TraceResult(Generic[OutputT]):
    """What a function under ``reflect_trace`` returns to say how its run went; its caller gets ``output``.

    Attributes:
        output: returned to the caller; a text is also the run's final response.
        trajectory: role/content messages or their JSON text.
        result: ``pass``, ``fail``, ``success`` or ``failure``; ``None`` defers the review.
        feedback_text: why, in words.
        model: model identifier.
        metadata: arbitrary pairs.
    """

    output: OutputT
    trajectory: Sequence[Any] | str
    result: str | None = None
    feedback_text: str | None = None
    model: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the run went, by its own code."""

    result: ReviewResult
    feedback_text: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What ``set_output`` was last told; empty where nothing was said."""

    trajectory: Sequence[Any] | str = ()
    final_response: str | None = None
    feedback_text: str | None = None
    model: str | None = None
    metadata: Mapping[str, Any] | None = None


class TraceContext:
    """One run while it is recorded. Made by ``client.trace``, ``client.trace_async`` and ``reflect_trace``.

    Attributes:
        task: what the agent was asked.
        run_id: the run's id, known at once; what ``trace_id`` will be.
        otel_trace_id: W3C trace id of the run's span in hex; ``None`` without an OpenTelemetry SDK.
        augmented_task: the task with relevant memories appended.
        memories: the memories served, in the order of the text.
        degraded: True when the service gave no memories in time and the task is unchanged.
        control: True when memories were withheld, because the run belongs to the control group.
        reference_context: reference answer or material for judging.
        alpha: step size of the utility update in (0, 1].
    """

    def __init__(
        self,
        task: str,
        run_id: str,
        *,
        otel_trace_id: str | None = None,
        reference_context: str | None = None,
        alpha: float | None = None,
    ) -> None:
        self.task = task
        self.run_id = run_id
        self.otel_trace_id = otel_trace_id
        self.augmented_task = task
        self.memories: tuple[Memory, ...] = ()
        self.degraded = False
        self.control = False
        self.reference_context = reference_context
        self.alpha = alpha
        self.output: Output | None = None
        self.verdict: Verdict | None = None
        self._told: Verdict | None = None
        self._trace_id: str | None = None

    @property
    def memory_ids(self) -> tuple[str, ...]:
        """Ids of the memories served."""
        return tuple(memory.id for memory in self.memories)

    @property
    def trace_id(self) -> str | None:
        """The run's id once it was submitted, for ``review_trace`` and ``get_trace``; ``None`` before."""
        return self._trace_id

    def set_output(
        self,
        trajectory: Sequence[Any] | str,
        final_response: str | None = None,
        result: str | None = None,
        feedback_text: str | None = None,
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        score: float | None = None,
        task: str | None = None,
        alpha: float | None = None,
    ) -> None:
        """Say what the run did and how it went; the last call counts.

        Args:
            trajectory: role/content messages, OpenAI message objects among them, or their JSON text.
            final_response: the agent's answer; else the last assistant message.
            result: ``pass``, ``fail``, ``success`` or ``failure``; ``None`` defers the review.
            feedback_text: why, in words; specific feedback makes better memories.
            model: model identifier.
            metadata: arbitrary pairs.
            score: in [0, 1], finer than the result.
            task: stored as the run's task in place of the one it was opened with.
            alpha: step size of the utility update in (0, 1].

        Raises:
            InvalidArgument: for an unknown result, a number out of range, or a trajectory that is no list.
        """
        if alpha == 0:
            raise InvalidArgument("alpha must be above 0 and at most 1, not 0", field="alpha")
        _require_share(alpha, "alpha")
        if not isinstance(trajectory, Sequence) or isinstance(trajectory, bytes):
            raise InvalidArgument(
                "trajectory must be a list of role/content messages or its JSON text", field="trajectory"
            )
        if result is not None:
            self.set_verdict(result, feedback_text, score)
            self._told = self.verdict
        elif self.verdict is self._told:
            self.verdict = None
        self.output = Output(
            trajectory=trajectory,
            final_response=final_response,
            feedback_text=feedback_text,
            model=model,
            metadata=metadata,
        )
        self.task = task or self.task
        self.alpha = self.alpha if alpha is None else alpha

    def set_verdict(self, result: str, feedback_text: str | None = None, score: float | None = None) -> None:
        """Say how the run went and nothing else; what ``reflect_otel.review()`` does inside the run.

        Raises:
            InvalidArgument: for an unknown result, or a score outside [0, 1].
        """
        _require_share(score, "score")
        self.verdict = Verdict(result=ReviewResult.parse(result), feedback_text=feedback_text, score=score)

    def take_memories(self, augmented: AugmentedTask) -> None:
        """Note what the service served."""
        self.augmented_task = augmented.augmented_task
        self.memories = augmented.memories
        self.degraded = augmented.degraded
        self.control = augmented.control

    def mark_submitted(self) -> None:
        """The record is on its way: ``trace_id`` is known from now on."""
        self._trace_id = self.run_id


def _require_share(value: float | None, field: str) -> None:
    if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= 1):
        raise InvalidArgument(f"{field} must be a number in [0, 1], not {str(value)[:60]!r}", field=field)
