"""``reflect-otel runs``, ``run``, ``review`` and ``unreview``: what the service knows of the runs."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from collector_plugin.commands.connection import Connection
from collector_plugin.terminal import (
    Column,
    build_console,
    build_table,
    build_verdict,
    print_json,
    printable,
)
from reflect_otel.model.review import Review, ReviewStatus
from reflect_otel.model.trace import Trace

RUN_COLUMNS: Final = (
    Column("run"),
    Column("task", share=3),
    Column("agent", share=1, wide_only=True),
    Column("model", share=1, wide_only=True),
    Column("steps", number=True, not_tiny=True),
    Column("tools", number=True, wide_only=True),
    Column("errors", number=True, not_tiny=True),
    Column("tokens", number=True, wide_only=True),
    Column("result"),
)


def run_runs(
    connection: Connection, status: str | None, agent: str | None, session: str | None, limit: int, *, as_json: bool
) -> None:
    """Print the newest runs of this review status, or of any.

    Raises:
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        traces = list(islice(client.iter_traces(review_status=status, agent=agent, session_id=session), limit))
    if as_json:
        print_json(*traces)
        return
    print_runs(traces)
    if not traces and (status or agent or session):
        print("No such runs.", file=sys.stderr)
    elif not traces:
        print(
            "No runs. Send some: point an OTLP exporter at the service, or try `reflect-otel demo`.", file=sys.stderr
        )
    elif len(traces) == limit:
        print(f"The newest {limit}; --limit shows more.", file=sys.stderr)


def print_runs(traces: Iterable[Trace]) -> None:
    """Runs as a table, one a line."""
    console = build_console()
    console.print(build_table(RUN_COLUMNS, map(build_run_row, traces), width=console.width))


def build_run_row(trace: Trace) -> Sequence[object]:
    """The cells of ``RUN_COLUMNS``."""
    return (
        trace.id,
        trace.task,
        trace.agent,
        trace.model,
        trace.steps,
        trace.tool_calls,
        trace.tool_errors + trace.llm_errors,
        (trace.input_tokens + trace.output_tokens) or None,
        "none counts" if trace.reviews and trace.verdict is None else build_verdict(trace.verdict),
    )


def run_run(connection: Connection, run_id: str, *, as_json: bool) -> None:
    """Print one run with its conversation.

    Raises:
        NotFound: when the project has no such run.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        trace = client.get_trace(run_id)
    if as_json:
        print_json(trace)
        return
    _print_run(trace)


def run_review(connection: Connection, run_id: str, review: Review, *, as_json: bool) -> None:
    """Review a run and print what came of it.

    Raises:
        InvalidArgument: for a score outside 0..1, a step size outside 0..1, or a name that is too long.
        NotFound: when the project has no such run.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        trace = client.review_trace(
            run_id,
            result=review.result.value,
            feedback_text=review.feedback,
            score=review.score,
            source=review.source,
            name=review.name,
            identifier=review.identifier,
            alpha=review.alpha,
        )
    if as_json:
        print_json(trace)
        return
    learned = f"memory {trace.created_memory_id}" if trace.created_memory_id else "no new memory"
    among = f"; {_describe_standing(trace)}" if len(trace.reviews) > 1 else ""
    print(printable(f"{trace.id}: {review.result.value}; {learned}{among}"))


def run_unreview(
    connection: Connection, run_id: str, source: str, name: str, identifier: str, *, as_json: bool
) -> None:
    """Take a review back and print what is left.

    Raises:
        NotFound: when the project has no such run, or the run no such review.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        trace = client.withdraw_review(run_id, source=source, name=name, identifier=identifier)
    if as_json:
        print_json(trace)
        return
    print(printable(f"{trace.id}: withdrawn; {_describe_standing(trace)}"))


def _describe_standing(trace: Trace) -> str:
    if not trace.reviews:
        return "no review left"
    count = len(trace.reviews)
    verdict = "none counts" if trace.verdict is None else f"{trace.verdict.value}, reward {trace.reward:.2f}"
    return f"{count} review{'s stand' if count > 1 else ' stands'}: {verdict}"


def _print_run(trace: Trace) -> None:
    console = build_console()
    print_facts(console, _facts(trace))
    print_conversation(console, trace.trajectory)


def print_facts(console: Console, facts: Iterable[tuple[str, object]]) -> None:
    """Names with their values, one a line; those without a value are left out."""
    for name, value in facts:
        if value not in (None, ""):
            console.print(Text(f"{name:>11}  ", style="dim") + Text(printable(str(value))), soft_wrap=True)


def print_conversation(console: Console, messages: Iterable[Mapping[str, Any]]) -> None:
    """Chat messages, each under its role."""
    for message in messages:
        console.print()
        _print_message(console, message)


def _facts(trace: Trace) -> Iterator[tuple[str, object]]:
    yield "run", trace.id
    yield "task", trace.task
    yield "agent", trace.agent
    yield "model", trace.model
    yield "session", trace.session_id
    yield "steps", trace.steps
    yield "tools", f"{trace.tool_calls} calls, {trace.tool_errors} failed"
    yield "model calls", f"{trace.llm_calls} answered, {trace.llm_errors} failed"
    yield "tokens", f"{trace.input_tokens:,} in, {trace.output_tokens:,} out"
    yield "closed by", trace.closed_by
    yield "status", trace.ingest_status
    yield "error", trace.last_ingest_error
    yield "verdict", _describe_verdict(trace)
    for review in trace.reviews:
        yield "review", describe_review(review)
    yield "served", ", ".join(trace.retrieved_memory_ids)
    yield "learned", trace.created_memory_id
    yield "lesson by", trace.reflector
    yield "note", trace.reflection_note
    yield "trace ids", ", ".join(trace.trace_ids)


def _describe_verdict(trace: Trace) -> str:
    if not trace.reviews:
        return "none, not reviewed"
    learning = "" if trace.review_status == ReviewStatus.REVIEWED else "; not learned from yet"
    if trace.verdict is None:
        return f"none of the reviews counts{learning}"
    return f"{trace.verdict.value}, reward {trace.reward:.2f}{learning}"


def describe_review(review: Review) -> str:
    """A review in one line: what, by whom, of what name, and why."""
    given = "" if review.score is None else f" {review.score:.2f}"
    who = f" by {review.source.value}{f' {review.identifier}' if review.identifier else ''}"
    name = "" if review.name == "review" else f" ({review.name})"
    return f"{review.result.value}{given}{who}{name}{f': {review.feedback}' if review.feedback else ''}"


def _print_message(console: Console, message: Mapping[str, Any]) -> None:
    console.print(Text(printable(str(message.get("role", ""))), style="bold"))
    content = message.get("content")
    if content:
        console.print(Text(printable(str(content), keep_lines=True)), soft_wrap=True)
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        line = f"-> {function.get('name', '')} {function.get('arguments', '')}"
        console.print(Text(printable(line), style="cyan"), soft_wrap=True)
