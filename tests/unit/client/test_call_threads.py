"""Blocking calls with a deadline: the result, the caller's context, and nothing of a call that came too late."""

import contextvars
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
