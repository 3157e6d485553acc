"""One run under a pattern: its span, its id in baggage, its context, and the record it ends with. No I/O."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, format_trace_id

from reflect_otel import attributes as keys
from reflect_otel.capture.run_context import RunScope, build_run_context, find_run_id
from reflect_otel.client.run_record import Ending, RunFacts, build_record, describe_error, read_ending
from reflect_otel.client.trace_context import TraceContext
from reflect_otel.model.memory import AugmentedTask, RetrievalOptions
from reflect_otel.release import VERSION
from reflect_otel.wire.v1 import reflect_pb2 as wire

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """What a pattern was told when it was opened.

    Attributes:
        blocking: wait at the end until the run is stored, and learned from if it was reviewed.
        auto_fail_on_exception: an exception is a failed review.
        agent: name of the agent.
        session_id: conversation that the run is a turn of.
    """

    retrieval: RetrievalOptions
    blocking: bool = False
    auto_fail_on_exception: bool = True
    agent: str | None = None
    session_id: str | None = None
    reference_context: str | None = None
    alpha: float | None = None


class TracedRun:
    """A run from its first moment to its record.

    ``inside()`` makes it the current run; code that suspends in between (generators) enters it again for each stretch
    and finds the spans it had left open. The span says that the run took place, and the record says what was said in
    it and how it went: no content and no review is put on the span.

    Args:
        task: what the agent is asked.
        options: as given to the pattern.

    Attributes:
        context: what the agent's code sees.
        service_was_away: whether the service left the request for memories unanswered.
        waited_seconds: how long the agent has waited for its memories.
    """

    def __init__(self, task: str, options: TraceOptions) -> None:
        self.options = options
        self.service_was_away = False
        self.waited_seconds = 0.0
        run_id = str(uuid4())
        scope = RunScope(None, None)
        within = build_run_context(run_id, scope)
        self._span = _start_span(run_id, options, within)
        self._started_ns = time.time_ns()
        scope.root = self._span
        span_context = self._span.get_span_context()
        self.context = TraceContext(
            task,
            run_id,
            otel_trace_id=format_trace_id(span_context.trace_id) if span_context.is_valid else None,
            reference_context=options.reference_context,
            alpha=options.alpha,
        )
        scope.take_review = self.context.set_verdict
        self._within = trace.set_span_in_context(self._span, within)

    @property
    def is_exported(self) -> bool:
        """Whether an OpenTelemetry SDK will send spans of this run somewhere."""
        return self._span.get_span_context().trace_flags.sampled

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The block belongs to the run."""
        outside = context.attach(self._within)
        try:
            yield
        finally:
            within = context.get_current()
            # Code that resumes in another context, such as a generator closed by another task, has left already.
            if find_run_id(within) == self.context.run_id:
                self._within = within
                context.detach(outside)

    def take_memories(self, augmented: AugmentedTask) -> None:
        """Note what was served."""
        self.context.take_memories(augmented)
        if self.context.memories:
            self._span.set_attribute(keys.REFLECT_MEMORY_IDS, self.context.memory_ids)
        if self.context.control:
            self._span.set_attribute(keys.REFLECT_MEMORY_CONTROL, value=True)

    def abandon(self, error: BaseException) -> None:
        """End the span of a run that never began."""
        _end_span(self._span, error)

    def finish(self, error: BaseException | None) -> wire.CreateTraceRequest:
        """End the run's span and build its record.

        Args:
            error: the exception that ended the run, or ``None``.
        """
        if self.context.output is not None and self.context.output.model:
            self._span.set_attribute(keys.GEN_AI_REQUEST_MODEL, str(self.context.output.model))
        is_recording = self._span.is_recording()
        _end_span(self._span, error)
        facts = RunFacts(
            agent=self.options.agent,
            session_id=self.options.session_id,
            started_ns=self._started_ns,
            ended_ns=time.time_ns(),
            error=error,
            fails_on_error=self.options.auto_fail_on_exception,
            spans_follow=is_recording and self.is_exported and not self.options.blocking,
        )
        return build_record(self.context, facts)


def _start_span(run_id: str, options: TraceOptions, within: Context) -> Span:
    tracer = trace.get_tracer(keys.CLIENT_SCOPE, VERSION)
    attributes = {keys.GEN_AI_OPERATION_NAME: "invoke_agent", keys.REFLECT_RUN_ID: run_id}
    if options.agent:
        attributes[keys.GEN_AI_AGENT_NAME] = options.agent
    if options.session_id:
        attributes[keys.GEN_AI_CONVERSATION_ID] = options.session_id
    return tracer.start_span(f"invoke_agent {options.agent or ''}".rstrip(), context=within, attributes=attributes)


def _end_span(span: Span, error: BaseException | None) -> None:
    ending = read_ending(error)
    if error is not None:
        span.set_attribute(keys.ERROR_TYPE, type(error).__name__)
    if ending is Ending.FAILED and error is not None:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, describe_error(error)))
    span.end()
