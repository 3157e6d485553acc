"""The commands about a project as a whole: options and help here, the work in ``collector_plugin.commands``."""

from typing import Annotated

import typer

from collector_plugin.cli_options import (
    DEFAULT_ENDPOINT,
    DEFAULT_PROJECT,
    ApiKey,
    Endpoint,
    Json,
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
