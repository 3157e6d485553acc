"""The runs of a session to one trajectory: what a run re-sends of earlier runs stands once.

A run opens with a history, the messages before its last question, and goes on with messages of its own. Of the
history only what the session does not hold yet is added. The rest of the run always is, so that a question asked
twice counts twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reflect_otel.dialects.threads import Key, Spoken, message_key
from reflect_otel.model.notes import NOTES_START, strip_notes
from reflect_otel.model.reward import merge_rewards
from reflect_otel.model.trajectory import (
    ExecutionMetrics,
    Message,
    MessagePrefix,
    Role,
    Step,
    Task,
    Trajectory,
    TrajectoryMetrics,
)

_MAX_PROBLEMS: Final = 50
_NS: Final = 1_000_000_000


def order_runs(runs: Iterable[Trajectory]) -> list[Trajectory]:
    """Trajectories by the start of their runs."""
    return sorted(runs, key=lambda run: _times(run).started_ns)


def merge_runs(runs: Iterable[Trajectory]) -> Trajectory:
    """One trajectory of a session's runs. Pure; holds one run at a time beside what comes out.

    Counts and times in models and tools are sums, ``total_time`` reaches from the first start to the last end. How
    the session ended is what the last run says; what it was about, and who ran, what the first run says.

    Args:
        runs: in the order of their start.
    """
    conversation = _Conversation()
    steps: list[tuple[Step, int]] = []
    heads: list[Trajectory] = []
    for run in runs:
        steps += conversation.add(run)
        heads.append(replace(run, messages=(), steps=()))
    messages = tuple(conversation.messages)
    merged = _merge_heads(heads or [Trajectory()], num_turns=sum(message.role is Role.USER for message in messages))
    return replace(merged, messages=messages, steps=tuple(_build_step(step, seen, messages) for step, seen in steps))


def _merge_heads(runs: Sequence[Trajectory], num_turns: int) -> Trajectory:
    metrics = _merge_metrics([run.metrics or TrajectoryMetrics() for run in runs])
    last = runs[-1]
    return Trajectory(
        task=_merge_tasks([run.task for run in runs], num_turns, metrics),
        reward=merge_rewards(run.reward for run in runs if run.reward is not None),
        metrics=metrics,
        execution_metrics=_merge_times(list(map(_times, runs))),
        error=last.error,
        run_id=runs[0].run_id,
        trace_ids=_distinct(trace_id for run in runs for trace_id in run.trace_ids),
        agent=_first(run.agent for run in runs),
        model=_first(run.model for run in runs),
        final_response=last.final_response,
        dialects=_distinct(name for run in runs for name in run.dialects),
        inferred=any(run.inferred for run in runs),
        problems=_distinct(problem for run in runs for problem in run.problems)[:_MAX_PROBLEMS],
    )


@dataclass(slots=True)
class _Conversation:
    """The session's messages while they are put together."""

    messages: list[Message] = field(default_factory=list)
    _spoken: Spoken = field(default_factory=Spoken)
    _system: set[str | None] = field(default_factory=set)

    def add(self, run: Trajectory) -> Iterator[tuple[Step, int]]:
        """Append what the run adds; each of its steps with the number of messages it has seen."""
        reached = [len(self.messages)]
        reached += [self._append(message, known=known) for message, known in self._compare(run)]
        for step in run.steps:
            yield step, reached[min(len(step.messages), len(run.messages))]

    def _compare(self, run: Trajectory) -> list[tuple[Message, bool]]:
        """The run's messages, and whether the session holds each of them already."""
        asked = _find_question(run)
        history = [_key(message) for message in run.messages[:asked] if message.role is not Role.SYSTEM]
        left = self._spoken.align(history)[1] if history else 0
        compared = []
        for index, message in enumerate(run.messages):
            if message.role is Role.SYSTEM:
                compared.append((message, message.content in self._system))
                self._system.add(message.content)
            else:
                compared.append((message, index < asked and left > 0))
                left -= 1
        return compared

    def _append(self, message: Message, *, known: bool) -> int:
        if not known:
            self.messages.append(message)
            if message.role is not Role.SYSTEM:
                self._spoken.append(_key(message))
        return len(self.messages)


def _find_question(run: Trajectory) -> int:
    """Index of the last user message before the run's first own answer; without one, of that answer."""
    first = min(len(run.steps[0].messages), len(run.messages)) if run.steps else len(run.messages)
    opening = range(first - 1, -1, -1)
    return next((index for index in opening if run.messages[index].role is Role.USER), max(0, first - 1))


def _key(message: Message) -> Key:
    """As ``message_key``; notes that were served with one telling of a task do not make it another task."""
    if message.content and NOTES_START in message.content:
        message = replace(message, content=strip_notes(message.content))
    return message_key(message)


def _build_step(step: Step, seen: int, messages: tuple[Message, ...]) -> Step:
    """The step over the session's messages; one that saw a rewritten history keeps what it saw."""
    return replace(step, messages=MessagePrefix(messages, seen)) if isinstance(step.messages, MessagePrefix) else step


def _merge_tasks(tasks: Sequence[Task], num_turns: int, metrics: TrajectoryMetrics) -> Task:
    costs = [task.total_cost for task in tasks if task.total_cost is not None]
    return Task(
        conversation_id=_first(task.conversation_id for task in tasks),
        data_source=_first(task.data_source for task in tasks),
        num_turns=num_turns,
        num_steps=metrics.steps,
        total_tokens=metrics.input_tokens + metrics.output_tokens,
        total_cost=sum(costs) if costs else None,
        text=_first(task.text for task in tasks),
    )


def _merge_metrics(parts: Sequence[TrajectoryMetrics]) -> TrajectoryMetrics:
    def total(name: str) -> Any:
        return sum(getattr(part, name) or 0 for part in parts)

    calls, failures = total("num_tool_calls"), total("num_tool_failures")
    return TrajectoryMetrics(
        steps=total("steps"),
        tokens_generated=total("tokens_generated"),
        num_tool_calls=calls,
        num_tool_failures=failures,
        tool_error_rate=min(1.0, failures / calls) if calls else 0.0,
        llm_calls=total("llm_calls"),
        llm_errors=total("llm_errors"),
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        cached_input_tokens=total("cached_input_tokens"),
        reasoning_output_tokens=total("reasoning_output_tokens"),
    )


def _merge_times(parts: Sequence[ExecutionMetrics]) -> ExecutionMetrics:
    started = min((part.started_ns for part in parts if part.started_ns), default=0)
    ended = max(part.ended_ns for part in parts)
    return ExecutionMetrics(
        env_time=sum(part.env_time or 0.0 for part in parts),
        llm_time=sum(part.llm_time or 0.0 for part in parts),
        total_time=max(0, ended - started) / _NS if started else 0.0,
        termination_reason=parts[-1].termination_reason,
        started_ns=started,
        ended_ns=ended,
    )


def _times(run: Trajectory) -> ExecutionMetrics:
    return run.execution_metrics or ExecutionMetrics()


def _first(texts: Iterable[str | None]) -> str | None:
    return next(filter(None, texts), None)


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
