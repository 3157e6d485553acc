"""Blocking calls with a deadline: the result, the caller's context, and nothing of a call that came too late."""

import contextvars
import subprocess
import sys
import threading
import time

import pytest

from reflect_otel.client.call_threads import run_with_deadline
from reflect_otel.errors import DeadlineExceeded

_place = contextvars.ContextVar("place", default="nowhere")


def test_a_call_runs_in_the_callers_context_and_its_result_comes_back():
    token = _place.set("here")
    try:
        assert run_with_deadline(lambda: (_place.get(), threading.current_thread().daemon), 10) == ("here", True)
    finally:
        _place.reset(token)


@pytest.mark.parametrize("error", [ValueError("x"), TimeoutError("the call's own"), KeyboardInterrupt()])
def test_an_error_of_the_call_is_the_callers(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as raised:
        run_with_deadline(fail, 10)
    assert raised.value is error


def test_a_call_that_takes_too_long_ends_in_deadline_exceeded_and_runs_on():
    enough, ended = threading.Event(), threading.Event()

    def work():
        enough.wait(20)
        ended.set()

    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
        run_with_deadline(work, 0.1)
    assert time.monotonic() - began < 5
    enough.set()
    assert ended.wait(20)


WITHOUT_THREADS = """
import asyncio, threading
from reflect_otel.client.call_threads import run_in_thread, run_with_deadline

def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

threading.Thread.start = refuse
print(run_with_deadline(lambda: "answered", 10), asyncio.run(run_in_thread(lambda: "awaited")))
"""


def test_where_no_thread_can_be_started_the_caller_makes_the_call_itself():
    done = subprocess.run([sys.executable, "-c", WITHOUT_THREADS], capture_output=True, text=True, timeout=60)
    assert done.stdout == "answered awaited\n", done.stderr
