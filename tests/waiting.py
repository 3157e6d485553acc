"""Waiting for a condition with a deadline, instead of sleeping and hoping; and what a busy machine makes of time."""

import contextlib
import time
from pathlib import Path
from typing import Self


def wait_until(condition, seconds: float = 10.0):
    """The first true value of ``condition()``; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.005)


class Stopwatch:
    """``with Stopwatch() as watch``: the seconds of the block, without those in which a busy machine let others run.

    Every thread's wait for a processor is counted, where the system tells (Linux), so ``seconds`` may be too small on
    a busy machine, and is the plain time on a quiet one.
    """

    def __enter__(self) -> Self:
        self._waited_before = _read_waits()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_) -> None:
        took_seconds = time.perf_counter() - self._began
        waited = _read_waits()
        waited_ns = sum(after - self._waited_before.get(thread, 0) for thread, after in waited.items())
        self.seconds = took_seconds - waited_ns / 1e9


def _read_waits() -> dict[str, int]:
    """Nanoseconds that each thread of this process has been runnable and not running."""
    waits = {}
    for task in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            waits[task.parent.name] = int(task.read_text().split()[1])
    return waits
