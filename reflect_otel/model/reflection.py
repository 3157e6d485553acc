"""What a reflector sees and says, and what is kept about it."""

from dataclasses import dataclass
from typing import Final

from reflect_otel.model.memory import MemoryKind
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.trajectory import Trajectory

OFFLINE: Final = "offline"
"""Name of the reflector that needs no language model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """An earlier run of nearly the same task that failed: the other half of a contrast."""

    run_id: str
    trajectory: Trajectory
    feedback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningInput:
    """What a reflector may look at.

    Attributes:
        served_texts: reflections that were served to this run; they must not come back as new memories.
        failed_run: set for a passed run when an earlier run of nearly the same task failed.
        project_id: whose budget a language model is paid from.
        run_id: the run, for the record of what was asked.
        is_last_try: a reflector that cannot reach what it needs must do without it now instead of raising.
    """

    task: str
    trajectory: Trajectory
    result: ReviewResult
    feedback: str | None = None
    reference_context: str | None = None
    served_texts: tuple[str, ...] = ()
    failed_run: FailedRun | None = None
    project_id: str = ""
    run_id: str = ""
    is_last_try: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflection:
    """A lesson drawn from a reviewed trajectory, before it is a memory.

    Attributes:
        text: the lesson; empty when there was nothing to learn and ``note`` says why.
        evidence_steps: zero-based step numbers of the trajectory that support the lesson.
        reflector: name of what wrote it.
        model: the language model that wrote it; empty without one.
        note: why another reflector than the configured one wrote it, or why there is no text.
        prompt_hash: BLAKE2b of the prompt, in hex, without its random fence; empty without a language model.
        raw_output: the language model's last answer as it came, clipped.
    """

    kind: MemoryKind
    text: str
    evidence_steps: tuple[int, ...] = ()
    reflector: str = OFFLINE
    model: str = ""
    note: str = ""
    prompt_hash: str = ""
    raw_output: str = ""

    @property
    def written_by(self) -> str:
        """The reflector with its model, as it is shown."""
        return f"{self.reflector} {self.model}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectionRecord:
    """What is kept about the last reflection on a run, also when no memory came of it.

    Attributes:
        memory_id: the memory drawn from the run; empty when none was.
        contrasted_with: id of the failed run it was compared with; empty without one.
        created_ns: Unix time in nanoseconds.
    """

    run_id: str
    memory_id: str = ""
    reflector: str = OFFLINE
    model: str = ""
    note: str = ""
    evidence_steps: tuple[int, ...] = ()
    contrasted_with: str = ""
    prompt_hash: str = ""
    raw_output: str = ""
    created_ns: int = 0

    @property
    def written_by(self) -> str:
        """The reflector with its model, as it is shown."""
        return f"{self.reflector} {self.model}".strip()
