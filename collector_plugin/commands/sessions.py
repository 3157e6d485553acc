"""``reflect-otel session``, and ``--trajectory`` of ``run`` and ``session``."""

import sys
from collections.abc import Iterator

from collector_plugin.commands.connection import Connection
from collector_plugin.commands.runs import RUN_COLUMNS, build_run_row, print_conversation, print_facts
from collector_plugin.terminal import build_console, build_table, print_json
from reflect_otel.model.session import Session
from reflect_otel.model.trajectory_json import trajectory_to_json


def run_session(connection: Connection, session_id: str, *, as_json: bool) -> None:
    """Print one conversation: facts, runs, messages.

    Raises:
        NotFound: when no closed run of the project belongs to it.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        session = client.get_session(session_id)
    if as_json:
        print_json(session)
    else:
        _print_session(session)


def run_trajectory(connection: Connection, *, trace_id: str | None = None, session_id: str | None = None) -> None:
    """Print the typed trajectory of a run or a session as one JSON object.

    Raises:
        NotFound: when the project has no such run or session.
        FailedPrecondition: when the run has not been read.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        trajectory = client.get_trajectory(trace_id, session_id=session_id)
    print_json(trajectory_to_json(trajectory))


def _print_session(session: Session) -> None:
    console = build_console()
    print_facts(console, _facts(session))
    console.print()
    console.print(build_table(RUN_COLUMNS, map(build_run_row, session.runs), width=console.width))
    print_conversation(console, session.trajectory)
    if session.older_runs_left_out:
        print(f"The newest {len(session.runs)} runs; `reflect-otel runs --session` lists all.", file=sys.stderr)


def _facts(session: Session) -> Iterator[tuple[str, object]]:
    yield "session", session.id
    yield "turns", session.num_turns
    yield "runs", len(session.runs)
    yield "agents", ", ".join(session.agents)
    yield "models", ", ".join(session.models)
    yield "steps", session.steps
    yield "tools", f"{session.tool_calls} calls, {session.tool_errors} failed"
    yield "model calls", f"{session.llm_calls} answered, {session.llm_errors} failed"
    yield "tokens", f"{session.input_tokens:,} in, {session.output_tokens:,} out"
