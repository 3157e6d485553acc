"""What learning from a run's reviews is worked out from, and what it changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reflect_otel.model.family_records import FamilyRecords
from reflect_otel.model.governance import Quarantine
from reflect_otel.model.memory import Memory, UtilityEvent
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Trajectory

Vector: TypeAlias = Sequence[float]
"""A unit-length embedding; adapters pass float32 arrays of shape (dimensions,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningJob:
    """Durable order to learn from a run's reviews. ``attempts`` counts the tries so far."""

    project_id: str
    run_id: str
    attempts: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """A run with what was said about it and learned from it.

    Attributes:
        served: memory ids served to this run, from Augment calls and from ``reflect.memory.ids``, distinct.
        reflection: how the last lesson was drawn, without ``raw_output``; ``None`` before there was one.
        learned: True when no change of the run's reviews waits for the learning loop; also without any review.
    """

    record: RunRecord
    reviews: Sequence[Review] = ()
    served: Sequence[str] = ()
    created_memory_id: str | None = None
    learned: bool = False
    reflection: ReflectionRecord | None = None
    attempts: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVector:
    """A memory with its vectors by one embedder: of its task, the retrieval key, and of its text where asked for."""

    project_id: str
    memory: Memory
    task_vector: Vector
    embedder_id: str
    content_vector: Vector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """What becomes of the memories that were merged into one that no longer speaks for them.

    Attributes:
        gone_id: the memory that is gone, is not active any more, or says something else by now.
        heir_id: the memory that carries on its record; empty when nobody does.
        resettled: those memories as they stand from now on (``status``, ``merged_into`` and their record are
            written), with their content vectors.
        updated: ledger entries whose ``before``/``after`` changed with it.
        embedder_id: made the vectors.
    """

    gone_id: str
    heir_id: str = ""
    resettled: Sequence[tuple[Memory, Vector | None]] = ()
    updated: Sequence[UtilityEvent] = ()
    embedder_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningOutcome:
    """Everything one learning job changes; committed in one transaction, which also ends the job.

    Attributes:
        job: the job as it was claimed; if the run's reviews have changed since, the store keeps it queued.
        is_first: nothing is stored of an earlier lesson of this run: no memory that it left, no ledger entry.
        memory: the memory drawn from the run, or ``None`` when there was nothing to say.
        task_vector: embedding of ``memory.task`` (the retrieval key); ``content_vector`` that of its text. Without
            them the memory is stored all the same and gets its vectors later.
        embedder_id: ``name@version`` of what made the vectors.
        result: what the run's reviews come to; ``None`` when there is none any more. ``reward`` goes with it.
        events: ledger entries of this run, replacing the run's earlier ones.
        recomputed: memories whose utility changed, with their new ``utility``, ``uses`` and ``passes``.
        updated: the events of other runs whose ``before``/``after`` changed with the recomputation.
        removed_memory_id: memory of an earlier review of this run that no longer holds.
        succession: what becomes of those that were merged into a memory that goes or says something else now.
        quarantine_ids: open quarantines that the run, and the memory drawn from it, now belong to.
        reflection: who drew the lesson and how, also when no memory came of it; replaces the run's earlier one.
    """

    job: LearningJob
    is_first: bool = False
    memory: Memory | None = None
    task_vector: Vector | None = None
    content_vector: Vector | None = None
    embedder_id: str = ""
    events: Sequence[UtilityEvent] = ()
    recomputed: Sequence[Memory] = ()
    updated: Sequence[UtilityEvent] = ()
    removed_memory_id: str | None = None
    succession: Succession | None = None
    result: ReviewResult | None = None
    reward: float = 0.0
    quarantine_ids: Sequence[str] = ()
    reflection: ReflectionRecord | None = None

    @property
    def stored(self) -> StoredVector | None:
        """The memory with its vectors, if it has any."""
        if self.memory is None or self.task_vector is None:
            return None
        return StoredVector(
            project_id=self.job.project_id,
            memory=self.memory,
            task_vector=self.task_vector,
            embedder_id=self.embedder_id,
            content_vector=self.content_vector,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCase:
    """What there is to learn from a run.

    Attributes:
        run: with its reviews, but not how learning from it stands.
        trajectory: ``None`` when it has not been read.
    """

    run: RunDetail
    trajectory: Trajectory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningEvidence:
    """What the lessons of several runs of one project are worked out from, read in one piece.

    Attributes:
        cases: of the runs that are there, by id, with what each was served and the memory drawn from it.
        families: of the memories served to these runs, credited by them, or asked for.
        quarantines: open ones that hold any of the runs, or of the memories served or asked for.
    """

    cases: Mapping[str, LearningCase]
    families: FamilyRecords
    quarantines: Sequence[Quarantine]
