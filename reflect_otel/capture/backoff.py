"""When to try a receiver again that did not take a request. Pure but for the dice."""

import random
from typing import Final

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 15.0
_JITTER: Final = 0.2
_TOLD_JITTER: Final = 0.05


def choose_rest_seconds(failures: int, told_seconds: float | None) -> float:
    """As long as the receiver asks for, else doubling with each failure; spread, so that not all return at once.

    Args:
        failures: attempts that failed in a row, from 1.
        told_seconds: what the receiver asked for; it is never asked again before that.
    """
    if told_seconds is not None:
        return told_seconds * random.uniform(1.0, 1.0 + _TOLD_JITTER)  # noqa: S311 - spread, not a secret
    rest_seconds = min(FIRST_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_SECONDS)
    return rest_seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spread, not a secret
