"""Exit codes of the ``reflect-otel`` command; stable, so that scripts can tell what went wrong."""

from enum import IntEnum
from typing import Final, Self

from reflect_otel.errors import (
    AuthError,
    ConfigError,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    PluginError,
    ReflectError,
    Unavailable,
)


class ExitCode(IntEnum):
    """What the command ended with; ``meaning`` is the line that help and README print."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """A number that also knows its meaning."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    OK = 0, "done"
    FAILURE = 1, "failed; standard error says why"
    USAGE = 2, "the command line is wrong"
    INVALID_INPUT = 3, "a value, a file or a setting is not valid"
    AUTH = 4, "the API key is missing, unknown or not sufficient"
    UNREACHABLE = 5, "no service answers at the endpoint"
    NOT_FOUND = 6, "no such run or memory in this project"
    DEADLINE = 7, "no answer in time; the work may still be going on"


_BY_ERROR: Final[tuple[tuple[type[ReflectError], ExitCode], ...]] = (
    (InvalidArgument, ExitCode.INVALID_INPUT),
    (ConfigError, ExitCode.INVALID_INPUT),
    (PluginError, ExitCode.INVALID_INPUT),
    (AuthError, ExitCode.AUTH),
    (Unavailable, ExitCode.UNREACHABLE),
    (NotFound, ExitCode.NOT_FOUND),
    (DeadlineExceeded, ExitCode.DEADLINE),
)


def exit_code(error: ReflectError) -> ExitCode:
    """The exit code of an error; ``FAILURE`` for those without one of their own."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), ExitCode.FAILURE)


def exit_code_help() -> str:
    """All codes, one a line, for ``--help``."""
    return "\n".join(f"  {code.value}  {code.meaning}" for code in ExitCode)
