"""``reflect-otel lift``: runs with memories against runs from which they were withheld; serving again after a stop.

With ``--json`` one object::

    project, agents [..], memories [..]: {scope, subject, with_memory, without_memory
        {runs, reviewed, passes, pass_rate, mean_reward}, difference, low, high, conclusion, runs_needed},
    control_share, since_ns, half_width, harm_evidence, harm_limit, serving_stopped_reason, serving_stopped_ns
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from collector_plugin.commands.connection import Connection
from collector_plugin.terminal import Column, build_console, build_table, count, print_json, printable
from reflect_otel.model.lift import MAX_RUNS_NEEDED, Arm, Lift, LiftConclusion, LiftReport, LiftScope

_COLUMNS: Final = (
    Column("what"),
    Column("with memory", number=True),
    Column("without", number=True),
    Column("difference", number=True),
    Column("95 % interval"),
    Column("says"),
    Column("reward with", number=True, wide_only=True),
    Column("without", number=True, wide_only=True),
    Column("runs needed", number=True),
)
_STYLES: Final = {LiftConclusion.HELPS: "green", LiftConclusion.HARMS: "bold red", LiftConclusion.UNKNOWN: "dim"}
_WORDS: Final = {
    LiftConclusion.HELPS: "helps",
    LiftConclusion.HARMS: "harms",
    LiftConclusion.UNKNOWN: "not known",
}


def run_lift(
    connection: Connection,
    *,
    agent: str | None,
    memory_id: str | None,
    since: datetime | None,
    half_width: float,
    resume: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Print the lift report, after serving was resumed if asked for.

    Raises:
        InvalidArgument: for a half width out of range.
        TransportError: when the service does not answer.
    """
    since_ns = None if since is None else max(0, round(since.timestamp()) * 1_000_000_000)
    with connection.open() as client:
        if resume:
            client.update_project_settings(serving=True)
        report = client.get_lift(agent=agent, memory_id=memory_id, since_ns=since_ns, half_width=half_width)
    if as_json:
        print_json(describe(report))
        return
    _print_report(report, limit)


def describe(report: LiftReport) -> dict[str, Any]:
    """A report as the JSON object that ``--json`` prints: its fields with what follows from them."""
    return {
        **asdict(report),
        "project": _describe_lift(report.project),
        "agents": list(map(_describe_lift, report.agents)),
        "memories": list(map(_describe_lift, report.memories)),
    }


def build_verdict_lines(report: LiftReport) -> Iterator[str]:
    """What the report comes to, in sentences."""
    lift = report.project
    if lift.difference is None:
        yield from _build_nothing_lines(report)
        return
    runs = f"{_share(lift.with_memory)} runs with memory passed, {_share(lift.without_memory)} without"
    yield f"{runs}: {_points(lift.difference)} points, 95 % interval {_interval(lift)}."
    if lift.conclusion is LiftConclusion.UNKNOWN:
        control = lift.without_memory.reviewed
        told = f"{count(control, 'reviewed control run does', 'reviewed control runs do')} not tell"
        yield f"Not yet known whether memories help: {told}.{_wanted(report)}"
    else:
        yield f"Memories {'help' if lift.conclusion is LiftConclusion.HELPS else 'do harm'}.{_wanted(report)}"


def _build_nothing_lines(report: LiftReport) -> Iterator[str]:
    if not report.control_share:
        yield (
            "Nothing to compare: no run is denied memories by chance. `reflect-otel settings set control_share=0.05` "
            "withholds them from one run in twenty."
        )
        return
    arms = report.project.with_memory, report.project.without_memory
    if not (arms[0].runs or arms[1].runs):
        yield f"Not yet known: no run has been served memories or denied them.{_wanted(report)}"
        return
    yield (
        f"Not yet known: {arms[0].reviewed} of {arms[0].runs} runs with memory are reviewed, "
        f"{arms[1].reviewed} of {arms[1].runs} without.{_wanted(report)}"
    )


def _wanted(report: LiftReport) -> str:
    missing = report.project.runs_needed
    if missing in (0, MAX_RUNS_NEEDED):
        return ""
    return f" About {missing:,} more reviewed runs narrow the interval to ±{100 * report.half_width:g} points."


def _print_report(report: LiftReport, limit: int) -> None:
    console = build_console()
    for line in build_verdict_lines(report):
        console.print(line, soft_wrap=True)
    if report.since_ns:
        since = datetime.fromtimestamp(report.since_ns / 1e9, UTC).isoformat(timespec="seconds")
        console.print(f"Of the runs since {since}; --since tells from when on they count.", soft_wrap=True)
    if report.serving_stopped_reason:
        reason = printable(report.serving_stopped_reason)
        console.print(Text(f"Serving is stopped: {reason}. `reflect-otel lift --resume` serves again.", "bold red"))
    elif report.control_share:
        console.print(
            f"Serving goes on. Evidence of harm: {report.harm_evidence:.2g}; at {report.harm_limit:g} it stops.",
            soft_wrap=True,
        )
    rows = [lift for lift in (report.project, *report.agents, *report.memories) if lift.with_memory.runs]
    rows += [lift for lift in (*report.agents, *report.memories) if not lift.with_memory.runs]
    if len(rows) > 1:
        console.print()
        console.print(build_table(_COLUMNS, map(_build_row, rows[:limit]), width=console.width))
    if len(rows) > limit:
        print(f"The first {limit} of {len(rows)}; --limit shows more.", file=sys.stderr)


def _build_row(lift: Lift) -> Sequence[object]:
    what = {LiftScope.PROJECT: "project", LiftScope.AGENT: f"agent {lift.subject or '(unnamed)'}"}
    word = Text(_WORDS[lift.conclusion], style=_STYLES[lift.conclusion])
    return (
        what.get(lift.scope, lift.subject),
        _rate(lift.with_memory),
        _rate(lift.without_memory),
        None if lift.difference is None else _points(lift.difference),
        None if lift.difference is None else _interval(lift),
        word,
        lift.with_memory.mean_reward,
        lift.without_memory.mean_reward,
        None if lift.runs_needed == MAX_RUNS_NEEDED else lift.runs_needed,
    )


def _share(arm: Arm) -> str:
    return f"{100 * (arm.pass_rate or 0.0):.0f} % of {arm.reviewed:,}"


def _rate(arm: Arm) -> str:
    rate = arm.pass_rate
    return f"0 of {arm.runs} reviewed" if rate is None else f"{100 * rate:.0f} % of {arm.reviewed:,}"


def _points(share: float) -> str:
    return f"{100 * share:+.0f}"


def _interval(lift: Lift) -> str:
    return f"{_points(lift.low)} to {_points(lift.high)}"


def _describe_lift(lift: Lift) -> dict[str, Any]:
    return {
        **asdict(lift),
        "with_memory": _describe_arm(lift.with_memory),
        "without_memory": _describe_arm(lift.without_memory),
        "conclusion": lift.conclusion.value,
    }


def _describe_arm(arm: Arm) -> dict[str, Any]:
    return {**asdict(arm), "pass_rate": arm.pass_rate}
