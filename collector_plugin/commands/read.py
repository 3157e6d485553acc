"""``reflect-otel read FILE...``: the runs in recorded OTLP/JSON files, without a service.

With ``--json`` one object a line, one a run::

    run_id, session_id, agent, model, trace_ids [hex], task, final_response, error, reward,
    messages [{role, content, tool_calls [{id, name, arguments}], tool_response {id, name, response, error}}],
    steps, llm_calls, llm_errors, input_tokens, output_tokens, cached_input_tokens, reasoning_output_tokens,
    tool_calls, tool_errors, env_time, llm_time, total_time, termination_reason, dialects, inferred, problems
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

from collector_plugin.commands.plain_values import plain_mapping
from collector_plugin.otlp.files import iter_file
from collector_plugin.otlp.json_format import Telemetry
from collector_plugin.terminal import Column, build_console, build_table, printable
from reflect_otel.dialects.sessions import merge_runs, order_runs
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.spans import Run
from reflect_otel.model.trajectory import ExecutionMetrics, Message, Trajectory, TrajectoryMetrics
from reflect_otel.ports import Settings
from reflect_otel.runs.grouping import group_runs
from reflect_otel.runs.reviewed import read_reviewed_trajectory

_COLUMNS: Final = (
    Column("run"),
    Column("session", share=1, wide_only=True),
    Column("agent", share=1, wide_only=True),
    Column("model", share=1, wide_only=True),
    Column("task", share=2),
    Column("answer", share=2),
    Column("steps", number=True, not_tiny=True),
    Column("tools", number=True, wide_only=True),
    Column("errors", number=True, not_tiny=True),
    Column("tokens", number=True, wide_only=True),
)

_MOST_LINES_TOLD: Final = 3
"""Lines of a file that cannot be read; a file of another kind has nothing else."""


def run_read(paths: Sequence[Path], *, json_output: bool, by: Literal["run", "session"] = "run") -> int:
    """Read the files and print what is in them.

    Args:
        paths: OTLP/JSON files (.jsonl, .json, gzipped or not) of traces and of logs, in any order.
        json_output: one JSON object a line instead of a table.
        by: one entry a run, or one a session with its runs in one conversation.

    Returns:
        The exit code: 0, or 1 when nothing could be read.
    """
    telemetry = _read_telemetry(paths)
    runs = group_runs(telemetry.spans, telemetry.logs)
    trajectories = _by_session(runs) if by == "session" else map(_read, runs)
    if json_output:
        for trajectory in trajectories:
            print(json.dumps(describe(trajectory), allow_nan=False))
    else:
        _print_table(list(trajectories))
    return 0 if telemetry.spans or telemetry.logs else 1


def read_files(paths: Iterable[Path]) -> Iterator[Trajectory]:
    """The trajectory of every run in these files; what cannot be read is told on standard error."""
    telemetry = _read_telemetry(paths)
    return map(_read, group_runs(telemetry.spans, telemetry.logs))


def _read_telemetry(paths: Iterable[Path]) -> Telemetry:
    telemetry = Telemetry()
    for path in paths:
        try:
            _complain_of_lines(path, [found for found in iter_file(path) if not _take(telemetry, found)])
        except OSError as error:
            _complain(f"{path}: {error.strerror or error}; check the path and its permissions")
    for rejected in (*telemetry.rejected_spans, *telemetry.rejected_logs):
        _complain(f"left out record {rejected.position} of its request: {rejected.reason}")
    return telemetry


def _take(telemetry: Telemetry, found: Telemetry | InvalidArgument) -> bool:
    if isinstance(found, InvalidArgument):
        return False
    telemetry.extend(found)
    return True


def _complain_of_lines(path: Path, unreadable: Sequence[object]) -> None:
    for problem in unreadable[:_MOST_LINES_TOLD]:
        _complain(str(problem))
    more = len(unreadable) - _MOST_LINES_TOLD
    if more > 0:
        _complain(f"{path}: {more:,} more lines like these; a file of OTLP/JSON has one export request a line")


def _read(run: Run) -> Trajectory:
    return read_reviewed_trajectory(run, Settings())


def _complain(text: str) -> None:
    print(f"reflect-otel read: {printable(text)}", file=sys.stderr)


def _by_session(runs: Iterable[Run]) -> Iterator[Trajectory]:
    """One trajectory a session; runs without a session stay alone."""
    sessions: dict[str, list[Trajectory]] = {}
    for run in map(_read, runs):
        session = run.task.conversation_id
        sessions.setdefault(f"session {session}" if session else f"run {run.run_id}", []).append(run)
    return (merge_runs(order_runs(members)) for members in sessions.values())


def describe(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory as the JSON object that ``--json`` prints."""
    metrics = trajectory.metrics or TrajectoryMetrics()
    times = trajectory.execution_metrics or ExecutionMetrics()
    return {
        "run_id": trajectory.run_id,
        "session_id": trajectory.task.conversation_id,
        "agent": trajectory.agent,
        "model": trajectory.model,
        "trace_ids": list(trajectory.trace_ids),
        "task": trajectory.task.text,
        "num_turns": trajectory.task.num_turns,
        "final_response": trajectory.final_response,
        "error": trajectory.error,
        "reward": trajectory.reward.aggregated_value if trajectory.reward else None,
        "messages": [_describe_message(message) for message in trajectory.messages],
        "steps": len(trajectory.steps),
        "llm_calls": metrics.llm_calls,
        "llm_errors": metrics.llm_errors,
        "input_tokens": metrics.input_tokens,
        "output_tokens": metrics.output_tokens,
        "cached_input_tokens": metrics.cached_input_tokens,
        "reasoning_output_tokens": metrics.reasoning_output_tokens,
        "tool_calls": metrics.num_tool_calls,
        "tool_errors": metrics.num_tool_failures,
        "env_time": times.env_time,
        "llm_time": times.llm_time,
        "total_time": times.total_time,
        "termination_reason": times.termination_reason,
        "dialects": list(trajectory.dialects),
        "inferred": trajectory.inferred,
        "problems": list(trajectory.problems),
    }


def _describe_message(message: Message) -> dict[str, Any]:
    """The message without its empty fields; role and content are always there."""
    facts = {key: value for key, value in asdict(message).items() if value is not None and key != "trainable_status"}
    return plain_mapping({"role": message.role.value, "content": message.content, **facts})


def _print_table(trajectories: Sequence[Trajectory]) -> None:
    console = build_console()
    console.print(build_table(_COLUMNS, map(_build_row, trajectories), width=console.width))
    for trajectory in trajectories:
        for problem in trajectory.problems:
            _complain(f"run {trajectory.run_id}: {problem}")


def _build_row(trajectory: Trajectory) -> Sequence[object]:
    metrics = trajectory.metrics or TrajectoryMetrics()
    answer = trajectory.final_response or (f"failed: {trajectory.error}" if trajectory.error else None)
    return (
        trajectory.run_id,
        trajectory.task.conversation_id,
        trajectory.agent,
        trajectory.model,
        trajectory.task.text,
        answer,
        len(trajectory.steps),
        metrics.num_tool_calls or 0,
        metrics.llm_errors + (metrics.num_tool_failures or 0),
        metrics.input_tokens + metrics.output_tokens or None,
    )
