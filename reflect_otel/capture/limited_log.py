"""Warnings that cannot flood a host's log: each kind once a minute, with the number left out meanwhile."""

import logging
import time
from typing import Final

INTERVAL_SECONDS: Final = 60.0


class LimitedLog:
    """One logger whose warnings of one kind come at most once a minute.

    Safe from any thread and forked child: it has no lock, so that two threads at the same moment may both be heard.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warn(self, kind: str, message: str, *arguments: object) -> None:
        """Log unless this kind was logged within the last minute."""
        now = time.monotonic()
        if now - self._last.get(kind, -INTERVAL_SECONDS) < INTERVAL_SECONDS:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._last[kind] = now
        left_out = self._left_out.pop(kind, 0)
        self._logger.warning(message, *arguments)
        if left_out:
            self._logger.warning("%d more warnings of this kind were left out since the one before.", left_out)
