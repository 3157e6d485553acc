"""Blocking calls for those who must not block: coroutines, and callers with a deadline. Each in a thread of ours.

One gRPC channel serves threads and event loops alike this way: any number of loops, any transport, and nothing of a
loop survives a fork. The threads are daemons, so that an unanswered call never holds up the end of the process, and
not those of the loop's executor, which belong to the host.
"""

import asyncio
import contextvars
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from reflect_otel.errors import DeadlineExceeded

P = ParamSpec("P")
T = TypeVar("T")
Tell: TypeAlias = Callable[[], None]
"""Hands the outcome of a call to whoever waits for it."""
Work: TypeAlias = Callable[[], Tell]

IDLE_SECONDS: Final = 10.0
"""How long a thread waits for its next call before it ends."""


async def run_in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a blocking call, in the caller's context variables, without blocking its event loop.

    When the awaiting task is cancelled the call runs on to its own deadline, and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    within = contextvars.copy_context()

    def work() -> Tell:
        try:
            result = within.run(call, *args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the call is awaited
            return partial(_deliver, loop, outcome, outcome.set_exception, _without_stop_iteration(error))
        return partial(_deliver, loop, outcome, outcome.set_result, result)

    _threads.start(work)
    return await outcome


def run_with_deadline(call: Callable[[], T], timeout_seconds: float) -> T:
    """The result of a blocking call, in the caller's context variables.

    Raises:
        DeadlineExceeded: after ``timeout_seconds``; the call runs on, and its result is dropped.
    """
    outcome: Future[T] = Future()
    within = contextvars.copy_context()

    def work() -> Tell:
        try:
            return partial(outcome.set_result, within.run(call))
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            return partial(outcome.set_exception, error)

    _threads.start(work)
    try:
        return outcome.result(timeout_seconds)
    except TimeoutError:
        if outcome.done():
            return outcome.result()
        raise DeadlineExceeded(
            f"no answer within {timeout_seconds:g} s; the work goes on, ask again or raise the timeout"
        ) from None


def _without_stop_iteration(error: BaseException) -> BaseException:
    """Futures refuse StopIteration."""
    return RuntimeError("the call raised StopIteration") if isinstance(error, StopIteration) else error


def _deliver(
    loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[Any], settle: Callable[[Any], None], value: Any
) -> None:
    def settle_unless_cancelled() -> None:
        if not outcome.done():
            settle(value)

    try:
        loop.call_soon_threadsafe(settle_unless_cancelled)
    except RuntimeError:  # the loop was closed while the call was under way: nobody waits any more
        return


class _Thread:
    """A daemon thread that takes one call after another while there are any."""

    def __init__(self, idle: "deque[_Thread]") -> None:
        self.calls: SimpleQueue[Work] = SimpleQueue()
        self._idle = idle
        threading.Thread(target=self._work, name="reflect-otel-call", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                call = self.calls.get(timeout=IDLE_SECONDS)
            except Empty:
                try:
                    self._idle.remove(self)
                except ValueError:  # taken this very moment: its call is about to arrive
                    continue
                return
            tell = call()
            self._idle.append(self)  # before anybody hears of the result, so that their next call finds this thread
            tell()
            del call, tell


class _CallThreads:
    """As many threads as calls are under way, each used again for a while."""

    def __init__(self) -> None:
        self._idle: deque[_Thread] = deque()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_over)

    def _start_over(self) -> None:
        self._idle = deque()

    def start(self, call: Work) -> None:
        try:
            thread = self._idle.pop()
        except IndexError:
            try:
                thread = _Thread(self._idle)
            except (
                RuntimeError
            ):  # no more threads, as at the end of the interpreter: the caller makes the call itself
                call()()
                return
        thread.calls.put(call)


_threads: Final = _CallThreads()
