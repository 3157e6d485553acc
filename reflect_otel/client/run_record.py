"""The record of a finished run: everything a pattern knows, as one CreateTrace request. Pure, and total.

Whatever the agent's code handed over, a request comes out: what cannot be stored is left out and named in the
run's metadata.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct

from reflect_otel.attributes import METADATA_CANCELLED
from reflect_otel.client import codec
from reflect_otel.client.chat import build_chat
from reflect_otel.client.trace_context import Output, TraceContext, Verdict
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.review import Review, ReviewResult, ReviewSource
from reflect_otel.wire.v1 import reflect_pb2 as wire

PROBLEM_KEY: Final = "record_problem"
"""Metadata key that tells what of a run could not be stored."""
FEEDBACK_KEY: Final = "feedback_text"

_NO_TASK: Final = "(no task)"
_MAX_TASK_CHARACTERS: Final = 60_000
_MAX_FEEDBACK_CHARACTERS: Final = 8_000
_MAX_PROBLEM_CHARACTERS: Final = 500


class Ending(StrEnum):
    """How a run ended: with an answer, with an exception, or stopped from outside."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def read_ending(error: BaseException | None) -> Ending:
    """Errors fail a run; Ctrl-C, cancelled tasks, closed generators and exits only stop it."""
    if error is None:
        return Ending.COMPLETED
    return Ending.FAILED if isinstance(error, Exception) else Ending.CANCELLED


def describe_error(error: BaseException) -> str:
    """The exception's class and words, for people."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - an exception of the host's making must not hide the run
        words = ""
    return f"{type(error).__name__}: {words}"[:_MAX_FEEDBACK_CHARACTERS] if words else type(error).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the pattern itself knows of a run.

    Attributes:
        started_ns, ended_ns: Unix time in nanoseconds.
        error: the exception that ended it, or ``None``.
        fails_on_error: whether an exception is a failed review.
        spans_follow: whether spans of the run are on their way by OTLP.
    """

    agent: str | None
    session_id: str | None
    started_ns: int
    ended_ns: int
    error: BaseException | None
    fails_on_error: bool
    spans_follow: bool


def build_record(ctx: TraceContext, facts: RunFacts) -> wire.CreateTraceRequest:
    """The run as a request that the service can store under ``ctx.run_id``, however often it is sent."""
    output = ctx.output or Output()
    problems: list[str] = []
    messages = _build_messages(output.trajectory, problems)
    review = _build_review(ctx, facts)
    request = wire.CreateTraceRequest(
        trace_id=ctx.run_id,
        task=_build_task(ctx.task),
        trajectory=messages,
        final_response=_text(output.final_response),
        retrieved_memory_ids=ctx.memory_ids,
        model=_text(output.model),
        metadata=_build_metadata(output, facts.error, review, problems),
        review=None if review is None else codec.build_review(review),
        reference_context=_text(ctx.reference_context),
        agent=_text(facts.agent),
        session_id=_text(facts.session_id),
        error_type="" if facts.error is None else type(facts.error).__name__,
        spans_follow=facts.spans_follow,
    )
    request.start_time.FromNanoseconds(facts.started_ns)
    request.end_time.FromNanoseconds(facts.ended_ns)
    return request


def without_content(record: wire.CreateTraceRequest, problem: str) -> wire.CreateTraceRequest:
    """The same run reduced to what no service refuses, with the reason why the rest is missing."""
    reduced = wire.CreateTraceRequest(
        trace_id=record.trace_id,
        task=record.task[:_MAX_TASK_CHARACTERS],
        retrieved_memory_ids=record.retrieved_memory_ids,
        metadata={PROBLEM_KEY: problem[:_MAX_PROBLEM_CHARACTERS]},
        start_time=record.start_time,
        end_time=record.end_time,
        spans_follow=record.spans_follow,
        session_id=record.session_id,
    )
    if record.HasField("review"):
        reduced.review.result = record.review.result
        reduced.review.source = record.review.source
        reduced.review.feedback = record.review.feedback[:_MAX_FEEDBACK_CHARACTERS]
    return reduced


def with_problem(metadata: Mapping[str, str], problem: str) -> dict[str, str]:
    """The metadata, naming one more part of the run that could not be stored."""
    problems = "; ".join(filter(None, (metadata.get(PROBLEM_KEY), problem)))
    return {**metadata, PROBLEM_KEY: problems[:_MAX_PROBLEM_CHARACTERS]}


def _build_task(task: str) -> str:
    return _text(task) if task.strip() else _NO_TASK


def _build_messages(trajectory: Sequence[Any] | str, problems: list[str]) -> list[Struct]:
    try:
        return build_chat(trajectory)
    except InvalidArgument as error:
        problems.append(str(error))
    if isinstance(trajectory, str):
        return [*build_chat([{"role": "assistant", "content": trajectory}])]
    return [struct for message in trajectory for struct in _build_message(message)]


def _build_message(message: Any) -> list[Struct]:
    try:
        return build_chat([message])
    except InvalidArgument:
        return []


def _build_review(ctx: TraceContext, facts: RunFacts) -> Review | None:
    ending, verdict = read_ending(facts.error), ctx.verdict
    if ending is Ending.CANCELLED:
        return None
    if ending is Ending.FAILED and facts.error is not None and facts.fails_on_error:
        return Review(
            result=ReviewResult.FAIL,
            feedback=_join_feedback(verdict, describe_error(facts.error)),
            source=ReviewSource.CODE,
            alpha=ctx.alpha,
        )
    if verdict is None:
        return None
    return Review(result=verdict.result, score=verdict.score, feedback=verdict.feedback_text, alpha=ctx.alpha)


def _join_feedback(verdict: Verdict | None, error: str) -> str:
    own = verdict.feedback_text if verdict is not None and verdict.result is ReviewResult.FAIL else None
    return f"{own}\n{error}" if own else error


def _build_metadata(
    output: Output, error: BaseException | None, review: Review | None, problems: list[str]
) -> dict[str, str]:
    pairs: dict[str, str] = {}
    try:
        pairs.update(codec.build_pairs(output.metadata, "metadata"))
    except (InvalidArgument, AttributeError, TypeError) as refused:
        problems.append(str(refused))
    if output.feedback_text and (review is None or output.feedback_text not in (review.feedback or "")):
        pairs[FEEDBACK_KEY] = _text(output.feedback_text)
    if error is not None and read_ending(error) is Ending.CANCELLED:
        pairs[METADATA_CANCELLED] = type(error).__name__
    return with_problem(pairs, "; ".join(problems)) if problems else pairs


def _text(value: Any) -> str:
    """Text that can be stored; a value that is no text by its own words."""
    return codec.build_text(value if value is None or isinstance(value, str) else str(value), "text")
