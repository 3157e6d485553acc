"""Every event and metric of the service, by name, in one place; docs/telemetry.md lists them.

Through the OpenTelemetry API only: where no SDK is set up, every call here does nothing. In embedded mode it is the
host's SDK that takes them.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind

from reflect_otel import __version__
from reflect_otel import attributes as keys
from reflect_otel.capture import memory_spans
from reflect_otel.errors import StoreError
from reflect_otel.model.lift import Lift
from reflect_otel.model.memory import AugmentedTask, Memory
from reflect_otel.model.model_call import ModelCall
from reflect_otel.model.review import Review
from reflect_otel.model.review_keys import ReviewKey
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import LearningJob, LearningOutcome
from reflect_otel.runs.review_trigger import WITHDRAWN

PROJECT: Final = keys.REFLECT_PROJECT_ID
LIFT_VALUE: Final = "reflect.lift.value"
RUN_CLOSED_BY: Final = "reflect.run.closed_by"
LEARNING_RESULT: Final = "reflect.learning.result"
LEARNING_ATTEMPTS: Final = "reflect.learning.attempts"
REVIEW_EVENT: Final = "reflect.review"
LEARNING_EVENT: Final = "reflect.learning"
MODEL_PURPOSE: Final = "reflect.model.purpose"
OTHER_ERROR: Final = "_OTHER"
"""``error.type`` where there is no better word, by the semantic conventions."""

_log: Final = logging.getLogger(__name__)
_ERROR_CLASS: Final = re.compile(r"([A-Z]\w{0,60}): ")
_SECONDS_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_UTILITY_BUCKETS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class LoopTelemetry:
    """Instruments of one process. Safe to use from any thread.

    Args:
        tracer_provider, meter_provider, logger_provider: ``None`` = the process's own.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        logger_provider: _logs.LoggerProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(keys.SERVICE_SCOPE, __version__, tracer_provider=tracer_provider)
        self._logger = _logs.get_logger(keys.SERVICE_SCOPE, __version__, logger_provider=logger_provider)
        self._engines: dict[object, _Engine] = {}
        meter = metrics.get_meter(keys.SERVICE_SCOPE, __version__, meter_provider=meter_provider)
        self._augmentation_seconds = meter.create_histogram(
            "reflect.augmentation.duration",
            "s",
            "Time to choose memories for a task",
            explicit_bucket_boundaries_advisory=_SECONDS_BUCKETS,
        )
        self._served = meter.create_counter("reflect.memories.served", "{memory}", "Memories handed to runs")
        self._utility = meter.create_histogram(
            "reflect.memory.utility",
            "1",
            "Utility of a memory when it was served",
            explicit_bucket_boundaries_advisory=_UTILITY_BUCKETS,
        )
        self._uses = meter.create_counter("reflect.memory.uses", "{use}", "Memories credited with a reviewed run")
        self._created = meter.create_counter("reflect.memories.created", "{memory}", "Memories stored")
        self._reviews = meter.create_counter("reflect.reviews", "{review}", "Reviews of runs")
        self._failures = meter.create_counter("reflect.learning.failures", "{try}", "Tries to learn that failed")
        self._calls = meter.create_counter("reflect.model.calls", "{call}", "Calls to a language model")
        self._tokens = meter.create_counter("reflect.model.tokens", "{token}", "Tokens of these calls")
        self._cost = meter.create_counter("reflect.model.cost", "{USD}", "Cost of these calls by configured prices")
        self._runs = meter.create_counter("reflect.runs.read", "{run}", "Runs closed and read")
        self._accepted = meter.create_counter("reflect.spans.accepted", "{span}", "Spans acknowledged")
        self._rejected = meter.create_counter(
            "reflect.spans.rejected", "{span}", "Spans refused, with the reason told"
        )
        meter.create_observable_gauge(
            "reflect.journal.pending", [self._observe_pending], "{record}", "Journal records not yet in the database"
        )
        meter.create_observable_gauge(
            "reflect.lift", [self._observe_lift], "1", "Pass rate with memories less that without, 95 % interval"
        )

    def observe(
        self, engine: object, count_pending: Callable[[], int], find_lifts: Callable[[], Mapping[str, Lift]]
    ) -> None:
        """Let the gauges ask an engine, until ``forget``.

        Args:
            engine: any object that stands for it.
            count_pending: journal records that are not in the database yet.
            find_lifts: lift by project id; called at every export.
        """
        self._engines[engine] = _Engine(count_pending, find_lifts)

    def forget(self, engine: object) -> None:
        """Ask it no more."""
        self._engines.pop(engine, None)

    def note_spans(self, accepted: int, rejected: int) -> None:
        """Spans of one export request."""
        if accepted:
            self._accepted.add(accepted)
        if rejected:
            self._rejected.add(rejected)

    def note_augmentation(self, project_id: str, augmented: AugmentedTask, seconds: float) -> None:
        """A task was given its memories."""
        where = {PROJECT: project_id}
        self._augmentation_seconds.record(seconds, {**where, keys.REFLECT_MEMORY_CONTROL: augmented.control})
        for memory in augmented.memories:
            self._served.add(1, {**where, keys.REFLECT_MEMORY_KIND: memory.kind.value})
            self._utility.record(memory.utility, where)

    def note_run(self, record: RunRecord) -> None:
        """A run was closed and read."""
        closed_by = record.closed_by.value if record.closed_by else ""
        self._runs.add(1, {PROJECT: record.project_id, RUN_CLOSED_BY: closed_by})

    def note_review(self, project_id: str, run_id: str, review: Review, trace_id: bytes | None = None) -> None:
        """A review was stored, of the run with this trace if that is told. Its feedback is content and stays out."""
        told = self._count_review(project_id, run_id, review.key, review.result.value)
        self._emit(REVIEW_EVENT, {**told, keys.REFLECT_REVIEW_SCORE: review.reward}, trace_id=trace_id)

    def note_withdrawal(self, project_id: str, run_id: str, key: ReviewKey, trace_id: bytes | None = None) -> None:
        """The review of this key was taken back; ``trace_id`` as in ``note_review``."""
        self._emit(REVIEW_EVENT, self._count_review(project_id, run_id, key, WITHDRAWN), trace_id=trace_id)

    def _count_review(self, project_id: str, run_id: str, key: ReviewKey, result: str) -> dict[str, str]:
        name, source, _ = key
        facts = {PROJECT: project_id, keys.REFLECT_REVIEW_RESULT: result, keys.REFLECT_REVIEW_SOURCE: source}
        self._reviews.add(1, facts)
        return {**facts, keys.REFLECT_RUN_ID: run_id, keys.REFLECT_REVIEW_NAME: name}

    def note_learning(self, outcome: LearningOutcome, started_ns: int) -> None:
        """A run was learned from; ``started_ns`` is when its outcome began to be stored, Unix nanoseconds."""
        job = outcome.job
        where = {PROJECT: job.project_id}
        if outcome.events:
            self._uses.add(len(outcome.events), where)
        if outcome.memory is not None:
            self.note_created(job.project_id, outcome.memory)
            self._trace_created(job, outcome.memory, started_ns)
        result = "memory" if outcome.memory is not None else "nothing"
        drawn = {keys.GEN_AI_MEMORY_RECORD_ID: outcome.memory.id} if outcome.memory is not None else {}
        told = {**where, keys.REFLECT_RUN_ID: job.run_id, LEARNING_RESULT: result, **drawn}
        self._emit(LEARNING_EVENT, {**told, LEARNING_ATTEMPTS: job.attempts + 1})

    def note_failure(self, job: LearningJob, error: str, *, parked: bool) -> None:
        """A try to learn failed. Of the error only its class is told: the rest may quote a text."""
        result = "parked" if parked else "failed"
        where = {PROJECT: job.project_id, LEARNING_RESULT: result, keys.ERROR_TYPE: _find_error_type(error)}
        self._failures.add(1, where)
        told = {**where, keys.REFLECT_RUN_ID: job.run_id}
        self._emit(LEARNING_EVENT, {**told, LEARNING_ATTEMPTS: job.attempts + 1}, SeverityNumber.WARN)

    def note_created(self, project_id: str, memory: Memory) -> None:
        """A memory was stored."""
        self._created.add(1, {PROJECT: project_id, keys.REFLECT_MEMORY_KIND: memory.kind.value})

    def note_model_call(self, project_id: str, call: ModelCall) -> None:
        """A language model was asked and has answered or failed."""
        where = {PROJECT: project_id, keys.GEN_AI_REQUEST_MODEL: call.model, MODEL_PURPOSE: call.purpose.value}
        self._calls.add(1, {**where, keys.ERROR_TYPE: _find_error_type(call.error)} if call.error else where)
        self._tokens.add(call.input_tokens, {**where, keys.GEN_AI_TOKEN_TYPE: "input"})
        self._tokens.add(call.output_tokens, {**where, keys.GEN_AI_TOKEN_TYPE: "output"})
        self._cost.add(call.cost_usd, where)

    def _trace_created(self, job: LearningJob, memory: Memory, started_ns: int) -> None:
        facts = {keys.GEN_AI_MEMORY_STORE_ID: job.project_id, keys.REFLECT_RUN_ID: job.run_id}
        span = self._tracer.start_span(
            memory_spans.CREATE_MEMORY,
            kind=SpanKind.INTERNAL,
            attributes={**memory_spans.build_operation(memory_spans.CREATE_MEMORY), **facts},
            start_time=started_ns,
        )
        memory_spans.describe_created(span, memory)
        span.end()

    def _emit(
        self,
        event_name: str,
        facts: Mapping[str, str | int | float],
        severity: SeverityNumber = SeverityNumber.INFO,
        trace_id: bytes | None = None,
    ) -> None:
        self._logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                context=_build_context(trace_id) if trace_id else None,
                event_name=event_name,
                attributes=dict(facts),
                severity_number=severity,
                severity_text=severity.name,
            )
        )

    def _observe_pending(self, _options: CallbackOptions) -> Iterable[Observation]:
        counts = [engine.count_pending() for engine in list(self._engines.values())]
        return [Observation(sum(counts))] if counts else []

    def _observe_lift(self, _options: CallbackOptions) -> Iterator[Observation]:
        for engine in list(self._engines.values()):
            for project_id, lift in _find_lifts(engine).items():
                if lift.difference is not None:
                    ends = {"difference": lift.difference, "low": lift.low, "high": lift.high}
                    yield from (
                        Observation(value, {PROJECT: project_id, LIFT_VALUE: name}) for name, value in ends.items()
                    )


def _build_context(trace_id: bytes) -> Context:
    of_trace = SpanContext(int.from_bytes(trace_id, "big"), trace.INVALID_SPAN_ID, is_remote=True)
    return trace.set_span_in_context(NonRecordingSpan(of_trace), Context())


def _find_error_type(error: str) -> str:
    """The class that a description of an error begins with."""
    named = _ERROR_CLASS.match(error)
    return named[1] if named else OTHER_ERROR


class _Engine(NamedTuple):
    count_pending: Callable[[], int]
    find_lifts: Callable[[], Mapping[str, Lift]]


def _find_lifts(engine: _Engine) -> Mapping[str, Lift]:
    try:
        return engine.find_lifts()
    except StoreError as error:  # it may be closing; a gauge without a value is no reason to lose the others
        _log.warning("the lift could not be read: %s", error)
        return {}


@cache
def find_loop_telemetry() -> LoopTelemetry:
    """This process's instruments: one set, however many engines."""
    return LoopTelemetry()
