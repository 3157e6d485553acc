"""The commands about which memories may be served: options here, the work in ``collector_plugin.commands``."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import typer

from collector_plugin.cli_options import (
    DEFAULT_ENDPOINT,
    DEFAULT_PROJECT,
    ApiKey,
    Endpoint,
    Json,
    Limit,
    Project,
    examples,
)

MemoryIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Memory ids.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stands with the memories until they are served again.")]
Memories = Annotated[list[str] | None, typer.Option("--memory", metavar="ID", help="A bad memory; repeatable.")]
Runs = Annotated[list[str] | None, typer.Option("--run", metavar="ID", help="A bad run; repeatable.")]
Author = Annotated[str, typer.Option("--author", metavar="USER", help="Every run made for this end user (user.id).")]
Since = Annotated[
    datetime | None, typer.Option("--since", metavar="TIME", help="Memories stored from this time on, UTC.")
]
Until = Annotated[datetime | None, typer.Option("--until", metavar="TIME", help="Memories stored before this time.")]

_ID: Final = "mem-5896a51f0dabc5ee82ea"
_EXAMPLES: Final = examples(
    "reflect-otel memories",
    "reflect-otel memories --status quarantined --json",
    "reflect-otel memories --alarmed",
    f"reflect-otel memories show {_ID}",
    f"reflect-otel memories quarantine {_ID} --reason 'refunds without asking'",
)

memories_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@memories_app.callback(epilog=_EXAMPLES)
def memories(
    context: typer.Context,
    status: Annotated[
        Literal["any", "active", "merged", "archived", "quarantined"], typer.Option(help="Only of this status.")
    ] = "any",
    kind: Annotated[
        Literal["any", "strategy", "pitfall", "contrast"], typer.Option(help="Only of this kind.")
    ] = "any",
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None,
    run: Annotated[str | None, typer.Option(help="Only drawn from this run.")] = None,
    author: Annotated[str | None, typer.Option(help="Only drawn from runs of this end user.")] = None,
    alarmed: Annotated[bool, typer.Option("--alarmed", help="Only where the utility has jumped.")] = False,
    limit: Limit = 50,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """List memories, newest first. Or look into one, or act on some."""
    if context.invoked_subcommand is not None:
        return
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.memories import run_memories
    from reflect_otel.client.governance_codec import MemoryWish

    only = MemoryWish(
        status=None if status == "any" else status,
        kind=None if kind == "any" else kind,
        agent=agent,
        source_run_id=run,
        author=author,
        alarmed=alarmed,
    )
    run_memories(Connection(endpoint, api_key, project), only, limit, as_json=json)


@memories_app.command(
    epilog=examples(f"reflect-otel memories show {_ID}", f"reflect-otel memories show {_ID} --json")
)
def show(
    memory_id: Annotated[str, typer.Argument(metavar="ID", help="Memory id.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Most runs to print.")] = 50,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Show one: origin, status, how each run moved its utility."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.governance import run_show

    run_show(Connection(endpoint, api_key, project), memory_id, limit, as_json=json)


@memories_app.command(
    name="quarantine",
    epilog=examples(
        f"reflect-otel memories quarantine {_ID} --reason 'refunds without asking'",
        f"reflect-otel memories quarantine {_ID} --json",
    ),
)
def quarantine_memories(
    memory_ids: MemoryIds,
    reason: Reason = "",
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Stop serving these memories: they are not trusted. `reflect-otel quarantine` goes further."""
    _act("quarantine", memory_ids, reason, endpoint, api_key, project, as_json=json)


@memories_app.command(
    epilog=examples(
        f"reflect-otel memories archive {_ID} --reason 'the shop has closed'",
        f"reflect-otel memories archive {_ID} --json",
    ),
)
def archive(
    memory_ids: MemoryIds,
    reason: Reason = "",
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Stop serving these memories: they are not needed."""
    _act("archive", memory_ids, reason, endpoint, api_key, project, as_json=json)


def _add_action(name: str, help_text: str) -> None:
    command = f"reflect-otel memories {name} {_ID}"

    @memories_app.command(name=name, help=help_text, epilog=examples(command, f"{command} --json"))
    def act(
        memory_ids: MemoryIds,
        json: Json = False,
        endpoint: Endpoint = DEFAULT_ENDPOINT,
        api_key: ApiKey = None,
        project: Project = DEFAULT_PROJECT,
    ) -> None:
        _act(name, memory_ids, "", endpoint, api_key, project, as_json=json)


def _act(
    action: str,
    memory_ids: list[str],
    reason: str,
    endpoint: str,
    api_key: str | None,
    project: str,
    *,
    as_json: bool,
) -> None:
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.governance import run_action

    run_action(Connection(endpoint, api_key, project), memory_ids, action, reason, as_json=as_json)


_add_action("release", "Put quarantined memories back to what they were.")
_add_action("restore", "Serve archived memories again; no rule archives them anew.")
_add_action("pin", "Keep these memories from being archived or merged away.")
_add_action("unpin", "Treat these memories like any other again.")


@memories_app.command(epilog=examples(f"reflect-otel memories delete {_ID}"))
def delete(
    memory_ids: MemoryIds,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Delete memories for good, with their ledger. Unknown ids are ignored."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.governance import run_delete

    run_delete(Connection(endpoint, api_key, project), memory_ids, as_json=json)


def blast_radius(
    memory: Memories = None,
    run: Runs = None,
    author: Author = "",
    since: Since = None,
    until: Until = None,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """List all that something bad has reached; changes nothing."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.governance import run_blast_radius

    origin = _origin(memory, run, author, since, until)
    run_blast_radius(Connection(endpoint, api_key, project), origin, as_json=json)


def quarantine(
    memory: Memories = None,
    run: Runs = None,
    author: Author = "",
    since: Since = None,
    until: Until = None,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Take out all that something bad has reached, until released.

    Its memories are not served and its runs do not count.
    """
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.governance import run_blast_radius, run_quarantine

    origin = _origin(memory, run, author, since, until)
    connection = Connection(endpoint, api_key, project)
    if not yes:
        run_blast_radius(connection, origin, as_json=False, on_stderr=json)
        typer.confirm("Quarantine all of these?", abort=True, err=True)
    run_quarantine(connection, origin, reason, as_json=json)


def quarantines(
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not released.")] = False,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """List quarantines, newest first."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.governance import run_quarantines

    run_quarantines(Connection(endpoint, api_key, project), open_only=open_only, as_json=json)


def release(
    quarantine_id: Annotated[str, typer.Argument(metavar="ID", help="Quarantine id.")],
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Put everything back that no other quarantine holds."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.governance import run_release

    run_release(Connection(endpoint, api_key, project), quarantine_id, as_json=json)


def add_governance(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(memories_app, name="memories")
    app.command(
        name="blast-radius",
        epilog=examples(
            f"reflect-otel blast-radius --memory {_ID}",
            "reflect-otel blast-radius --author mallory --json",
            "reflect-otel blast-radius --since 2026-05-17T09:00:00 --until 2026-05-17T10:00:00",
        ),
    )(blast_radius)
    app.command(
        epilog=examples(
            "reflect-otel quarantine --run my-run-7 --reason 'poisoned page'",
            f"reflect-otel quarantine --memory {_ID} --yes --json",
        )
    )(quarantine)
    app.command(epilog=examples("reflect-otel quarantines --open", "reflect-otel quarantines --json"))(quarantines)
    app.command(epilog=examples("reflect-otel release 5896a51f0dabc5ee82ea6b6a9ea296e4"))(release)


def _origin(
    memory: list[str] | None, run: list[str] | None, author: str, since: datetime | None, until: datetime | None
) -> dict[str, object]:
    return {
        "memory_ids": memory or [],
        "run_ids": run or [],
        "author": author,
        "since_ns": _nanoseconds(since),
        "until_ns": _nanoseconds(until),
    }


def _nanoseconds(moment: datetime | None) -> int:
    if moment is None:
        return 0
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000
