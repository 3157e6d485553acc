"""Wire messages from and to the model's types, as the calling side sees them."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, Final

from reflect_otel.client.chat import dump_json, read_chat
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.explanation import Candidate, Explanation, LeftOut
from reflect_otel.model.memory import AugmentedTask, Memory, MemoryKind, MemoryStatus, RetrievalOptions
from reflect_otel.model.review import Review, ReviewResult, ReviewSource, ReviewStatus
from reflect_otel.model.session import Session
from reflect_otel.model.trace import IngestStatus, Trace
from reflect_otel.wire.v1 import reflect_pb2 as wire

_RESULTS: Final = {
    ReviewResult.PASS: wire.REVIEW_RESULT_PASS,
    ReviewResult.FAIL: wire.REVIEW_RESULT_FAIL,
}
_SOURCES: Final = {
    ReviewSource.HUMAN: wire.REVIEW_SOURCE_HUMAN,
    ReviewSource.CODE: wire.REVIEW_SOURCE_CODE,
    ReviewSource.LLM: wire.REVIEW_SOURCE_LLM,
}
_REVIEW_STATUSES: Final = {
    ReviewStatus.PENDING: wire.REVIEW_STATUS_PENDING,
    ReviewStatus.REVIEWED: wire.REVIEW_STATUS_REVIEWED,
}
_INGEST_STATUSES: Final = {
    IngestStatus.QUEUED: wire.INGEST_STATUS_QUEUED,
    IngestStatus.PROCESSING: wire.INGEST_STATUS_PROCESSING,
    IngestStatus.COMPLETED: wire.INGEST_STATUS_COMPLETED,
    IngestStatus.FAILED: wire.INGEST_STATUS_FAILED,
}
_KINDS: Final = {
    MemoryKind.STRATEGY: wire.MEMORY_KIND_STRATEGY,
    MemoryKind.PITFALL: wire.MEMORY_KIND_PITFALL,
    MemoryKind.CONTRAST: wire.MEMORY_KIND_CONTRAST,
}
_RESULT_OF_WIRE: Final = {number: result for result, number in _RESULTS.items()}
_SOURCE_OF_WIRE: Final = {number: source for source, number in _SOURCES.items()}
_REVIEW_STATUS_OF_WIRE: Final = {number: status for status, number in _REVIEW_STATUSES.items()}
_INGEST_STATUS_OF_WIRE: Final = {number: status for status, number in _INGEST_STATUSES.items()}
_MEMORY_STATUS_OF_WIRE: Final = {status.value: status for status in MemoryStatus}
_LEFT_OUT_OF_WIRE: Final = {wire.LeftOut.Value(f"LEFT_OUT_{reason.name}"): reason for reason in LeftOut}
_KIND_OF_WIRE: Final = {number: kind for kind, number in _KINDS.items()}


# --- to the wire ----------------------------------------------------------------------------------------


def build_text(text: str | None, field: str) -> str:
    """Text that protobuf can carry: a lone surrogate, which is no character, becomes ``?``; ``None`` is empty.

    Raises:
        InvalidArgument: when it is no text at all.
    """
    if text is None:
        return ""
    if not isinstance(text, str):
        raise InvalidArgument(f"{field} must be text, not {type(text).__name__}", field=field)
    return text.encode("utf-8", "replace").decode("utf-8")


def build_pairs(pairs: Mapping[str, Any] | None, field: str) -> dict[str, str]:
    """Metadata as text pairs; values that are no text travel as JSON.

    Raises:
        InvalidArgument: for what is no mapping, and a value that JSON cannot hold.
    """
    if pairs is not None and not isinstance(pairs, Mapping):
        raise InvalidArgument(f"{field} must be a mapping of pairs, not {type(pairs).__name__}", field=field)
    return {
        build_text(key, field): build_text(value if isinstance(value, str) else dump_json(value, field), field)
        for key, value in (pairs or {}).items()
    }


def build_options(options: RetrievalOptions) -> wire.RetrievalOptions:
    """How memories are chosen; the service checks the ranges. Raises InvalidArgument for what is no number."""
    for name in ("limit", "lambda_", "similarity_threshold", "mmr_lambda", "max_injected"):
        value = getattr(options, name)
        if value is not None and not isinstance(value, Real):
            raise InvalidArgument(f"{name} must be a number, not {type(value).__name__}", field=name)
    blend: dict[str, Any] = {"lambda": options.lambda_}  # a keyword in Python
    return wire.RetrievalOptions(
        limit=options.limit,
        similarity_threshold=options.similarity_threshold,
        metadata_filter=build_pairs(options.metadata_filter, "metadata_filter"),
        mmr_lambda=options.mmr_lambda,
        max_injected=options.max_injected,
        **blend,
    )


def build_review(review: Review) -> wire.Review:
    """A review as the caller gives it."""
    return wire.Review(
        result=_RESULTS[review.result],
        score=review.score,
        feedback=build_text(review.feedback, "feedback_text"),
        source=_SOURCES[review.source],
        name=build_text(review.name, "name"),
        identifier=build_text(review.identifier, "identifier"),
        alpha=review.alpha,
    )


def build_review_source(source: ReviewSource) -> wire.ReviewSource:
    """Who judged."""
    return _SOURCES[source]


def build_review_status(status: str | None) -> wire.ReviewStatus:
    """The filter of ``list_traces``; ``None`` means any. Raises InvalidArgument for an unknown word."""
    if status is None:
        return wire.REVIEW_STATUS_UNSPECIFIED
    try:
        return _REVIEW_STATUSES[ReviewStatus(status)]
    except ValueError:
        raise InvalidArgument(
            f"unknown review status {str(status)[:60]!r}; use 'pending', 'reviewed' or None", field="review_status"
        ) from None


def build_memory_kind(kind: MemoryKind | str | None) -> wire.MemoryKind:
    """The kind on the wire; ``None`` lets the service decide. Raises InvalidArgument for an unknown word."""
    if kind is None:
        return wire.MEMORY_KIND_UNSPECIFIED
    try:
        return _KINDS[MemoryKind(kind)]
    except ValueError:
        known = ", ".join(repr(str(each)) for each in MemoryKind)
        raise InvalidArgument(f"unknown memory kind {str(kind)[:60]!r}; use one of {known}", field="kind") from None


# --- from the wire --------------------------------------------------------------------------------------


def read_memory(message: wire.Memory) -> Memory:
    """A memory as the service sent it."""
    success = message.success if message.HasField("success") else None
    return Memory(
        id=message.id,
        task=message.task,
        reflection=message.reflection,
        kind=_KIND_OF_WIRE.get(message.kind, MemoryKind.PITFALL if success is False else MemoryKind.STRATEGY),
        utility=message.utility,
        uses=message.uses,
        passes=message.passes,
        similarity=message.similarity,
        score=message.score,
        success=success,
        created_from=message.created_from,
        created_ns=message.create_time.ToNanoseconds(),
        status=_MEMORY_STATUS_OF_WIRE.get(message.status, MemoryStatus.ACTIVE),
        agent=message.agent or None,
        metadata=dict(message.metadata),
        pinned=message.pinned,
        merged_into=message.merged_into,
        last_served_ns=message.last_served_time.ToNanoseconds(),
        author=message.author,
        status_reason=message.status_reason,
        alarm=message.alarm,
        reflector=message.reflector,
        contrasted_with=message.contrasted_with,
    )


def read_augmented(message: wire.AugmentResponse) -> AugmentedTask:
    """The task with what was served."""
    return AugmentedTask(
        augmented_task=message.augmented_task,
        memories=tuple(map(read_memory, message.memories)),
        control=message.control,
        serving_stopped_reason=message.serving_stopped_reason,
        degraded=message.degraded,
        policy=message.policy,
        embedder_id=message.embedder_id,
        explanation=_read_explanation(message.explanation) if message.HasField("explanation") else None,
    )


def _read_explanation(message: wire.Explanation) -> Explanation:
    return Explanation(
        candidates=tuple(map(_read_candidate, message.candidates)),
        embedder_id=message.embedder_id,
        gate=message.gate,
        threshold=message.threshold,
        lambda_=getattr(message, "lambda"),
        guarded=message.guarded,
        max_injected=message.max_injected,
    )


def _read_candidate(message: wire.Candidate) -> Candidate:
    return Candidate(
        memory=read_memory(message.memory),
        closeness=message.closeness,
        rank=message.rank,
        note=message.note,
        left_out=_LEFT_OUT_OF_WIRE.get(message.left_out),
    )


def read_review(message: wire.Review) -> Review | None:
    """A review as stored; ``None`` for a verdict that this release does not know."""
    result = _RESULT_OF_WIRE.get(message.result)
    if result is None:
        return None
    return Review(
        result=result,
        score=message.score if message.HasField("score") else None,
        feedback=message.feedback or None,
        source=_SOURCE_OF_WIRE.get(message.source, ReviewSource.HUMAN),
        name=message.name or "review",
        identifier=message.identifier,
        alpha=message.alpha if message.HasField("alpha") else None,
        created_ns=message.create_time.ToNanoseconds(),
    )


def read_result(number: wire.ReviewResult) -> ReviewResult | None:
    """The verdict; ``None`` when there is none, or one that this release does not know."""
    return _RESULT_OF_WIRE.get(number)


def read_ingest_status(number: wire.IngestStatus) -> str:
    """The status word; a number that this release does not know is still under way."""
    return _INGEST_STATUS_OF_WIRE.get(number, IngestStatus.PROCESSING).value


def read_trace(message: wire.Trace) -> Trace:
    """A run as the service sent it."""
    return Trace(
        id=message.id,
        task=message.task,
        trajectory=read_chat(message.trajectory),
        final_response=message.final_response or None,
        retrieved_memory_ids=tuple(message.retrieved_memory_ids),
        review_status=_REVIEW_STATUS_OF_WIRE.get(message.review_status, ReviewStatus.PENDING).value,
        ingest_status=read_ingest_status(message.ingest_status),
        ingest_attempts=message.ingest_attempts,
        last_ingest_error=message.last_ingest_error or None,
        model=message.model or None,
        agent=message.agent or None,
        session_id=message.session_id or None,
        metadata=dict(message.metadata),
        created_memory_id=message.created_memory_id or None,
        reflector=message.reflector or None,
        reflection_note=message.reflection_note or None,
        review=read_review(message.review) if message.HasField("review") else None,
        reviews=tuple(review for review in map(read_review, message.reviews) if review is not None),
        verdict=read_result(message.verdict),
        reward=message.reward if message.HasField("reward") else None,
        trace_ids=tuple(message.trace_ids),
        steps=message.steps,
        llm_calls=message.llm_calls,
        llm_errors=message.llm_errors,
        tool_calls=message.tool_calls,
        tool_errors=message.tool_errors,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        started_ns=message.start_time.ToNanoseconds(),
        ended_ns=message.end_time.ToNanoseconds(),
        closed_by=message.closed_by or None,
    )


def read_session(message: wire.Session) -> Session:
    """A session, its parts merged."""
    return Session(
        id=message.id,
        num_turns=message.num_turns,
        runs=tuple(map(read_trace, message.runs)),
        trajectory=read_chat(message.trajectory),
        final_response=message.final_response or None,
        agents=tuple(message.agents),
        models=tuple(message.models),
        steps=message.steps,
        llm_calls=message.llm_calls,
        llm_errors=message.llm_errors,
        tool_calls=message.tool_calls,
        tool_errors=message.tool_errors,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        started_ns=message.start_time.ToNanoseconds(),
        ended_ns=message.end_time.ToNanoseconds(),
        older_runs_left_out=message.older_runs_left_out,
    )
