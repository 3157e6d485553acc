"""Counts and times of a run, each thing once: tokens on model calls only, time as unions of intervals."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from reflect_otel.dialects.model_calls import ModelCall
from reflect_otel.dialects.span_readers import ReadSpan
from reflect_otel.dialects.threads import Entry
from reflect_otel.dialects.tool_pairing import ToolUse
from reflect_otel.model.reading import TokenUsage
from reflect_otel.model.spans import SpanRecord
from reflect_otel.model.trajectory import ExecutionMetrics, Role, TerminationReason, TrajectoryMetrics

_NS = 1_000_000_000
_STOPS: Final = frozenset(
    (
        "cancel", "cancelled", "canceled", "cancellederror", "cancelederror", "cancellationexception",
        "operationcanceledexception", "taskcanceledexception", "keyboardinterrupt", "generatorexit", "systemexit",
    )
)  # fmt: skip
"""Kinds of errors by which a run is stopped from outside. A whole word: a failed cancellation is an error."""
_NO_USAGE: Final = TokenUsage()


def build_metrics(
    calls: Sequence[ModelCall],
    uses: Sequence[ToolUse],
    entries: Sequence[Entry],
    steps: int,
    fallback: TokenUsage,
    *,
    client_failed: bool,
) -> TrajectoryMetrics:
    """Counts of a run.

    Args:
        calls: distinct model calls.
        uses: distinct tool executions.
        entries: the transcript.
        steps: number of steps.
        fallback: an agent's own totals, used when no model call reports tokens; else what stands beside answers.
        client_failed: an exception of a model's client was recorded, used when there are no model calls.
    """
    usages = [call.reading.usage for call in calls]
    if all(usage == _NO_USAGE for usage in usages):
        usages = [fallback] if fallback != _NO_USAGE else _read_answers_usage(entries)
    asked = sum(len(entry.message.tool_calls or ()) for entry in entries if entry.is_new)
    failures = _count_failures(uses, entries)
    input_tokens, output_tokens, cached_tokens, reasoning_tokens = _add_up(usages)
    return TrajectoryMetrics(
        steps=steps,
        tokens_generated=output_tokens,
        num_tool_calls=asked,
        num_tool_failures=failures,
        tool_error_rate=min(1.0, failures / asked) if asked else 0.0,
        llm_calls=sum(call.error is None for call in calls) if calls else _count_answers(entries),
        llm_errors=sum((call.error is not None) + call.reading.failed_attempts for call in calls)
        if calls
        else int(client_failed),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=cached_tokens,
        reasoning_output_tokens=reasoning_tokens,
    )


def _read_answers_usage(entries: Sequence[Entry]) -> list[TokenUsage]:
    return [TokenUsage(**entry.message.usage) for entry in entries if entry.is_new and entry.message.usage]


def _count_answers(entries: Sequence[Entry]) -> int:
    """What the assistant said in this run: where no span tells of model calls, each answer came from one."""
    return sum(entry.is_new and entry.message.role is Role.ASSISTANT for entry in entries)


def _add_up(usages: Iterable[TokenUsage]) -> tuple[int, int, int, int]:
    """Input, output, cached input and reasoning output tokens."""
    entered = left = cached = reasoning = 0
    for usage in usages:
        entered += usage.input_tokens or 0
        left += usage.output_tokens or 0
        cached += usage.cached_input_tokens or 0
        reasoning += usage.reasoning_output_tokens or 0
    return entered, left, cached, reasoning


def _count_failures(uses: Sequence[ToolUse], entries: Sequence[Entry]) -> int:
    """Failed tool spans; where no span tells of a call, its tool message may say that it failed."""
    spanned = {use.call.id for use in uses if use.call is not None}
    told = (entry.message.tool_response for entry in entries if entry.is_new and entry.message.role is Role.TOOL)
    unspanned = sum(1 for response in told if response and response.error and response.id not in spanned)
    return sum(use.error is not None for use in uses) + (unspanned if not uses else 0)


def build_execution_metrics(
    spans: Sequence[SpanRecord],
    calls: Sequence[ModelCall],
    uses: Sequence[ToolUse],
    reason: TerminationReason,
) -> ExecutionMetrics:
    """Times of a run in seconds."""
    started = min((span.start_ns for span in spans if span.start_ns), default=0)
    ended = max((span.end_ns for span in spans), default=0)
    return ExecutionMetrics(
        env_time=_union_seconds((use.start_ns, use.end_ns) for use in uses),
        llm_time=_union_seconds((call.start_ns, call.end_ns) for call in calls),
        total_time=max(0, ended - started) / _NS if started else 0.0,
        termination_reason=reason,
        started_ns=started,
        ended_ns=ended,
    )


def _union_seconds(intervals: Iterable[tuple[int, int]]) -> float:
    total = reached = 0
    for start, end in sorted(intervals):
        if end > max(start, reached):
            total += end - max(start, reached)
            reached = end
    return total / _NS


def read_termination(root: ReadSpan | None, calls: Sequence[ModelCall]) -> TerminationReason:
    """Why the run ended: the root's error by its kind, else the last call's; cut answers are truncation."""
    last = calls[-1] if calls else None
    if root is None and last is None:
        return TerminationReason.NONE
    error = root.error if root is not None and root.error else last.error if last is not None else None
    if error is not None:
        kinds = [root, *(last.spans if last is not None else ())]
        return _read_error_kind(" ".join(_error_words(span) for span in kinds if span is not None and span.error))
    if last is not None and last.reading.finish_reason == "length":
        return TerminationReason.TRUNCATION
    return TerminationReason.ENV_DONE


def _error_words(span: ReadSpan) -> str:
    kinds = [span.span.attributes.get("error.type")]
    kinds += [event.attributes.get("exception.type") for event in span.span.events]
    return " ".join(kind for kind in kinds if isinstance(kind, str)).lower()


def _read_error_kind(words: str) -> TerminationReason:
    if not _STOPS.isdisjoint(re.split(r"[^a-z]+", words)):
        return TerminationReason.CANCELLED
    if "timeout" in words or "deadline" in words:
        return TerminationReason.TIMEOUT
    if any(word in words for word in ("maxturns", "max_turns", "maxsteps", "recursion", "usagelimit", "maxiter")):
        return TerminationReason.MAX_STEPS
    return TerminationReason.ERROR
