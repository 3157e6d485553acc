"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import time


def wait_until(condition, seconds: float = 10.0):
    """The first true value of ``condition()``; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.005)
