"""Puts the run id from W3C baggage on every span, and task and agent on the run's first span."""

import logging
from typing import Any, Final, cast

from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from reflect_otel.attributes import REFLECT_RUN_ID
from reflect_otel.capture.run_context import find_run_id, find_scope

_MAX_TRACES: Final = 10_000

_logger: Final = logging.getLogger(__name__)


class TraceRuns:
    """Which run a trace was stamped with, for spans that lost the stamp; the oldest traces are forgotten first."""

    __slots__ = ("_run_ids",)

    def __init__(self) -> None:
        self._run_ids: dict[int, str | None] = {}

    def note(self, trace_id: int, run_id: str) -> None:
        """Remember the run; a trace of several runs has no one answer any more."""
        run_ids = self._run_ids
        if run_ids.setdefault(trace_id, run_id) != run_id:
            run_ids[trace_id] = None
        elif len(run_ids) > _MAX_TRACES:
            run_ids.pop(next(iter(tuple(run_ids)), trace_id), None)

    def find(self, trace_id: int) -> str | None:
        """The run id, if the trace was stamped with exactly one."""
        return self._run_ids.get(trace_id)


trace_runs: Final = TraceRuns()


class RunStampProcessor(SpanProcessor):
    """Stamps spans and sends nothing: for applications whose spans reach the service another way.

    Nothing but the run id is read from baggage, which may come from outside.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a span that starts. Never raises."""
        try:
            within = get_current() if parent_context is None else parent_context
            if within:
                _stamp(span, within)
        except Exception:
            _logger.exception("A span could not be given its run id; the span itself is not affected.")


def _stamp(span: Span, within: Context) -> None:
    run_id = find_run_id(within)
    if run_id is None:
        return
    span.set_attribute(REFLECT_RUN_ID, run_id)
    trace_runs.note(span.get_span_context().trace_id, run_id)
    scope = find_scope(within)
    if scope is not None:
        scope.claim(span)


class _SpanWithRunId:
    """A span seen with a run id; everything else is the span's own."""

    __slots__ = ("_span", "attributes")

    def __init__(self, span: ReadableSpan, run_id: str) -> None:
        self._span = span
        self.attributes = {**(span.attributes or {}), REFLECT_RUN_ID: run_id}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)


def with_run_id(span: ReadableSpan, run_id: str) -> ReadableSpan:
    """The same span, also carrying this run id."""
    return cast("ReadableSpan", _SpanWithRunId(span, run_id))


def restore_run_id(span: ReadableSpan) -> ReadableSpan:
    """The span with its stamp, which the SDK evicts first when a span outgrows its attribute limit."""
    if not span.dropped_attributes or span.context is None or REFLECT_RUN_ID in (span.attributes or {}):
        return span
    run_id = trace_runs.find(span.context.trace_id)
    return span if run_id is None else with_run_id(span, run_id)
