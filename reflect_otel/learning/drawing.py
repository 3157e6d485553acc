"""From a reviewed run to the memory drawn from it, if any, and the record of how that went."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reflect_otel.learning.contrast import ContrastFinder
from reflect_otel.learning.credit import with_utility
from reflect_otel.learning.lesson import build_learning_input, build_memory
from reflect_otel.learning.safety import find_dangers
from reflect_otel.learning.utility import recompute
from reflect_otel.learning.verdict import Verdict
from reflect_otel.model.family_records import FamilyRecords
from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus
from reflect_otel.model.reflection import LearningInput, Reflection, ReflectionRecord
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.trajectory import Task, Trajectory
from reflect_otel.ports import Clock, LearningCase, Reflector

UNSAFE: Final = "safety scan: "
"""How the reason of a memory begins that the scan has held back."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a run taught: the memory, if any, what it was drawn from, and the record of it."""

    lesson: LearningInput
    record: ReflectionRecord
    memory: Memory | None = None


class LessonDrawer:
    """Asks the reflector and makes a memory of what it says.

    Args:
        contrasts: finds the failed run that a passed one is compared with.
        allowed_hosts: hosts whose addresses may stand in a lesson.
    """

    def __init__(
        self,
        reflector: Reflector,
        contrasts: ContrastFinder,
        clock: Clock,
        allowed_hosts: Collection[str],
    ) -> None:
        self._reflector = reflector
        self._contrasts = contrasts
        self._clock = clock
        self._allowed_hosts = allowed_hosts

    def draw(
        self,
        case: LearningCase,
        verdict: Verdict,
        served: Sequence[Memory],
        families: FamilyRecords,
        *,
        is_last_try: bool,
    ) -> Drawn:
        """The lesson of a run. Raises what the reflector raises."""
        record_of_run = case.run.record
        lesson = build_learning_input(record_of_run, read_trajectory(case), verdict, served)
        passed = lesson.result is ReviewResult.PASS
        failed_run = self._contrasts.find_failed_run(record_of_run, lesson.task) if passed else None
        lesson = replace(lesson, failed_run=failed_run, is_last_try=is_last_try)
        reflection = self._reflector.reflect(lesson) or Reflection(
            kind=MemoryKind.STRATEGY, text="", reflector=self._reflector.name, note="the run shows nothing to learn"
        )
        contrasted_with = lesson.failed_run.run_id if lesson.failed_run else ""
        record = _build_record(lesson.run_id, reflection, contrasted_with, self._clock())
        if not reflection.text.strip():
            return Drawn(lesson, record)
        memory = build_memory(record_of_run, lesson, reflection, record.created_ns)
        memory = self._scanned(_with_past(memory, families))
        note = "; ".join(filter(None, (record.note, memory.status_reason)))
        return Drawn(lesson, replace(record, memory_id=memory.id, note=note), memory)

    def _scanned(self, memory: Memory) -> Memory:
        """The memory, held back if its text is not safe; what was held back and now is safe is released."""
        dangers = find_dangers(memory.reflection, self._allowed_hosts)
        if dangers:
            reason = UNSAFE + ", ".join(dangers)
            return replace(memory, status=MemoryStatus.QUARANTINED, status_reason=reason)
        if memory.status is MemoryStatus.QUARANTINED and memory.status_reason.startswith(UNSAFE):
            return replace(memory, status=MemoryStatus.ACTIVE, status_reason="")
        return memory


def read_trajectory(case: LearningCase) -> Trajectory:
    """The run's trajectory, or what its row tells of it when it has not been read."""
    record = case.run.record
    return case.trajectory or Trajectory(task=Task(text=record.task), final_response=record.final_response)


def _with_past(memory: Memory, families: FamilyRecords) -> Memory:
    """The memory with the record that an earlier lesson of the same run and kind has earned."""
    known = families.find_memory(memory.id)
    if known is not None:
        memory = _keep_standing(memory, known)
    return with_utility(memory, recompute(families.read_ledger([memory.id])))


def _keep_standing(memory: Memory, known: Memory) -> Memory:
    """A lesson drawn anew from the same run, with all that was decided about the memory meanwhile."""
    return replace(
        memory,
        created_ns=known.created_ns,
        status=known.status,
        status_reason=known.status_reason,
        pinned=known.pinned,
        merged_into=known.merged_into,
        last_served_ns=known.last_served_ns,
    )


def _build_record(run_id: str, reflection: Reflection, contrasted_with: str, created_ns: int) -> ReflectionRecord:
    return ReflectionRecord(
        run_id=run_id,
        reflector=reflection.reflector,
        model=reflection.model,
        note=reflection.note,
        evidence_steps=reflection.evidence_steps,
        contrasted_with=contrasted_with if reflection.kind is MemoryKind.CONTRAST else "",
        prompt_hash=reflection.prompt_hash,
        raw_output=reflection.raw_output,
        created_ns=created_ns,
    )
