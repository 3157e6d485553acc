"""The commands about a project as a whole: options and help here, the work in ``collector_plugin.commands``."""

from datetime import UTC, datetime
from typing import Annotated

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

_EXAMPLES = examples(
    "reflect-otel settings show",
    "reflect-otel settings set control_share=0.05 max_injected=2",
    "reflect-otel settings set 'reviewer_weights={\"llm\": 0.25}' review_names=quality,tone",
    "reflect-otel settings set max_injected=        # back to the default",
)

settings_app = typer.Typer(
    help="Show or change what holds for a project.", epilog=_EXAMPLES, no_args_is_help=True, rich_markup_mode=None
)


@settings_app.command(epilog=_EXAMPLES)
def show(
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Print the project's settings; a dash stands for the service's own."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.settings import run_settings_show

    run_settings_show(Connection(endpoint, api_key, project), as_json=json)


@settings_app.command(name="set", epilog=_EXAMPLES)
def set_(
    assignments: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="What to change; an empty value is the default.")
    ],
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Change settings of the project; durable, and in force at once."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.settings import run_settings_set

    run_settings_set(Connection(endpoint, api_key, project), assignments, as_json=json)


LIFT_EXAMPLES = examples(
    "reflect-otel settings set control_share=0.05     # withhold memories from one run in twenty",
    "reflect-otel lift",
    "reflect-otel lift --agent support --since 2026-01-31 --json",
    "reflect-otel lift --resume                       # serve again after a stop",
)


def lift(
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="ID", help="Only runs that it was served to or withheld from.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Only runs from this time (UTC) on. Default: since serving was last resumed.",
        ),
    ] = None,
    half_width: Annotated[
        float, typer.Option(help="Half the width of the interval that `runs needed` is reckoned for.")
    ] = 0.05,
    resume: Annotated[
        bool, typer.Option("--resume", help="Serve memories again after a stop; the evidence begins anew.")
    ] = False,
    limit: Limit = 20,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Compare pass rates with and without memories."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.lift import run_lift

    run_lift(
        Connection(endpoint, api_key, project),
        agent=agent,
        memory_id=memory,
        since=None if since is None else since.replace(tzinfo=UTC),
        half_width=half_width,
        resume=resume,
        limit=limit,
        as_json=json,
    )
