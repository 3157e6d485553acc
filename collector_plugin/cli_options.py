"""Options that many commands share: where the service is, as whom, how to print."""

from typing import Annotated, Final

import typer

Endpoint = Annotated[
    str,
    typer.Option("--endpoint", envvar="REFLECT_ENDPOINT", metavar="URL", help="Where the service answers gRPC."),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="REFLECT_API_KEY", metavar="KEY", help="Key, where the service asks for one."),
]
Project = Annotated[
    str,
    typer.Option("--project", envvar="REFLECT_PROJECT_ID", metavar="ID", help="Project, where no key decides it."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]
AsTrajectory = Annotated[
    bool, typer.Option("--trajectory", help="The typed trajectory as one JSON object (docs/api.md) instead.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most lines to print.")]


def examples(*lines: str) -> str:
    """The epilog of a command: lines that can be pasted into a shell."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


DEFAULT_ENDPOINT: Final = "http://localhost:4317"
DEFAULT_PROJECT: Final = "default"
