"""A streaming call that a fork of the process does not catch inside gRPC."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from reflect_otel.capture.fork_gate import fork_gate


class AnswerStream:
    """The answers of one streaming call, inside gRPC from its start until gRPC's own thread has let go of it.

    Args:
        start: starts the call.
        is_interruptible: whether a fork ends it; else a fork waits for its end, for a while.

    Attributes:
        interrupted: whether a fork has ended it.
    """

    def __init__(self, start: Callable[[], Any], *, is_interruptible: bool) -> None:
        self.interrupted = False
        fork_gate.enter(self)
        try:
            self._answers = start()
        except BaseException:
            fork_gate.leave(self)
            raise
        self._opener = threading.current_thread()
        self._answers.add_done_callback(lambda _: self._leave())
        if is_interruptible:
            fork_gate.let_interrupt(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._answers)

    def _leave(self) -> None:
        thread = threading.current_thread()
        # A call that had ended before the callback was added is told of in the opener's thread, which goes on.
        fork_gate.leave(self, ending=None if thread is self._opener else thread)

    def interrupt(self) -> None:
        """End the call, because the process forks."""
        self.interrupted = True
        self.cancel()

    def cancel(self) -> None:
        """End the call; harmless when it has ended."""
        self._answers.cancel()
