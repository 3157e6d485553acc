"""Which spans and log records make up one run: a pure rule over what has arrived.

The run key is ``reflect.run.id``, else the trace id. A key on any span holds for its whole trace. Where one trace
carries several keys, a span has its own, else its nearest ancestor's, else the earliest of the trace. Traces with one
key are one run. A trace whose root links into a run's trace continues that run. A log record follows its span, else
its trace.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from reflect_otel.attributes import GEN_AI_OPERATION_NAME
from reflect_otel.dialects.span_readers import is_agent_span
from reflect_otel.model.run_ids import read_run_id
from reflect_otel.model.spans import LogRecord, Run, SpanRecord
from reflect_otel.runs.review_trigger import is_review_of_another_run

__all__ = ["find_continued_trace", "group_runs", "is_agent_span", "run_id_of", "select_run"]

_BEGINS_A_RUN: Final = ("invoke_agent", "invoke_workflow", "create_agent")
"""Compared and not looked up by hash: senders may put a list where a name belongs."""


def run_id_of(record: SpanRecord | LogRecord) -> str | None:
    """The run id that this span or log record itself carries."""
    return read_run_id(record.attributes)


def find_continued_trace(span: SpanRecord) -> bytes | None:
    """The other trace that this root continues, as a queue's consumer continues its producer's.

    An agent's own root begins a run, also where it links back to an earlier turn.
    """
    if not span.links or not span.is_local_root or span.attributes.get(GEN_AI_OPERATION_NAME) in _BEGINS_A_RUN:
        return None
    linked = span.links[0].trace_id
    return linked if linked != span.trace_id and not is_review_of_another_run(span) else None


def group_runs(spans: Iterable[SpanRecord], logs: Iterable[LogRecord]) -> list[Run]:
    """All runs in order of their first span; traces without a single agent span are noise and left out.

    A span that arrived twice counts once.
    """
    return [run for run in _group(spans, logs) if _is_run(run.spans)]


def select_run(telemetry: Run, run_id: str) -> Run:
    """The part of this telemetry that belongs to ``run_id``; empty when nothing does.

    Args:
        telemetry: all spans and logs of the traces that the run has a part in.
        run_id: the run key.
    """
    runs = _group(telemetry.spans, telemetry.logs)
    return next((run for run in runs if run.run_id == run_id), Run(run_id=run_id))


def _group(spans: Iterable[SpanRecord], logs: Iterable[LogRecord]) -> list[Run]:
    distinct = _drop_repeats(spans)
    traces: dict[bytes, list[SpanRecord]] = {}
    for span in distinct:
        traces.setdefault(span.trace_id, []).append(span)
    run_ids: dict[tuple[bytes, bytes], str] = {}
    defaults: dict[bytes, str] = {}
    for trace_id in traces:
        defaults[trace_id] = _default_run_id(trace_id, traces)
    for trace_id, members in traces.items():
        run_ids |= _assign(members, defaults[trace_id])
    grouped: dict[str, tuple[list[SpanRecord], list[LogRecord]]] = {}
    for span in distinct:
        grouped.setdefault(run_ids[span.trace_id, span.span_id], ([], []))[0].append(span)
    for log in logs:
        run_id = _find_log_run(log, run_ids, defaults)
        if run_id in grouped:
            grouped[run_id][1].append(log)
    return [Run(run_id=run_id, spans=members, logs=events) for run_id, (members, events) in grouped.items()]


def _drop_repeats(spans: Iterable[SpanRecord]) -> list[SpanRecord]:
    """The first copy of each span, in order."""
    first: dict[tuple[bytes, bytes], SpanRecord] = {}
    for span in spans:
        first.setdefault((span.trace_id, span.span_id), span)
    return list(first.values())


def _default_run_id(trace_id: bytes, traces: Mapping[bytes, Sequence[SpanRecord]]) -> str:
    """What spans without a key of their own, or of an ancestor's, belong to.

    The trace's earliest key, else that of the run it continues, else the trace id.
    """
    origin, seen = trace_id, {trace_id}
    while True:
        named = _earliest_key(traces[origin])
        continued = next(filter(None, map(find_continued_trace, traces[origin])), None)
        if named or continued is None or continued in seen or not _is_run(traces.get(continued, ())):
            return named or origin.hex()
        origin = continued
        seen.add(origin)


def _earliest_key(members: Sequence[SpanRecord]) -> str | None:
    named = [(span.start_ns, index, run_id) for index, span in enumerate(members) if (run_id := run_id_of(span))]
    return min(named)[2] if named else None


def _is_run(members: Sequence[SpanRecord]) -> bool:
    return any(map(is_agent_span, members))


def _assign(members: Sequence[SpanRecord], default: str) -> dict[tuple[bytes, bytes], str]:
    own = {span.span_id: run_id_of(span) for span in members}
    if len({run_id for run_id in own.values() if run_id}) < 2:
        return {(span.trace_id, span.span_id): default for span in members}
    parents = {span.span_id: span.parent_span_id for span in members}
    nearest = {span_id: run_id for span_id, run_id in own.items() if run_id}
    for span in members:
        path: dict[bytes, None] = {}
        span_id: bytes | None = span.span_id
        while span_id in parents and span_id not in nearest and span_id not in path:
            path[span_id] = None
            span_id = parents[span_id]
        nearest |= dict.fromkeys(path, nearest.get(span_id, default) if span_id is not None else default)
    return {(span.trace_id, span.span_id): nearest[span.span_id] for span in members}


def _find_log_run(
    log: LogRecord, run_ids: Mapping[tuple[bytes, bytes], str], defaults: Mapping[bytes, str]
) -> str | None:
    own = run_id_of(log)
    if own or log.trace_id is None:
        return own
    by_span = run_ids.get((log.trace_id, log.span_id)) if log.span_id is not None else None
    return by_span or defaults.get(log.trace_id)
