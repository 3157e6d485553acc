"""The commands about runs and their reviews: options here, the work in ``collector_plugin.commands``."""

from typing import Annotated, Literal

import typer

from collector_plugin.cli_options import (
    DEFAULT_ENDPOINT,
    DEFAULT_PROJECT,
    ApiKey,
    AsTrajectory,
    Endpoint,
    Json,
    Limit,
    Project,
    examples,
)


def runs(
    status: Annotated[
        Literal["any", "pending", "reviewed"], typer.Option(help="Only runs of this review status.")
    ] = "any",
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    session: Annotated[str | None, typer.Option(help="Only runs of this conversation.")] = None,
    limit: Limit = 50,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """List runs, newest first."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.runs import run_runs

    wanted = None if status == "any" else status
    run_runs(Connection(endpoint, api_key, project), wanted, agent, session, limit, as_json=json)


def run(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="Run id or W3C trace id.")],
    trajectory: AsTrajectory = False,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Show one run: conversation, review, what was learned."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.runs import run_run
    from collector_plugin.commands.sessions import run_trajectory

    connection = Connection(endpoint, api_key, project)
    if trajectory:
        run_trajectory(connection, trace_id=run_id)
    else:
        run_run(connection, run_id, as_json=json)


def session(
    session_id: Annotated[str, typer.Argument(metavar="ID", help="Conversation id, as the agent sent it.")],
    trajectory: AsTrajectory = False,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Show one conversation over all its runs."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.sessions import run_session, run_trajectory

    connection = Connection(endpoint, api_key, project)
    if trajectory:
        run_trajectory(connection, session_id=session_id)
    else:
        run_session(connection, session_id, as_json=json)


def review(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="Run id or W3C trace id.")],
    result: Annotated[str, typer.Option(metavar="pass|fail", help="The verdict.")],
    feedback: Annotated[
        str | None, typer.Option(help="Why, in words; specific feedback makes better memories.")
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="Graded verdict in 0..1. Default: 1 for pass, 0 for fail.")
    ] = None,
    source: Annotated[Literal["human", "code", "llm"], typer.Option(help="Who judges.")] = "human",
    name: Annotated[str, typer.Option(help="Name of the evaluation.")] = "review",
    identifier: Annotated[
        str, typer.Option(help="Which reviewer; without it a second review of this source replaces the first.")
    ] = "",
    alpha: Annotated[
        float | None, typer.Option(help="Step size of the utilities, above 0 up to 1. Default: the rule's.")
    ] = None,
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Judge a run; the service learns from it before this returns."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.runs import run_review
    from reflect_otel.model.review import Review, ReviewResult, ReviewSource

    verdict = Review(
        result=ReviewResult.parse(result),
        score=score,
        feedback=feedback,
        source=ReviewSource(source),
        name=name,
        identifier=identifier,
        alpha=alpha,
    )
    run_review(Connection(endpoint, api_key, project), run_id, verdict, as_json=json)


def unreview(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="Run id or W3C trace id.")],
    source: Annotated[
        Literal["human", "code", "llm"], typer.Option(help="Who gave the review that is taken back.")
    ] = "human",
    name: Annotated[str, typer.Option(help="Name of the evaluation.")] = "review",
    identifier: Annotated[str, typer.Option(help="The reviewer, where the review named one.")] = "",
    json: Json = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    api_key: ApiKey = None,
    project: Project = DEFAULT_PROJECT,
) -> None:
    """Take a review back. All that was learned from it is unlearned before this returns."""
    from collector_plugin.commands.connection import Connection
    from collector_plugin.commands.runs import run_unreview

    run_unreview(Connection(endpoint, api_key, project), run_id, source, name, identifier, as_json=json)


def add_runs(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        epilog=examples(
            "reflect-otel runs",
            "reflect-otel runs --status pending --agent support --json",
        )
    )(runs)
    app.command(
        epilog=examples(
            "reflect-otel run 5896a51f0dabc5ee82ea6b6a9ea296e4",
            "reflect-otel run my-run-7 --json",
            "reflect-otel run my-run-7 --trajectory > trajectory.json",
        )
    )(run)
    app.command(
        epilog=examples(
            "reflect-otel session conv-1042",
            "reflect-otel session conv-1042 --json",
            "reflect-otel session conv-1042 --trajectory > trajectory.json",
        )
    )(session)
    app.command(
        epilog=examples(
            "reflect-otel review my-run-7 --result pass",
            "reflect-otel review my-run-7 --result fail --feedback 'cancelled without asking first'",
            "reflect-otel review my-run-7 --result pass --score 0.8 --identifier ada",
            "reflect-otel review my-run-7 --result pass --source code --name unit-tests --json",
        )
    )(review)
    app.command(
        epilog=examples(
            "reflect-otel unreview my-run-7",
            "reflect-otel unreview my-run-7 --source llm --name correctness",
        )
    )(unreview)
