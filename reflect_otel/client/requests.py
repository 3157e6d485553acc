"""Request messages from the caller's arguments; shared by every form of the client."""

import unicodedata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from reflect_otel.client import codec
from reflect_otel.client.chat import build_chat
from reflect_otel.errors import InvalidArgument, ReflectError
from reflect_otel.model.memory import MemoryKind, RetrievalOptions
from reflect_otel.model.review import Review, ReviewResult, ReviewSource
from reflect_otel.wire.v1 import reflect_pb2 as wire

MAX_SESSION_ID_CHARACTERS: Final = 200


@contextmanager
def _wrong_types_refused() -> Iterator[None]:
    try:
        yield
    except ReflectError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"an argument is of the wrong type or out of range: {error}") from error


def build_retrieval_options(
    limit: int,
    lambda_: float,
    similarity_threshold: float | None,
    metadata_filter: Mapping[str, str] | None,
    mmr_lambda: float,
    max_injected: int | None = None,
) -> RetrievalOptions:
    """The keyword arguments of a retrieval as one value."""
    return RetrievalOptions(
        limit=limit,
        lambda_=lambda_,
        similarity_threshold=similarity_threshold,
        metadata_filter=metadata_filter or {},
        mmr_lambda=mmr_lambda,
        max_injected=max_injected,
    )


def build_augment(
    task: str, options: RetrievalOptions, run_id: str | None, *, explain: bool = False
) -> wire.AugmentRequest:
    """Request of Augment. Raises InvalidArgument."""
    with _wrong_types_refused():
        return wire.AugmentRequest(
            task=codec.build_text(task, "task"),
            options=codec.build_options(options),
            run_id=run_id or "",
            explain=explain,
        )


def build_session_id(session_id: str | None) -> str:
    """A conversation's id as it is stored; empty for none.

    Raises:
        InvalidArgument: when it is no text, longer than 200 characters, or holds control characters.
    """
    text = codec.build_text(session_id, "session_id")
    if len(text) > MAX_SESSION_ID_CHARACTERS or any(unicodedata.category(each) == "Cc" for each in text):
        raise InvalidArgument(
            f"session_id must be at most {MAX_SESSION_ID_CHARACTERS} characters without control characters",
            field="session_id",
        )
    return text


def build_query(task: str, options: RetrievalOptions) -> wire.QueryMemoriesRequest:
    """Request of QueryMemories. Raises InvalidArgument."""
    with _wrong_types_refused():
        return wire.QueryMemoriesRequest(task=codec.build_text(task, "task"), options=codec.build_options(options))


def build_create_trace(
    *,
    task: str,
    trajectory: Sequence[Any] | str,
    final_response: str | None,
    retrieved_memory_ids: Sequence[str],
    model: str | None,
    metadata: Mapping[str, Any] | None,
    review: Review | None,
    reference_context: str | None,
    run_id: str | None,
    session_id: str | None,
) -> wire.CreateTraceRequest:
    """Request of CreateTrace; without a run id it gets a new UUID. Raises InvalidArgument."""
    if isinstance(retrieved_memory_ids, str):
        raise InvalidArgument(
            "retrieved_memory_ids must be a list of ids, not one text", field="retrieved_memory_ids"
        )
    with _wrong_types_refused():
        return wire.CreateTraceRequest(
            trace_id=run_id or str(uuid.uuid4()),
            task=codec.build_text(task, "task"),
            trajectory=build_chat(trajectory),
            final_response=codec.build_text(final_response, "final_response"),
            retrieved_memory_ids=retrieved_memory_ids,
            model=codec.build_text(model, "model"),
            metadata=codec.build_pairs(metadata, "metadata"),
            review=codec.build_review(review) if review is not None else None,
            reference_context=codec.build_text(reference_context, "reference_context"),
            session_id=build_session_id(session_id),
        )


def build_inline_review(
    result: str | None, feedback_text: str | None, score: float | None, alpha: float | None
) -> Review | None:
    """The review that comes with a trace, or ``None`` for a deferred one.

    Raises:
        InvalidArgument: for an unknown result, or a score or step size without a result.
    """
    if result is not None:
        return Review(
            result=ReviewResult.parse(result, field="review_result"), score=score, feedback=feedback_text, alpha=alpha
        )
    for field, value in (("score", score), ("alpha", alpha)):
        if value is not None:
            raise InvalidArgument(f"{field} needs review_result='pass' or 'fail' beside it", field=field)
    return None


def build_review_trace(trace_id: str, review: Review) -> wire.ReviewTraceRequest:
    """Request of ReviewTrace. Raises InvalidArgument."""
    with _wrong_types_refused():
        return wire.ReviewTraceRequest(trace_id=trace_id, review=codec.build_review(review))


def build_withdraw_review(
    trace_id: str, source: ReviewSource | str, name: str, identifier: str
) -> wire.WithdrawReviewRequest:
    """Request of WithdrawReview. Raises InvalidArgument."""
    with _wrong_types_refused():
        return wire.WithdrawReviewRequest(
            trace_id=trace_id,
            name=codec.build_text(name, "name"),
            source=codec.build_review_source(parse_review_source(source)),
            identifier=codec.build_text(identifier, "identifier"),
        )


def build_delete_traces(run_ids: Sequence[str], with_memories: bool) -> wire.DeleteTracesRequest:
    """Request of DeleteTraces. Raises InvalidArgument."""
    with _wrong_types_refused():
        return wire.DeleteTracesRequest(trace_ids=run_ids, with_memories=with_memories)


def build_list_traces(
    review_status: str | None, agent: str | None, session_id: str | None, page_size: int
) -> wire.ListTracesRequest:
    """Request of ListTraces for its first page. Raises InvalidArgument."""
    with _wrong_types_refused():
        return wire.ListTracesRequest(
            review_status=codec.build_review_status(review_status),
            agent=codec.build_text(agent, "agent"),
            session_id=codec.build_text(session_id, "session_id"),
            page_size=page_size,
        )


def build_get_session(session_id: str) -> wire.GetSessionRequest:
    """Request of GetSession. Raises InvalidArgument."""
    with _wrong_types_refused():
        return wire.GetSessionRequest(session_id=codec.build_text(session_id, "session_id"))


def build_get_trajectory(trace_id: str | None, session_id: str | None) -> wire.GetTrajectoryRequest:
    """Request of GetTrajectory. Raises InvalidArgument, also for none or both ids."""
    if (trace_id is None) == (session_id is None):
        raise InvalidArgument("give either trace_id or session_id", field="trace_id")
    with _wrong_types_refused():
        if session_id is not None:
            return wire.GetTrajectoryRequest(session_id=codec.build_text(session_id, "session_id"))
        return wire.GetTrajectoryRequest(trace_id=codec.build_text(trace_id, "trace_id"))


def build_create_memory(
    task: str,
    reflection: str,
    kind: MemoryKind | str | None,
    success: bool | None,
    metadata: Mapping[str, Any] | None,
) -> wire.CreateMemoryRequest:
    """Request of CreateMemory. Raises InvalidArgument."""
    with _wrong_types_refused():
        request = wire.CreateMemoryRequest(
            task=codec.build_text(task, "task"),
            reflection=codec.build_text(reflection, "reflection"),
            kind=codec.build_memory_kind(kind),
            metadata=codec.build_pairs(metadata, "metadata"),
        )
        if success is not None:
            request.success = success
        return request


def parse_review_source(source: ReviewSource | str) -> ReviewSource:
    """``human``, ``code`` or ``llm``. Raises InvalidArgument for another word."""
    try:
        return ReviewSource(source)
    except ValueError:
        known = ", ".join(repr(str(each)) for each in ReviewSource)
        raise InvalidArgument(
            f"unknown review source {str(source)[:60]!r}; use one of {known}", field="source"
        ) from None
