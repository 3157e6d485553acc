"""A run as it is stored, as a caller hands it in, and as the public API hands it out (its *trace*)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from reflect_otel.model.review import Review, ReviewResult, ReviewStatus
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trajectory import Message

DEFAULT_PROJECT: Final = "default"


class IngestStatus(StrEnum):
    """How far a submitted run has come."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


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
    """A run as the public API hands it out: the summary, the conversation, the reviews, what was learned.

    Attributes:
        id: the run id; ``get_trace`` also takes a W3C trace id.
        trajectory: role/content message dictionaries in OpenAI chat form.
        ingest_attempts: how often reading and learning were tried.
        reflector: what drew the lesson; ``None`` while there is none.
        reflection_note: why another reflector than the configured one wrote it, or why there is no lesson.
        review: that of the reviewer who came last.
        reviews: every review that stands, in the order in which they were first given.
        verdict: what they come to, weighted by trust; ``None`` when none counts.
        reward: that goes with the verdict, in [0, 1].
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
    reviews: tuple[Review, ...] = ()
    verdict: ReviewResult | None = None
    reward: float | None = None
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
