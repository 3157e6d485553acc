"""The ports on one page: what the use cases need, and what an adapter must promise.

Two stand on pages of their own and are imported from here all the same: ``governance_store`` and ``transport``; so
does what learning passes to and from a store, ``model.learning``.

Adapters live in ``store`` and ``providers`` and are found through entry points (``reflect_otel.plugins``); a
conformance suite per port stands in ``reflect_otel.testing.conformance``. Unless a method says otherwise it may
be called from any thread, and a write returns only once it is durable.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from reflect_otel.governance_store import GovernanceStore as GovernanceStore
from reflect_otel.model.governance import ANY_MEMORY, MemoryFilter
from reflect_otel.model.learning import LearningCase as LearningCase
from reflect_otel.model.learning import LearningEvidence as LearningEvidence
from reflect_otel.model.learning import LearningJob as LearningJob
from reflect_otel.model.learning import LearningOutcome as LearningOutcome
from reflect_otel.model.learning import RunDetail as RunDetail
from reflect_otel.model.learning import StoredVector as StoredVector
from reflect_otel.model.learning import Succession as Succession
from reflect_otel.model.learning import Vector as Vector
from reflect_otel.model.lift import ArmCount, LiftScope
from reflect_otel.model.memory import Memory, Served, UtilityEvent
from reflect_otel.model.model_call import Completion, ModelCall, Spending
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.model.reading import SpanReading
from reflect_otel.model.reflection import LearningInput, Reflection, ReflectionRecord
from reflect_otel.model.review import Review
from reflect_otel.model.review_keys import ReviewKey
from reflect_otel.model.settings import Settings as Settings
from reflect_otel.model.spans import LogRecord, Run, SpanRecord
from reflect_otel.model.telemetry_batch import TelemetryBatch as TelemetryBatch
from reflect_otel.model.trace import RunRecord, TraceDraft
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.transport import OtlpSink as OtlpSink
from reflect_otel.transport import Transport as Transport

Clock: TypeAlias = Callable[[], int]
"""Unix time in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs ``find_runs`` returns; ``None`` means any."""

    review_status: str | None = None
    agent: str | None = None
    session_id: str | None = None
    before: tuple[int, str] | None = None
    """Continue after this (first_seen_ns, run_id) of the previous page, newest first."""


class TelemetryStore(Protocol):
    """Spans and logs. Writing the same record twice changes nothing: the key is (project, trace id, span id)."""

    def write_telemetry(self, batch: TelemetryBatch) -> None:
        """Store a batch and move the journal offset to ``batch.journal_offset`` in the same transaction.

        A review signal whose run is not known yet is kept and attached when the run appears; the oldest of very many
        that wait make room. A new or changed
        review queues a learning job; a repeated one does nothing, nor does one that a newer word of its key has
        overtaken. ``runs`` rows are upserted.

        Raises:
            StoreRefused: something in the batch can never be stored; nothing of the batch was.
            StoreError: nothing can be stored now.
        """

    def journal_offset(self) -> int:
        """Sequence number of the last journal record whose effects are committed; 0 in a new store."""

    def find_telemetry(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, Run]:
        """All spans and logs of each run's traces, in arrival order; runs without any are absent.

        Where a trace holds several runs, the spans of the others are among them (``runs.grouping`` tells apart).
        """

    def find_run_ids(self, project_id: str, trace_ids: Iterable[bytes]) -> Mapping[bytes, Sequence[str]]:
        """Run ids of each known trace id, first joined first; unknown ones are absent."""

    def count_spans(self) -> int:
        """Stored spans over all projects."""


class RunStore(Protocol):
    """Runs with their conversations, and the reviews on them."""

    def write_runs(self, read: Sequence[tuple[RunRecord, Trajectory | None]]) -> None:
        """Upsert run rows; with a trajectory, store its messages too, each distinct beginning once. One commit.

        Raises:
            StoreRefused: something of it can never be stored; nothing was.
            StoreError: nothing can be stored now.
        """

    def find_run(self, project_id: str, identifier: str) -> RunDetail | None:
        """By run id, else by W3C trace id in hex."""

    def find_runs(self, project_id: str, only: RunFilter, limit: int) -> Sequence[RunDetail]:
        """Newest first by (first_seen_ns, run_id)."""

    def find_unclosed_runs(self) -> Sequence[RunRecord]:
        """Runs of all projects that are not closed: what the assembler resumes after a restart."""

    def get_trajectory(self, project_id: str, run_id: str) -> Trajectory:
        """The stored trajectory. Raises NotFound when the run is unknown or has not been read yet."""

    def iter_trajectories(self, project_id: str, run_ids: Iterable[str]) -> Iterator[tuple[str, Trajectory]]:
        """(run id, trajectory) in the order asked for, what they share read once; unread runs are left out."""

    def count_runs(self) -> int:
        """Stored runs over all projects."""

    def write_review(self, project_id: str, run_id: str, review: Review) -> bool:
        """Upsert by the review's key and queue a learning job; False when nothing changed. Raises NotFound."""

    def write_withdrawal(self, project_id: str, run_id: str, key: ReviewKey) -> bool:
        """Take the review of this key (name, source, identifier) back and queue a learning job.

        False when it is withdrawn already. What telemetry repeats of a withdrawn review changes nothing; a later one
        of the same key stands anew. Raises NotFound when the run is unknown, or never had a review of this key.
        """

    def find_reviewed_runs(self, project_id: str) -> Sequence[str]:
        """Run ids of the project that have a review that stands, in order of their ids."""

    def delete_runs(self, project_id: str, run_ids: Sequence[str]) -> int:
        """Delete runs with all that belongs to them; memories drawn from them stay. Returns how many."""


class MemoryStore(Protocol):
    """Memories, their vectors, the utility ledger and the learning jobs."""

    def claim_jobs(self, limit: int) -> Sequence[LearningJob]:
        """The learning jobs whose runs are closed: those with the fewest failed tries first, of them the oldest.

        Parked jobs are not given out. One claimer at a time: the learning loop.
        """

    def find_cases(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, LearningCase]:
        """Each run with its reviews and its trajectory; those that are gone are absent."""

    def find_evidence(self, project_id: str, run_ids: Sequence[str], memory_ids: Sequence[str]) -> LearningEvidence:
        """What the lessons of these runs are worked out from; ``memory_ids``: those that may be drawn from them."""

    def write_learning(self, *outcomes: LearningOutcome) -> bool:
        """Commit the outcomes, each worked out after those before it, of different runs of one project.

        Runs with a contrast to these runs are queued to be learned from again: they may say something else by now.

        Returns:
            False when the reviews of any of the runs changed since the claim; nothing is written then, and every job
            stays queued.
        """

    def write_job_failure(self, job: LearningJob, error: str, *, park: bool) -> None:
        """Count a failed try; ``park`` takes the job out of the queue until the run is reviewed again."""

    def write_memory(self, project_id: str, stored: StoredVector) -> None:
        """Upsert a memory written by hand; vectors of other embedders go, they were of what it said before."""

    def find_memory(self, project_id: str, memory_id: str) -> Memory | None:
        """One memory, whatever its status."""

    def find_memories(
        self,
        project_id: str,
        *,
        before: tuple[int, str] | None,
        limit: int,
        only: MemoryFilter = ANY_MEMORY,
    ) -> Sequence[Memory]:
        """Newest first by (created_ns, id)."""

    def find_speakers(self, project_id: str, memory_ids: Iterable[str]) -> Mapping[str, Memory]:
        """Who speaks for each memory: its heir, else the one it was merged into, else itself.

        An id that nobody speaks for is absent.
        """

    def find_merged(
        self, project_id: str, memory_id: str, embedder_id: str
    ) -> Sequence[tuple[Memory, Vector | None]]:
        """The memories merged into this one, oldest first, with their content vectors by this embedder."""

    def write_succession(self, project_id: str, succession: Succession) -> None:
        """Commit what becomes of the memories merged into one that went otherwise than by learning."""

    def find_vectors(self) -> Iterable[StoredVector]:
        """Every active or merged memory of every project, once for each embedder it has a task vector of."""

    def find_vectors_of(self, project_id: str, memory_ids: Sequence[str]) -> Sequence[StoredVector]:
        """These memories, whatever their status, once for each embedder they have a task vector of."""

    def find_unembedded(self, embedder_id: str, limit: int) -> Sequence[tuple[str, Memory]]:
        """(project id, memory) of memories that lack a vector by this embedder, active and older ones first."""

    def write_vectors(self, vectors: Sequence[StoredVector]) -> Sequence[StoredVector]:
        """Add vectors beside those of other embedders, in one commit; those written, with their memories as they are.

        A memory that is gone or says something else by now is left out.
        """

    def delete_other_vectors(self, embedder_id: str) -> None:
        """Delete the vectors of every other embedder."""

    def count_embedded(self) -> Mapping[str, int]:
        """Active memories of all projects that have a task vector, by embedder id."""

    def count_active_memories(self) -> int:
        """Active memories of all projects."""

    def find_utility_events(
        self,
        project_id: str,
        *,
        memory_ids: Sequence[str] = (),
        run_id: str | None = None,
        run_ids: Sequence[str] = (),
    ) -> Sequence[UtilityEvent]:
        """Ledger entries of these memories or of these runs, by (sequence, run_id).

        Entries of the memories that were merged into these, or left their record to them, are among them.
        """


class ModelCallLedger(Protocol):
    """What language models were asked and what it cost."""

    def write_model_call(self, project_id: str, call: ModelCall) -> None:
        """Upsert by ``call_id``."""

    def read_spending(self, project_id: str, since_ns: int) -> Spending:
        """The calls started at or after ``since_ns``, also those under way."""

    def find_reflection(self, project_id: str, run_id: str) -> ReflectionRecord | None:
        """How the run's last lesson was drawn, with ``raw_output``."""

    def find_unjudged_runs(self, since_ns: int, until_ns: int, max_tries: int, limit: int) -> Sequence[RunRecord]:
        """Closed, readable runs of all projects whose last span arrived in [since, until), oldest first.

        Left out are those with a review, with a judgement, or with ``max_tries`` calls for one.
        """


class ProjectStore(Protocol):
    """What was set for each project."""

    def find_project_settings(self) -> Mapping[str, ProjectSettings]:
        """The settings of every project that has any, by project id."""

    def write_project_settings(
        self, project_id: str, settings: ProjectSettings, *, relearned_run_ids: Sequence[str] = ()
    ) -> None:
        """Replace a project's settings, and queue runs to be learned from again because of that."""


class LiftStore(Protocol):
    """Runs with memories and runs from which memories were withheld."""

    def find_arm_counts(
        self,
        project_id: str,
        scope: LiftScope,
        *,
        since_ns: int = 0,
        agent: str | None = None,
        memory_id: str | None = None,
    ) -> Sequence[ArmCount]:
        """Runs whose memories were served or withheld by chance, by subject, chance and arm, in that order.

        A run is in the arm that its first augmentation (at ``since_ns`` or later) drew, and in none when nothing was
        left to chance then. It counts for, and is found by, each memory served to it or withheld from it: for the
        one that speaks for that memory now, where another does.
        """


class Store(
    TelemetryStore, RunStore, MemoryStore, GovernanceStore, ModelCallLedger, ProjectStore, LiftStore, Protocol
):
    """One durable store that keeps it all."""

    def close(self) -> None:
        """Checkpoint and release the data folder."""


class VectorIndex(Protocol):
    """Exact inner-product search in one (project, embedder). Derived data: always rebuildable from the store."""

    def add(self, memory_id: str, vector: Vector) -> None:
        """Add or replace."""

    def add_all(self, vectors: Sequence[tuple[str, Vector]]) -> None:
        """Add or replace many, by id; searches find all of them or none."""

    def remove(self, memory_id: str) -> None:
        """Forget; unknown ids are ignored."""

    def remove_all(self, memory_ids: Sequence[str]) -> None:
        """Forget many; unknown ids are ignored. Searches find all of them or none."""

    def search(self, vector: Vector, limit: int) -> Sequence[tuple[str, float]]:
        """The ``limit`` nearest as (memory id, cosine), best first; equal cosines by id."""

    def __len__(self) -> int: ...


class Embedder(Protocol):
    """Text to unit vectors; deterministic for one ``id``."""

    @property
    def id(self) -> str:
        """``name@version``, or ``name:model@dimensions``; stored beside every vector, mixing is refused."""

    @property
    def dimensions(self) -> int:
        """Length of every vector."""

    @property
    def lexical(self) -> bool:
        """True when similar words, not similar meanings, come out close; shown wherever it matters."""

    @property
    def gate(self) -> float:
        """Cosine below which two random tasks usually lie (95th percentile); the retrieval floor."""

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One float32 vector of length 1 per text, in order.

        Raises:
            TransportError: an endpoint that it needs does not answer now, another try may bring it.
            ConfigError: that endpoint refuses the call as it is set up; another try brings the same.
        """


class Reflector(Protocol):
    """Draws a lesson from a reviewed trajectory."""

    name: str

    def reflect(self, lesson: LearningInput) -> Reflection | None:
        """The lesson, or ``None`` when the trajectory holds nothing to learn. Same input, same output."""


class LanguageModel(Protocol):
    """Answers a prompt; reflectors and judges are built on it."""

    provider: str
    """Name shown beside ``model``, such as ``openai``."""
    model: str

    def complete(self, system: str, user: str, *, schema_name: str, schema: Mapping[str, Any]) -> Completion:
        """The answer, asked for as JSON of this schema; whether it is that is for the caller to check.

        Raises:
            TransportError: no answer now, another try may bring one (RateLimited, Unavailable, DeadlineExceeded).
            ConfigError: the endpoint refuses the call as it is set up; another try brings the same.
        """


class DialectReader(Protocol):
    """Reads the spans of one instrumentation. Pure; reports what it cannot read instead of raising.

    Attributes:
        name: shown in ``Trajectory.dialects``.
        rank: a span may be written in several dialects; the lowest rank speaks first, the others fill gaps.
            Framework-specific readers stand at 30, general ones at 50.
        is_last_resort: read only spans that no other reader claims.
    """

    name: str
    rank: int
    is_last_resort: bool

    def claims(self, span: SpanRecord, logs: Sequence[LogRecord], /) -> bool:
        """Whether the span, or a log record written in it, speaks this dialect. Cheap: called for every span."""

    def read(self, span: SpanRecord, logs: Sequence[LogRecord], /) -> SpanReading:
        """The facts on a span that this reader claims; ``logs`` are those written in the span, in order."""


class Intake(Protocol):
    """The durable front door: what is accepted here is journalled before the call returns."""

    def submit_trace(self, project_id: str, draft: TraceDraft) -> None:
        """Accept a whole run as if its spans had arrived over OTLP."""

    def submit_served(self, project_id: str, served: Sequence[Served]) -> None:
        """Note what was handed out; returns at once, durable within the next group commit."""

    def wait_committed(self, timeout_seconds: float) -> bool:
        """Wait until all that was accepted before this call is in the store; False when time ran out."""

    def close_run(self, project_id: str, run_id: str) -> None:
        """Close a run that is still open (``explicit_end``), read it and commit it; a closed one is left alone."""

    def forget_runs(self, project_id: str, run_ids: Sequence[str]) -> None:
        """Drop what is kept in memory about runs that are about to be deleted."""
