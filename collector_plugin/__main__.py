"""Start of the ``reflect-otel`` command: errors become one line on standard error and an exit code."""

import sys
from typing import Final

from reflect_otel.errors import ReflectError

_SERVER_MODULES: Final = frozenset(
    {"typer", "rich", "duckdb", "faiss", "numpy", "orjson", "starlette", "uvicorn", "grpc_health", "grpc_reflection"}
)
"""Top-level modules that only the ``[server]`` extra brings."""

_INTERRUPTED: Final = 130
"""What a shell takes for an end by Ctrl-C, 128 + SIGINT."""


def main() -> None:
    """Run the command line and leave with one of ``collector_plugin.exit_codes``."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # absent only when replaced
    try:
        from collector_plugin.cli import app

        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)  # before the command line takes care of it: while modules are loaded
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _SERVER_MODULES:
            raise
        sys.exit(
            f"reflect-otel: the command line needs the Python module {missing.name!r}, which the agent-side "
            "install leaves out; pip install 'reflect-otel[server]'"
        )
    except ReflectError as error:
        sys.exit(_report(error))


def _report(error: ReflectError) -> int:
    from collector_plugin.exit_codes import exit_code
    from collector_plugin.terminal import printable

    print(f"reflect-otel: {printable(str(error))} [{error.reason}]", file=sys.stderr)
    return exit_code(error)


if __name__ == "__main__":
    main()
