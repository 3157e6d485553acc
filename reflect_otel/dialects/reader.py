"""A run's telemetry to its trajectory: the way in.

Steps: read every span in its dialect; count every model call and tool execution once; merge the histories into one
conversation; pair tool calls with results; add up. Pure and total: whatever arrives, a trajectory comes out, and what
could not be read is in its ``problems``.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from reflect_otel import attributes as keys
from reflect_otel.dialects.accounts import add_account, add_handed_around, find_account
from reflect_otel.dialects.conversation import Transcript
from reflect_otel.dialects.identity import (
    find_agent,
    find_final_response,
    find_model,
    find_root,
    find_session,
    find_task,
)
from reflect_otel.dialects.metrics import build_execution_metrics, build_metrics, read_termination
from reflect_otel.dialects.model_calls import ModelCall, find_model_calls, has_client_failed
from reflect_otel.dialects.span_readers import ReadSpan, group_logs, read_span
from reflect_otel.dialects.span_tree import SpanTree
from reflect_otel.dialects.threads import Entry
from reflect_otel.dialects.tool_pairing import ToolUse, build_turn, complete_turns, find_tool_uses
from reflect_otel.model.reading import TokenUsage, Work
from reflect_otel.model.spans import Run
from reflect_otel.model.trajectory import (
    Message,
    MessagePrefix,
    Role,
    Step,
    Task,
    Trajectory,
)

_MAX_PROBLEMS = 50


@dataclass(slots=True)
class _Decision:
    """A decision point: the model call, or ``None`` where only its answer is known, and the entry it ends at."""

    end: Entry | None
    call: ModelCall | None


def read_trajectory(run: Run) -> Trajectory:
    """The typed form of a run; never raises on any telemetry.

    Args:
        run: spans and log records in any order, in any mix of dialects.
    """
    logs = group_logs(sorted(run.logs, key=lambda log: log.time_ns))
    ordered = sorted(run.spans, key=lambda span: span.start_ns)
    spans = [read_span(span, logs.get(span.span_id, ())) for span in ordered]
    tree = SpanTree(spans)
    calls = find_model_calls(spans, tree)
    uses = find_tool_uses(spans, tree)
    transcript, decisions = _build_transcript(spans, calls, tree)
    complete_turns(transcript, uses)
    _insert_unasked(transcript, decisions, uses)
    return _build_trajectory(run, spans, tree, calls, uses, transcript, decisions)


def _build_transcript(
    spans: Sequence[ReadSpan], calls: Sequence[ModelCall], tree: SpanTree
) -> tuple[Transcript, list[_Decision]]:
    transcript = Transcript()
    account = find_account(spans, tree)
    if not any(call.reading.inputs or call.reading.outputs for call in calls):
        if account is not None:
            answers = add_account(transcript, account.reading)
        else:
            answers = add_handed_around(transcript, spans)
        if transcript.is_empty:
            return transcript, [_Decision(None, call) for call in calls]
        return transcript, [_Decision(entry, None) for entry in answers]
    if account is not None and not any(call.reading.inputs for call in calls):
        transcript.add_exchange(account.reading.inputs, ())
    decisions = [
        _Decision(transcript.add_exchange(call.reading.inputs, call.reading.outputs), call) for call in calls
    ]
    last = calls[-1]
    if account is not None and account.reading.outputs and not last.reading.outputs and last.error is None:
        # A stream's answer is often recorded only around the call, after its span has ended.
        decisions[-1].end = transcript.add_exchange(last.reading.inputs, account.reading.outputs)
    return transcript, decisions


def _insert_unasked(transcript: Transcript, decisions: Sequence[_Decision], uses: Sequence[ToolUse]) -> None:
    """Tool executions that no answer asks for go where they happened: after the last call that began before."""
    unasked = [use for use in uses if use.call is None]
    if not unasked:
        return
    waiting: dict[int, list[ToolUse]] = {}
    starts = list(accumulate((_started(decision) for decision in decisions), max))
    for use in unasked:
        waiting.setdefault(bisect_right(starts, use.start_ns) - 1, []).append(use)
    ends = list(accumulate((decision.end for decision in decisions), _later))
    opening = _last_opening(transcript.entries())
    for index, together in waiting.items():
        after = ends[index] if index >= 0 else opening
        for message in build_turn(together):
            after = transcript.insert_after(after, message)


def _later(before: Entry | None, end: Entry | None) -> Entry | None:
    return end or before


def _started(decision: _Decision) -> int:
    return decision.call.start_ns if decision.call is not None else 0


def _last_opening(entries: Iterable[Entry]) -> Entry | None:
    """The last message before the first one of this run's own."""
    last = None
    for entry in entries:
        if not entry.is_new:
            last = entry
    return last


def _build_trajectory(
    run: Run,
    spans: Sequence[ReadSpan],
    tree: SpanTree,
    calls: Sequence[ModelCall],
    uses: Sequence[ToolUse],
    transcript: Transcript,
    decisions: Sequence[_Decision],
) -> Trajectory:
    entries = list(transcript.entries())
    messages = tuple(entry.message for entry in entries)
    steps = _build_steps(decisions, entries, messages)
    client_failed = not calls and has_client_failed(spans)
    totals = _agent_totals(spans, tree)
    metrics = build_metrics(calls, uses, entries, len(steps), totals, client_failed=client_failed)
    root = find_root(spans, tree)
    failed = root.error if root is not None and root.error else calls[-1].error if calls else None
    dialects = tuple(dict.fromkeys(name for span in spans for name in span.dialects))
    return Trajectory(
        task=Task(
            conversation_id=find_session(spans),
            data_source=dialects[0] if dialects else None,
            num_turns=sum(message.role is Role.USER for message in messages),
            num_steps=len(steps),
            total_tokens=metrics.input_tokens + metrics.output_tokens,
            total_cost=_total_cost(spans, calls),
            text=find_task(spans, entries),
        ),
        steps=steps,
        metrics=metrics,
        execution_metrics=build_execution_metrics(run.spans, calls, uses, read_termination(root, calls)),
        error=failed,
        messages=messages,
        run_id=run.run_id,
        trace_ids=run.trace_ids,
        agent=find_agent(spans, tree),
        model=find_model(calls, spans),
        final_response=find_final_response(spans, entries, calls, tree),
        dialects=dialects,
        inferred=any(span.reading.inferred for span in spans),
        problems=_first_problems(problem for span in spans for problem in span.reading.problems),
    )


def _build_steps(
    decisions: Sequence[_Decision], entries: Sequence[Entry], messages: tuple[Message, ...]
) -> tuple[Step, ...]:
    places = {id(entry): index + 1 for index, entry in enumerate(entries)}
    reached = 0
    steps = []
    for decision in decisions:
        reached = max(reached, places.get(id(decision.end), 0))
        info = _describe_call(decision.call) if decision.call is not None else None
        steps.append(Step(messages=MessagePrefix(messages, reached), info=info))
    return tuple(steps)


def _describe_call(call: ModelCall) -> dict[str, Any]:
    reading, usage = call.reading, call.reading.usage
    facts = {
        "span_id": call.spans[0].span.span_id.hex(),
        "response_id": reading.response_id,
        "model": reading.response_model or reading.request_model,
        "finish_reason": reading.finish_reason,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "started_ns": call.start_ns,
        "ended_ns": call.end_ns,
        "error": call.error,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _agent_totals(spans: Sequence[ReadSpan], tree: SpanTree) -> TokenUsage:
    """Tokens that the outermost agent reports for its whole run."""
    told = [span for span in spans if span.reading.work is Work.AGENT_RUN and span.reading.usage != TokenUsage()]
    return min(told, key=tree.depth).reading.usage if told else TokenUsage()


def _total_cost(spans: Sequence[ReadSpan], calls: Sequence[ModelCall]) -> float | None:
    """US dollars: what the calls report, else what our own attribute says."""
    costs = [call.reading.cost_usd for call in calls if call.reading.cost_usd is not None]
    if not costs:
        values = (span.span.attributes.get(keys.REFLECT_COST_USD) for span in spans)
        costs = [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return sum(costs) if costs else None


def _first_problems(problems: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(problems))[:_MAX_PROBLEMS]
