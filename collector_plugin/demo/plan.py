"""Which recorded runs are sent when, and how each one's known outcome travels with it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from collector_plugin.demo.outcomes import Outcome
from collector_plugin.demo.recordings import AgentRun
from collector_plugin.otlp.json_format import Telemetry
from reflect_otel import attributes
from reflect_otel.model.review import ReviewSource
from reflect_otel.model.spans import LogRecord, SpanRecord

HELD_OUT_TASK: Final = "tau-airline/31"
"""The task of which the service sees no run; its neighbours are other cancellations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The order of the agent runs.

    Attributes:
        first: the earlier half of each task's tries, sent without any memory.
        rounds: the later tries, one round a trial; each asks for memories before it is sent.
        held_out: a run that is never sent.
    """

    first: Sequence[AgentRun]
    rounds: Sequence[Sequence[AgentRun]]
    held_out: AgentRun

    @property
    def later(self) -> list[AgentRun]:
        """The runs of all rounds, in order."""
        return list(itertools.chain.from_iterable(self.rounds))


def build_plan(agent_runs: Sequence[AgentRun]) -> Plan:
    """Split the recorded runs into first tries, later rounds and the held-out task."""
    known = [run for run in agent_runs if run.outcome.task_id != HELD_OUT_TASK]
    tries = {task: len(list(runs)) for task, runs in itertools.groupby(sorted(map(_task_of, known)))}
    early = [run for run in known if run.outcome.trial < tries[run.outcome.task_id] // 2]
    late = [run for run in known if run not in early]
    trials = sorted({run.outcome.trial for run in late})
    return Plan(
        first=early,
        rounds=[[run for run in late if run.outcome.trial == trial] for trial in trials],
        held_out=next(run for run in agent_runs if run.outcome.task_id == HELD_OUT_TASK),
    )


def add_review(run: AgentRun, position: int) -> Telemetry:
    """The run's telemetry with its outcome: as span attributes at even positions, as an evaluation event at odd."""
    if position % 2:
        return replace(run.telemetry, logs=[*run.telemetry.logs, _evaluation_event(run)])
    spans = [_reviewed(span, run.outcome) if span.is_local_root else span for span in run.telemetry.spans]
    return replace(run.telemetry, spans=spans)


def _task_of(run: AgentRun) -> str:
    return run.outcome.task_id


def _reviewed(root: SpanRecord, outcome: Outcome) -> SpanRecord:
    review = {
        attributes.REFLECT_REVIEW_RESULT: outcome.result.value,
        attributes.REFLECT_REVIEW_SOURCE: ReviewSource.CODE.value,
    }
    if outcome.feedback:
        review[attributes.REFLECT_REVIEW_FEEDBACK] = outcome.feedback
    return replace(root, attributes={**root.attributes, **review})


def _evaluation_event(run: AgentRun) -> LogRecord:
    root = next(span for span in run.telemetry.spans if span.is_local_root)
    return LogRecord(
        trace_id=root.trace_id,
        span_id=root.span_id,
        event_name=attributes.GEN_AI_EVALUATION_RESULT_EVENT,
        time_ns=root.end_ns,
        attributes={
            attributes.GEN_AI_EVALUATION_NAME: "tau_bench.reward",
            attributes.GEN_AI_EVALUATION_SCORE_LABEL: run.outcome.result.value,
            attributes.GEN_AI_EVALUATION_EXPLANATION: run.outcome.feedback or "",
        },
        resource=root.resource,
        scope_name=root.scope_name,
    )
