"""What a reflector may see of a run, and the memory that its reflection becomes. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from reflect_otel.learning.verdict import Verdict
from reflect_otel.model.memory import Memory, MemoryKind
from reflect_otel.model.notes import NOTES_START, strip_notes
from reflect_otel.model.reflection import LearningInput, Reflection
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import MessagePrefix, Trajectory
from reflect_otel.ports import Vector

ECHO_COSINE: Final = 0.90
"""From this content cosine to a served memory up, a reflection only repeats what the run was told."""

LONGEST_TASK_CHARACTERS: Final = 8_000
"""What of a run's task a memory keeps: enough to find it by, not a pasted document."""


def build_learning_input(
    record: RunRecord, trajectory: Trajectory, verdict: Verdict, served: Iterable[Memory]
) -> LearningInput:
    """The run as a reflector sees it: without the notes that were served to it, which stand apart."""
    return LearningInput(
        task=strip_notes(record.task or trajectory.task.text or ""),
        trajectory=without_notes(trajectory),
        result=verdict.result,
        feedback=verdict.feedback,
        reference_context=record.reference_context,
        served_texts=tuple(memory.reflection for memory in served),
        project_id=record.project_id,
        run_id=record.run_id,
    )


def without_notes(trajectory: Trajectory) -> Trajectory:
    """The trajectory with every notes block taken out of its messages."""
    if not any(message.content and NOTES_START in message.content for message in trajectory.messages):
        return trajectory
    messages = tuple(
        replace(message, content=strip_notes(message.content)) if message.content else message
        for message in trajectory.messages
    )
    steps = tuple(replace(step, messages=MessagePrefix(messages, len(step.messages))) for step in trajectory.steps)
    return replace(trajectory, messages=messages, steps=steps)


def build_memory(record: RunRecord, lesson: LearningInput, reflection: Reflection, created_ns: int) -> Memory:
    """The memory drawn from a run, not used by any run yet."""
    return Memory(
        id=build_memory_id(record.project_id, record.run_id, reflection.kind),
        task=lesson.task[:LONGEST_TASK_CHARACTERS],
        reflection=reflection.text.strip(),
        kind=reflection.kind,
        success=lesson.result is ReviewResult.PASS,
        created_from=record.run_id,
        created_ns=created_ns,
        agent=record.agent,
        metadata=record.metadata,
        reflector=reflection.written_by,
        contrasted_with=_contrasted_with(lesson, reflection),
        author=record.author,
    )


def _contrasted_with(lesson: LearningInput, reflection: Reflection) -> str:
    failed_run = lesson.failed_run if reflection.kind is MemoryKind.CONTRAST else None
    return failed_run.run_id if failed_run else ""


def build_memory_id(project_id: str, run_id: str, kind: MemoryKind) -> str:
    """The id of the memory of this kind drawn from this run: the same whenever the run is learned from again.

    The kind is part of it because a strategy and the pitfall that takes its place after a changed review are not
    the same memory: uses of the one say nothing about the other.
    """
    seed = f"{project_id}\0{run_id}\0{kind.value}".encode("utf-8", "surrogatepass")
    return f"mem-{blake2b(seed, digest_size=10).hexdigest()}"


def build_memory_ids(record: RunRecord) -> frozenset[str]:
    """The ids of every memory that may be drawn from the run."""
    return frozenset(build_memory_id(record.project_id, record.run_id, kind) for kind in MemoryKind)


def is_echo(content: Vector, served: Iterable[Vector]) -> bool:
    """Whether a reflection's content vector is as good as that of a memory served to the same run."""
    return any(read_cosine(content, vector) >= ECHO_COSINE for vector in served)


def read_cosine(left: Vector, right: Vector) -> float:
    """The inner product of two unit vectors."""
    return sum(float(a) * float(b) for a, b in zip(left, right, strict=True))


def build_retrieval_key(memory: Memory) -> str:
    """The text whose embedding finds the memory: its task, or the lesson itself when the run named no task."""
    return memory.task if memory.task.strip() else memory.reflection
