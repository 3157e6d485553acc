"""From a stored run to the *trace* of the public API."""

from collections.abc import Mapping

from reflect_otel.dialects.chat_messages import build_chat_message
from reflect_otel.learning.loop import MAX_TRIES
from reflect_otel.learning.verdict import build_verdict
from reflect_otel.model.review import Review, ReviewStatus
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import IngestStatus, Trace
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import RunDetail


def build_trace(detail: RunDetail, trajectory: Trajectory | None, weights: Mapping[str, float]) -> Trace:
    """The whole trace.

    Args:
        detail: the run.
        trajectory: ``None`` while the run has not been read yet.
        weights: the project's own reviewer weights.
    """
    messages = trajectory.messages if trajectory is not None else ()
    status = ingest_status(detail, has_trajectory=trajectory is not None)
    return _build(detail, status, tuple(map(build_chat_message, messages)), weights)


def build_summary(detail: RunDetail, weights: Mapping[str, float]) -> Trace:
    """The trace without its conversation, for lists; ``weights`` as in ``build_trace``."""
    return _build(detail, ingest_status(detail), (), weights)


def review_status(detail: RunDetail) -> ReviewStatus:
    """``reviewed`` once learning has taken in every review of the run; ``pending`` before and without one."""
    return ReviewStatus.REVIEWED if detail.reviews and detail.learned else ReviewStatus.PENDING


def ingest_status(detail: RunDetail, *, has_trajectory: bool = True) -> IngestStatus:
    """How far the run has come. The first rule that fits decides.

    ==========================================================  ============
    the run is open or settling                                 processing
    it could not be read (``RunRecord.last_error``)             failed
    it is closed, but has not been read yet                     processing
    no change of its reviews waits to be learned from           completed
    every try to learn from its reviews failed                  failed
    otherwise: learning is under way, or will be tried again    processing
    ==========================================================  ============
    """
    if detail.record.state is not RunState.CLOSED:
        return IngestStatus.PROCESSING
    if detail.record.last_error:
        return IngestStatus.FAILED
    if not has_trajectory:
        return IngestStatus.PROCESSING
    if detail.learned:
        return IngestStatus.COMPLETED
    return IngestStatus.FAILED if detail.attempts >= MAX_TRIES else IngestStatus.PROCESSING


def _build(
    detail: RunDetail, status: IngestStatus, chat: tuple[dict[str, object], ...], weights: Mapping[str, float]
) -> Trace:
    record = detail.record
    verdict = build_verdict(detail.reviews, weights)
    return Trace(
        id=record.run_id,
        task=record.task,
        trajectory=chat,
        final_response=record.final_response,
        retrieved_memory_ids=tuple(detail.served),
        review_status=review_status(detail).value,
        ingest_status=status.value,
        ingest_attempts=detail.attempts,
        last_ingest_error=_last_error(detail),
        model=record.model,
        agent=record.agent,
        session_id=record.session_id,
        metadata=record.metadata,
        created_memory_id=detail.created_memory_id,
        reflector=detail.reflection.written_by if detail.reflection else None,
        reflection_note=(detail.reflection.note or None) if detail.reflection else None,
        review=_newest_review(detail),
        reviews=tuple(detail.reviews),
        verdict=verdict.result if verdict else None,
        reward=verdict.reward if verdict else None,
        trace_ids=record.trace_ids,
        steps=record.steps,
        llm_calls=record.llm_calls,
        llm_errors=record.llm_errors,
        tool_calls=record.tool_calls,
        tool_errors=record.tool_errors,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        started_ns=record.started_ns,
        ended_ns=record.ended_ns,
        closed_by=record.closed_by.value if record.closed_by else None,
    )


def _newest_review(detail: RunDetail) -> Review | None:
    return max(detail.reviews, key=lambda review: review.created_ns, default=None)


def _last_error(detail: RunDetail) -> str | None:
    if detail.record.last_error:
        return detail.record.last_error
    return None if detail.learned else detail.last_error or None
