"""Wire messages from and to the model's types, as the service sees them. No rule of the domain stands here."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from reflect_otel.dialects.chat_messages import read_chat_messages
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.memory import Memory, MemoryKind, RetrievalOptions
from reflect_otel.model.review import Review, ReviewResult, ReviewSource, ReviewStatus
from reflect_otel.model.review_keys import ReviewKey
from reflect_otel.model.session import Session
from reflect_otel.model.trace import IngestStatus, Trace, TraceDraft
from reflect_otel.wire.v1 import reflect_pb2 as wire

_EXACT_INTEGER: Final = 2**53
_SECOND_NS: Final = 1_000_000_000
_MAX_INT32: Final = 2**31 - 1
_MAX_INT64: Final = 2**63 - 1

_RARE_TEXTS: Final = (
    "created_from",
    "agent",
    "merged_into",
    "author",
    "status_reason",
    "alarm",
    "reflector",
    "contrasted_with",
)
"""Fields of a memory that most memories leave empty: setting them all would cost twice the rest."""

_Choice = TypeVar("_Choice", bound=StrEnum)


def build_numbers(wire_enum: Any, prefix: str, choices: type[_Choice]) -> dict[_Choice, Any]:
    """The number of each choice, by the name ``PREFIX_CHOICE`` of the wire's enum."""
    return {choice: wire_enum.Value(f"{prefix}_{choice.name}") for choice in choices}


_RESULTS: Final = build_numbers(wire.ReviewResult, "REVIEW_RESULT", ReviewResult)
_SOURCES: Final = build_numbers(wire.ReviewSource, "REVIEW_SOURCE", ReviewSource)
_REVIEW_STATUSES: Final = build_numbers(wire.ReviewStatus, "REVIEW_STATUS", ReviewStatus)
_INGEST_STATUSES: Final = build_numbers(wire.IngestStatus, "INGEST_STATUS", IngestStatus)
_KINDS: Final = build_numbers(wire.MemoryKind, "MEMORY_KIND", MemoryKind)


# --- from the wire ----------------------------------------------------------------------------------------
def read_options(options: wire.RetrievalOptions) -> RetrievalOptions:
    """Retrieval options; what the caller left out keeps its default."""
    given: dict[str, Any] = {field.name: value for field, value in options.ListFields()}
    if "lambda" in given:
        given["lambda_"] = given.pop("lambda")
    if "metadata_filter" in given:
        given["metadata_filter"] = dict(given["metadata_filter"])
    return RetrievalOptions(**given)


def read_review(review: wire.Review) -> Review:
    """A review.

    Raises:
        InvalidArgument: the result is missing, or result or source is none we know.
    """
    return Review(
        result=read_choice(review.result, _RESULTS, "review.result"),
        score=review.score if review.HasField("score") else None,
        feedback=review.feedback or None,
        source=read_choice(review.source, _SOURCES, "review.source") if review.source else ReviewSource.HUMAN,
        name=review.name or "review",
        identifier=review.identifier,
        alpha=review.alpha if review.HasField("alpha") else None,
    )


def read_review_key(request: wire.WithdrawReviewRequest) -> ReviewKey:
    """Which review is meant: (name, source, identifier).

    Raises:
        InvalidArgument: the source is none we know.
    """
    source = read_choice(request.source, _SOURCES, "source") if request.source else ReviewSource.HUMAN
    return request.name or "review", source.value, request.identifier


def read_review_status(number: int) -> ReviewStatus | None:
    """The filter of a list; ``None`` = any.

    Raises:
        InvalidArgument: a number we do not know.
    """
    return read_choice(number, _REVIEW_STATUSES, "review_status") if number else None


def read_kind(number: int) -> MemoryKind | None:
    """The kind of a memory; ``None`` when not given.

    Raises:
        InvalidArgument: a number we do not know.
    """
    return read_choice(number, _KINDS, "kind") if number else None


def read_draft(request: wire.CreateTraceRequest, trace_id: bytes | None) -> TraceDraft:
    """A submitted run.

    Args:
        request: as it arrived.
        trace_id: 16 bytes of the caller's W3C trace, if it has one.

    Raises:
        InvalidArgument: a message or the review cannot be read.
    """
    return TraceDraft(
        run_id=request.trace_id,
        task=request.task,
        messages=read_chat_messages([_read_struct(message) for message in request.trajectory]),
        final_response=request.final_response or None,
        retrieved_memory_ids=tuple(request.retrieved_memory_ids),
        model=request.model or None,
        metadata=dict(request.metadata),
        reference_context=request.reference_context or None,
        review=read_review(request.review) if request.HasField("review") else None,
        trace_id=trace_id,
        agent=request.agent or None,
        started_ns=read_moment(request.start_time),
        ended_ns=read_moment(request.end_time),
        error_type=request.error_type or None,
        spans_follow=request.spans_follow,
        session_id=request.session_id or None,
    )


def read_moment(moment: Timestamp) -> int:
    """Unix nanoseconds; 0 for a time that is not set, lies before 1970 or after OTLP's last."""
    moment_ns = read_nanoseconds(moment)
    return moment_ns if 0 < moment_ns <= _MAX_INT64 else 0


def read_nanoseconds(moment: Timestamp) -> int:
    """Unix nanoseconds of any two numbers, also of those that are no valid time."""
    return int(moment.seconds) * _SECOND_NS + int(moment.nanos)


def read_choice(number: int, numbers: Mapping[_Choice, int], field: str) -> _Choice:
    """The choice of a number. Raises InvalidArgument for 0 and for a number we do not know."""
    for choice, known in numbers.items():
        if number == known:
            return choice
    names = ", ".join(choice.name for choice in numbers)
    given = f"unknown value {number}" if number else "no value"
    raise InvalidArgument(f"{field} has {given}; use one of {names}", field=field)


def _read_struct(struct: Struct) -> dict[str, Any]:
    """The object with its keys sorted: a protobuf map has no order, and the same run must read the same twice."""
    return {key: _read_value(struct.fields[key]) for key in sorted(struct.fields)}


def _read_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            return _read_number(value.number_value)
        case "struct_value":
            return _read_struct(value.struct_value)
        case "list_value":
            return [_read_value(item) for item in value.list_value.values]
        case _:
            return None


def _read_number(number: float) -> float | int:
    """JSON does not tell integers from floats, callers do: 3 must not come back as 3.0."""
    return int(number) if number.is_integer() and abs(number) <= _EXACT_INTEGER else number


# --- to the wire ------------------------------------------------------------------------------------------
def build_memories(memories: Sequence[Memory]) -> list[wire.Memory]:
    """Memories, in order."""
    return [build_memory(memory) for memory in memories]


def build_memory(memory: Memory) -> wire.Memory:
    """One memory."""
    message = wire.Memory(
        id=build_text(memory.id),
        task=build_text(memory.task),
        reflection=build_text(memory.reflection),
        kind=_KINDS[memory.kind],
        utility=memory.utility,
        uses=_int32(memory.uses),
        passes=_int32(memory.passes),
        similarity=memory.similarity,
        score=memory.score,
        create_time=build_timestamp(memory.created_ns),
        last_served_time=build_timestamp(memory.last_served_ns),
        status=memory.status.value,
        pinned=memory.pinned,
    )
    for name in _RARE_TEXTS:
        text = getattr(memory, name)
        if text:
            setattr(message, name, build_text(text))
    if memory.metadata:
        message.metadata.update(_pairs(memory.metadata))
    if memory.success is not None:
        message.success = memory.success
    return message


def build_review(review: Review) -> wire.Review:
    """One review."""
    return wire.Review(
        result=_RESULTS[review.result],
        score=review.score,
        feedback=build_text(review.feedback),
        source=_SOURCES[review.source],
        name=build_text(review.name),
        identifier=build_text(review.identifier),
        alpha=review.alpha,
        create_time=build_timestamp(review.created_ns),
    )


def build_result(result: ReviewResult) -> Any:
    """The number of a verdict."""
    return _RESULTS[result]


def build_ingest_status(status: str) -> Any:
    """The number of an ingest status."""
    return _INGEST_STATUSES[IngestStatus(status)]


def build_trace(trace: Trace) -> wire.Trace:
    """One trace with the conversation it carries."""
    message = wire.Trace(
        id=build_text(trace.id),
        trace_ids=trace.trace_ids,
        task=build_text(trace.task),
        final_response=build_text(trace.final_response),
        retrieved_memory_ids=[build_text(memory_id) for memory_id in trace.retrieved_memory_ids],
        review_status=_REVIEW_STATUSES[ReviewStatus(trace.review_status)],
        ingest_status=build_ingest_status(trace.ingest_status),
        ingest_attempts=_int32(trace.ingest_attempts),
        last_ingest_error=build_text(trace.last_ingest_error),
        model=build_text(trace.model),
        agent=build_text(trace.agent),
        session_id=build_text(trace.session_id),
        metadata=_pairs(trace.metadata),
        created_memory_id=build_text(trace.created_memory_id),
        review=build_review(trace.review) if trace.review is not None else None,
        steps=_int32(trace.steps),
        llm_calls=_int32(trace.llm_calls),
        llm_errors=_int32(trace.llm_errors),
        tool_calls=_int32(trace.tool_calls),
        tool_errors=_int32(trace.tool_errors),
        input_tokens=_int64(trace.input_tokens),
        output_tokens=_int64(trace.output_tokens),
        start_time=build_timestamp(trace.started_ns),
        end_time=build_timestamp(trace.ended_ns),
        closed_by=build_text(trace.closed_by),
        reflector=build_text(trace.reflector),
        reflection_note=build_text(trace.reflection_note),
        reviews=map(build_review, trace.reviews),
        verdict=None if trace.verdict is None else _RESULTS[trace.verdict],
        reward=trace.reward,
    )
    message.trajectory.extend(map(build_chat, trace.trajectory))
    return message


def build_chat(chat: Mapping[str, Any]) -> Struct:
    """One message of a conversation."""
    struct = Struct()
    struct.update(_clean(chat))
    return struct


def build_session(session: Session) -> wire.Session:
    """A session without its runs and its conversation, which come in parts of their own."""
    return wire.Session(
        id=build_text(session.id),
        num_turns=_int32(session.num_turns),
        final_response=build_text(session.final_response),
        agents=map(build_text, session.agents),
        models=map(build_text, session.models),
        steps=_int32(session.steps),
        llm_calls=_int32(session.llm_calls),
        llm_errors=_int32(session.llm_errors),
        tool_calls=_int32(session.tool_calls),
        tool_errors=_int32(session.tool_errors),
        input_tokens=_int64(session.input_tokens),
        output_tokens=_int64(session.output_tokens),
        start_time=build_timestamp(session.started_ns),
        end_time=build_timestamp(session.ended_ns),
        older_runs_left_out=session.older_runs_left_out,
    )


def build_timestamp(moment_ns: int) -> Timestamp | None:
    """A time; ``None`` for 0, which is none."""
    if moment_ns <= 0:
        return None
    moment = Timestamp()
    moment.FromNanoseconds(moment_ns)
    return moment


def build_text(text: str | None) -> str:
    """Text that protobuf can carry: a lone surrogate, which is no character, becomes ``?``."""
    if not text or text.isascii():
        return text or ""
    return text.encode("utf-8", "replace").decode()


def _pairs(pairs: Mapping[str, str]) -> dict[str, str]:
    return {build_text(key): build_text(value) for key, value in pairs.items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return build_text(value)
        case dict():
            return {build_text(key): _clean(item) for key, item in value.items()}
        case list():
            return [_clean(item) for item in value]
        case _:
            return value


def _int32(number: int) -> int:
    return min(max(number, 0), _MAX_INT32)


def _int64(number: int) -> int:
    return min(max(number, 0), _MAX_INT64)
