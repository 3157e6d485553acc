"""Reviews, memories, augmentations, and the stored form of a run (the public API's *trace*)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trajectory import Message

if TYPE_CHECKING:
    from reflect_otel.model.explanation import Explanation

INITIAL_UTILITY: Final = 0.5
DEFAULT_PROJECT: Final = "default"


class ReviewResult(StrEnum):
    """The verdict on a run."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"

    @classmethod
    def parse(cls, text: str, *, field: str = "result") -> "ReviewResult":
        """Read ``pass``/``fail`` or their aliases ``success``/``failure``; case and outer space are ignored.

        Raises:
            InvalidArgument: for any other text.
        """
        folded = text.strip().lower() if isinstance(text, str) else ""
        verdict = _REVIEW_ALIASES.get(folded)
        if verdict is None:
            raise InvalidArgument(
                f"unknown review result {str(text)[:60]!r}; use 'pass' or 'fail' (aliases 'success', 'failure')",
                field=field,
            )
        return verdict


_REVIEW_ALIASES: Final = {
    "pass": ReviewResult.PASS,
    "success": ReviewResult.PASS,
    "fail": ReviewResult.FAIL,
    "failure": ReviewResult.FAIL,
}


class ReviewSource(StrEnum):
    """Who judged: a person, a program, or a language model."""

    HUMAN = "human"
    CODE = "code"
    LLM = "llm"


class ReviewStatus(StrEnum):
    """Whether a run has a review that learning has taken in."""

    PENDING = "pending"
    REVIEWED = "reviewed"


class IngestStatus(StrEnum):
    """How far a submitted run has come."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A verdict on a run. Its key is (run, name, source, identifier): the same key again replaces it.

    Attributes:
        score: in [0, 1]; ``None`` means 1.0 for pass and 0.0 for fail.
        name: the evaluation's name, ``review`` for a plain review.
        identifier: tells reviewers of one source apart; empty for the only one.
        alpha: step-size override of the utility update in (0, 1], ``None`` for the rule's own.
        created_ns: Unix time in nanoseconds.
    """

    result: ReviewResult
    score: float | None = None
    feedback: str | None = None
    source: ReviewSource = ReviewSource.HUMAN
    name: str = "review"
    identifier: str = ""
    alpha: float | None = None
    created_ns: int = 0

    @property
    def reward(self) -> float:
        """The score, or 1.0 / 0.0 by the result."""
        if self.score is not None:
            return self.score
        return 1.0 if self.result is ReviewResult.PASS else 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity within a run: (name, source, identifier)."""
        return (self.name, self.source.value, self.identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSignal:
    """A review found in telemetry, before it is known which stored run it belongs to.

    The first target that names a known run decides, in this order: ``run_id`` (taken as it is, known or not),
    ``response_id`` (an evaluator's event often stands in the evaluator's own trace), ``trace_id``.

    Attributes:
        response_id: the ``gen_ai.response.id`` of the judged answer.
        trace_id: 16 bytes of the reviewed span's trace (own trace or a span link's).
        withdrawn: the review of this key is taken back; the verdict in ``review`` says nothing then.
    """

    review: Review
    run_id: str | None = None
    trace_id: bytes | None = None
    response_id: str | None = None
    withdrawn: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The stored summary of a run: one row of the run table.

    Attributes:
        trace_ids: W3C trace ids in lower-case hex.
        served_memory_ids: ``reflect.memory.ids`` of the run, as sent by the agent side.
        first_seen_ns: arrival of the first span at the service, Unix nanoseconds.
        last_seen_ns: arrival of the newest span.
        late_spans: spans that arrived after the run was closed.
        last_error: why the run could not be read; empty when it could.
        author: the end user it was made for (``user.id``), whose words may have shaped it; empty when unknown.
    """

    project_id: str
    run_id: str
    trace_ids: tuple[str, ...] = ()
    state: RunState = RunState.OPEN
    closed_by: ClosedBy | None = None
    task: str = ""
    agent: str | None = None
    model: str | None = None
    session_id: str | None = None
    final_response: str | None = None
    reference_context: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    served_memory_ids: tuple[str, ...] = ()
    steps: int = 0
    llm_calls: int = 0
    llm_errors: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    span_count: int = 0
    late_spans: int = 0
    started_ns: int = 0
    ended_ns: int = 0
    first_seen_ns: int = 0
    last_seen_ns: int = 0
    inferred: bool = False
    last_error: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A run as the public API hands it out: the summary, the conversation, the review, what was learned.

    Attributes:
        id: the run id; ``get_trace`` also takes a W3C trace id.
        trajectory: role/content message dictionaries in OpenAI chat form.
        ingest_attempts: how often reading and learning were tried.
        reflector: what drew the lesson; ``None`` while there is none.
        reflection_note: why another reflector than the configured one wrote it, or why there is no lesson.
    """

    id: str
    task: str
    trajectory: tuple[dict[str, Any], ...] = ()
    final_response: str | None = None
    retrieved_memory_ids: tuple[str, ...] = ()
    review_status: str = ReviewStatus.PENDING.value
    ingest_status: str = IngestStatus.COMPLETED.value
    ingest_attempts: int = 0
    last_ingest_error: str | None = None
    model: str | None = None
    agent: str | None = None
    session_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_memory_id: str | None = None
    reflector: str | None = None
    reflection_note: str | None = None
    review: Review | None = None
    trace_ids: tuple[str, ...] = ()
    steps: int = 0
    llm_calls: int = 0
    llm_errors: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    started_ns: int = 0
    ended_ns: int = 0
    closed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSubmission:
    """Receipt of ``create_trace``.

    Attributes:
        ingest_status: ``queued`` with a review, ``completed`` without.
        degraded: the service did not take the run yet; it is on the disk of this machine and arrives later.
    """

    id: str
    ingest_status: str
    degraded: bool = False

    @property
    def trace_id(self) -> str:
        """The same as ``id``, by its other name in the Reflect SDK."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceDraft:
    """What ``create_trace`` hands to the service: a whole run in one piece.

    Attributes:
        run_id: chosen by the caller, so that a repeated call is the same run.
        trace_id: 16 bytes of the caller's W3C trace when there is one.
        started_ns, ended_ns: Unix time in nanoseconds; 0 = when the draft arrives.
        error_type: what ended the run instead of an answer.
        spans_follow: the run's own spans are on their way; wait for them before reading the run.
    """

    run_id: str
    task: str
    messages: tuple[Message, ...]
    final_response: str | None = None
    retrieved_memory_ids: tuple[str, ...] = ()
    model: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    reference_context: str | None = None
    review: Review | None = None
    trace_id: bytes | None = None
    agent: str | None = None
    started_ns: int = 0
    ended_ns: int = 0
    error_type: str | None = None
    spans_follow: bool = False
    session_id: str | None = None
