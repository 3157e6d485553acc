"""What a reflector may see of a run, and the memory that its reflection becomes. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final

from reflect_otel.learning.verdict import Verdict
from reflect_otel.model.memory import Memory, MemoryKind
from reflect_otel.model.notes import strip_notes
from reflect_otel.model.reflection import LearningInput, Reflection
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Message, MessagePrefix, Trajectory
from reflect_otel.ports import Vector

ECHO_COSINE: Final = 0.90
"""From this content cosine to a served memory up, a reflection only repeats what the run was told."""

_MOST_LEVELS: Final = 20
"""Of what a tool was asked or answered, in which notes are looked for."""

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
    """The trajectory with every notes block taken out: of its messages and of what tools were asked and answered."""
    messages = tuple(map(_message_without_notes, trajectory.messages))
    if all(new is old for new, old in zip(messages, trajectory.messages, strict=True)):
        return trajectory
    steps = tuple(replace(step, messages=MessagePrefix(messages, len(step.messages))) for step in trajectory.steps)
    return replace(trajectory, messages=messages, steps=steps)


def _message_without_notes(message: Message) -> Message:
    content = _strip_leaves(message.content)
    calls = message.tool_calls
    if calls and any(_strip_leaves(call.arguments) is not call.arguments for call in calls):
        calls = tuple(replace(call, arguments=_strip_leaves(call.arguments)) for call in calls)
    answer = message.tool_response
    if answer is not None:
        response, error = _strip_leaves(answer.response), _strip_leaves(answer.error)
        if response is not answer.response or error is not answer.error:
            answer = replace(answer, response=response, error=error)
    if content is message.content and calls is message.tool_calls and answer is message.tool_response:
        return message
    return replace(message, content=content, tool_calls=calls, tool_response=answer)


def _strip_leaves(value: Any, levels: int = _MOST_LEVELS) -> Any:
    """The value with the notes taken out of every text in it; the very same object where there are none."""
    if isinstance(value, str):
        stripped = strip_notes(value)
        return value if stripped == value else stripped
    if not levels:
        return value
    if isinstance(value, dict):
        fields = {key: _strip_leaves(item, levels - 1) for key, item in value.items()}
        return value if all(fields[key] is value[key] for key in value) else fields
    if isinstance(value, list):
        items = [_strip_leaves(item, levels - 1) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


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


def build_memory_ids(project_id: str, run_id: str) -> frozenset[str]:
    """The ids of every memory that may be drawn from the run."""
    return frozenset(build_memory_id(project_id, run_id, kind) for kind in MemoryKind)


def is_echo(content: Vector, served: Iterable[Vector]) -> bool:
    """Whether a reflection's content vector is as good as that of a memory served to the same run."""
    return any(read_cosine(content, vector) >= ECHO_COSINE for vector in served)


def read_cosine(left: Vector, right: Vector) -> float:
    """The inner product of two unit vectors."""
    return sum(float(a) * float(b) for a, b in zip(left, right, strict=True))


def build_retrieval_key(memory: Memory) -> str:
    """The text whose embedding finds the memory: its task, or the lesson itself when the run named no task."""
    return memory.task if memory.task.strip() else memory.reflection
