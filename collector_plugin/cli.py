"""The command line: options and help here and in ``cli_*``, the work in ``collector_plugin.commands``.

Each command imports what it needs when it runs, so that ``--help`` and ``read`` start in a moment.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from collector_plugin.cli_memories import add_governance
from collector_plugin.cli_models import models_app
from collector_plugin.cli_options import (
    DEFAULT_ENDPOINT,
    DEFAULT_PROJECT,
    ApiKey,
    Endpoint,
    Json,
    Project,
    examples,
)
from collector_plugin.cli_projects import LIFT_EXAMPLES, lift, settings_app
from collector_plugin.cli_runs import add_runs
from collector_plugin.exit_codes import ExitCode, exit_code_help
from reflect_otel import __version__

app = typer.Typer(
    name="reflect-otel",
    help="Agents learn from their own OpenTelemetry traces: runs, reviews, memories, and the next prompt.",
    epilog=f"\b\nExit codes:\n{exit_code_help()}",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"reflect-otel {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that stand before the command."""


@app.command(
    epilog=examples(
        "reflect-otel serve --data-dir ./data",
        "reflect-otel serve --grpc-address 0.0.0.0:4317 --api-key-file keys.txt",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://apm:4317 reflect-otel serve --telemetry",
        "OPENAI_API_KEY=... reflect-otel serve --reflector openai:MODEL --daily-usd 2 --model-price 0.4:1.6",
    )
)
def serve(
    data_dir: Annotated[
        Path, typer.Option(envvar="REFLECT_DATA_DIR", help="Journal and database; made when missing.")
    ] = Path("reflect-data"),
    grpc_address: Annotated[
        str, typer.Option(envvar="REFLECT_GRPC_ADDRESS", metavar="HOST:PORT", help="OTLP and the reflect API.")
    ] = "127.0.0.1:4317",
    http_address: Annotated[
        str, typer.Option(envvar="REFLECT_HTTP_ADDRESS", metavar="HOST:PORT", help="Health and status.")
    ] = "127.0.0.1:4318",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine although no API key is asked for.")
    ] = False,
    api_key_file: Annotated[
        Path | None,
        typer.Option(envvar="REFLECT_API_KEY_FILE", help="One KEY:PROJECT a line; the key decides the project."),
    ] = None,
    settle_seconds: Annotated[
        float, typer.Option(min=0.0, help="How long a run whose root has ended waits for late spans.")
    ] = 2.0,
    idle_seconds: Annotated[
        float, typer.Option(min=0.0, help="Silence after which a run without an ended root is closed.")
    ] = 60.0,
    review_name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Evaluation that counts as a review; repeatable. Default: all pass/fail."),
    ] = None,
    pass_score: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="An evaluation without a label passes from this score up.")
    ] = 0.5,
    max_injected: Annotated[int, typer.Option(min=0, help="Most memories that one augmentation serves.")] = 3,
    embedder: Annotated[
        str,
        typer.Option(
            envvar="REFLECT_EMBEDDER",
            metavar="NAME",
            help="openai, minilm, hashing or another that is installed; auto takes openai where "
            "REFLECT_EMBEDDING_MODEL is set, else minilm where it is installed, else hashing.",
        ),
    ] = "auto",
    reflector: Annotated[
        str,
        typer.Option(
            envvar="REFLECT_REFLECTOR",
            metavar="NAME",
            help="Who draws lessons: offline, or openai:MODEL for any OpenAI-compatible endpoint (OPENAI_API_KEY, "
            "OPENAI_BASE_URL).",
        ),
    ] = "offline",
    judge: Annotated[
        bool, typer.Option("--judge", envvar="REFLECT_JUDGE", help="Let that model review runs nobody reviews.")
    ] = False,
    model_timeout_seconds: Annotated[float, typer.Option(min=0.1, help="Longest call to the model.")] = 60.0,
    daily_tokens: Annotated[
        int,
        typer.Option(min=0, envvar="REFLECT_DAILY_TOKENS", help="Most tokens of a project a UTC day; 0: any."),
    ] = 5_000_000,
    daily_usd: Annotated[
        float, typer.Option(min=0.0, envvar="REFLECT_DAILY_USD", help="Most USD of a project a UTC day; 0: any.")
    ] = 0.0,
    model_price: Annotated[
        str,
        typer.Option(envvar="REFLECT_MODEL_PRICE", metavar="INPUT:OUTPUT", help="USD for a million tokens of each."),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Host whose addresses may stand in a lesson; repeatable."),
    ] = None,
    telemetry: Annotated[
        bool,
        typer.Option(
            "--telemetry",
            envvar="REFLECT_TELEMETRY",
            help="Send the service's own spans, events and metrics where OTEL_EXPORTER_OTLP_ENDPOINT says.",
        ),
    ] = False,
) -> None:
    """Run the service: OTLP in, memories out. It ends on SIGTERM or Ctrl+C."""
    from collector_plugin.commands.serve import ModelFlags, run_serve
    from reflect_otel.ports import Settings

    settings = Settings(
        settle_seconds=settle_seconds,
        idle_seconds=idle_seconds,
        review_names=frozenset(name.lower() for name in review_name or ()),
        pass_score=pass_score,
        max_injected=max_injected,
        allowed_hosts=frozenset(host.lower() for host in allow_host or ()),
    )
    model = ModelFlags(
        reflector=reflector,
        judge=judge,
        timeout_seconds=model_timeout_seconds,
        daily_tokens=daily_tokens,
        daily_usd=daily_usd,
        price=model_price,
    )
    files = (data_dir, grpc_address, http_address, insecure, api_key_file)
    sys.exit(run_serve(*files, settings, embedder, model, telemetry=telemetry))


@app.command(
    epilog=examples(
        "reflect-otel demo",
        "reflect-otel demo --data-dir ./demo-data --all",
    )
)
def demo(
    data_dir: Annotated[
        Path | None, typer.Option(help="An empty or new folder to work in. Default: a new one, kept afterwards.")
    ] = None,
    all_rows: Annotated[
        bool, typer.Option("--all", help="Print every run and memory, not only the first ones.")
    ] = False,
) -> None:
    """Show the whole loop on recorded runs of real agents."""
    from collector_plugin.demo.stages import run_demo

    sys.exit(run_demo(data_dir, all_rows=all_rows))


@app.command(
    epilog=examples(
        "reflect-otel augment 'Cancel the flight on May 17'",
        "reflect-otel augment 'Cancel the flight on May 17' --explain",
        "reflect-otel augment 'Cancel the flight on May 17' --filter team=air --max-injected 1",
        "reflect-otel augment - --lambda 1 --json < task.txt",
    )
)
def augment(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task in words; - reads standard input.")],
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100, help="A ceiling for --max-injected; more widen the choice.")
    ] = 10,
    lambda_: Annotated[
        float, typer.Option("--lambda", min=0.0, max=1.0, help="1 = by similarity alone, 0 = by utility alone.")
    ] = 0.5,
    threshold: Annotated[
        float | None,
        typer.Option(min=-1.0, max=1.0, metavar="COSINE", help="Least similarity. Default: the embedder's own."),
    ] = None,
    max_injected: Annotated[
        int | None, typer.Option(min=0, help="Most memories in the prompt. Default: the project's setting, else 3.")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="KEY=VALUE", help="Only memories with this metadata; repeatable."),
    ] = None,
    mmr_lambda: Annotated[
        float,
        typer.Option("--mmr-lambda", min=0.0, max=1.0, help="Below 1: lessons in words already served count less."),
    ] = 1.0,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also show every memory near the task, and why it is in or left out.")
    ] = False,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Print the prompt that a task would get now."""
    from collector_plugin.commands.augment import read_pairs, run_augment
    from collector_plugin.commands.connection import Connection
    from reflect_otel.model.memory import RetrievalOptions

    options = RetrievalOptions(
        limit=limit,
        lambda_=lambda_,
        similarity_threshold=threshold,
        metadata_filter=read_pairs(metadata or (), "--filter"),
        mmr_lambda=mmr_lambda,
        max_injected=max_injected,
    )
    text = sys.stdin.read() if task == "-" else task
    run_augment(Connection(endpoint, api_key, project), text, options, explain=explain, as_json=json)


@app.command(
    epilog=examples(
        "reflect-otel doctor",
        "reflect-otel doctor --probe --json",
        "reflect-otel doctor --data-dir ./data    # while the service is stopped",
    )
)
def doctor(
    data_dir: Annotated[
        Path | None, typer.Option(help="Look into the data folder of a stopped service instead.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also send a run by OTLP, read it back, review it and delete it again.")
    ] = False,
    http_endpoint: Annotated[
        str, typer.Option(envvar="REFLECT_HTTP_ENDPOINT", metavar="URL", help="Where the service answers HTTP.")
    ] = "http://localhost:4318",
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Check a service, or a stopped one's data folder. Exit code 1 on a bad finding."""
    from reflect_otel.capture.connection import find_embedded_folder

    embedded_folder = find_embedded_folder(endpoint, field="endpoint")
    if data_dir is None and embedded_folder is not None:
        data_dir = Path(embedded_folder).expanduser()
    if data_dir is not None:
        from collector_plugin.commands.folder import run_folder_doctor

        sys.exit(run_folder_doctor(data_dir, as_json=json))
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.doctor import run_doctor

    sys.exit(run_doctor(Connection(endpoint, api_key, project), http_endpoint, probe=probe, as_json=json))


@app.command(
    epilog=examples(
        "reflect-otel read traces.jsonl logs.jsonl",
        "reflect-otel read spans.jsonl.gz --json --by session",
    )
)
def read(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="OTLP/JSON: .json, .jsonl, also .gz.")],
    by: Annotated[Literal["run", "session"], typer.Option(help="One entry a run, or one a conversation.")] = "run",
    json: Json = False,
) -> None:
    """Print the runs in recorded telemetry; needs no service."""
    from collector_plugin.commands.read import run_read

    failed = run_read(files, by=by, json_output=json)
    sys.exit(ExitCode.INVALID_INPUT if failed else ExitCode.OK)


add_runs(app)
add_governance(app)
app.command(epilog=LIFT_EXAMPLES)(lift)
app.add_typer(settings_app, name="settings")
app.add_typer(models_app, name="models")
