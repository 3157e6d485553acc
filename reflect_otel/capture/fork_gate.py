"""Keeps our calls out of gRPC while the process forks: otherwise gRPC aborts the child with its first call.

gRPC's own fork handlers do nothing, and leave the child a broken poller, when any thread is inside a call at that
moment ("Other threads are currently calling into gRPC, skipping fork() handlers"). Our background threads may be in
one at any time without the host's knowing.
"""

import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

_WAIT_SECONDS: Final = 1.0
"""How long a fork may wait for calls that nobody interrupts; those that an agent waits for take 0.3 s at most."""

_ASK_AGAIN_SECONDS: Final = 0.005
"""Who has just gone in may not be interruptible yet, and nothing tells of the end of a thread."""

_SETTLE_SECONDS: Final = 0.01
"""How long a thread that has left may still be inside gRPC, for the release of what the call held."""


class Interruptible(Protocol):
    """A caller whose call may end early."""

    def interrupt(self) -> None:
        """End the call that is under way, if any."""


class ForkGate:
    """Counts who is inside gRPC: threads, and streams, which gRPC reads in a thread of its own.

    A fork waits until there is none, and none goes in meanwhile.
    """

    def __init__(self) -> None:
        self._interruptible: weakref.WeakSet[Interruptible] = weakref.WeakSet()
        self._start_over()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._start_over)

    def _start_over(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[Hashable] = Counter()
        self._ending: set[threading.Thread] = set()
        self._forks = 0
        self._left_seconds = 0.0

    @contextmanager
    def call(self) -> Iterator[None]:
        """The block is a call into gRPC."""
        me = threading.get_ident()
        self.enter(me)
        try:
            yield
        finally:
            self.leave(me)

    def enter(self, who: Hashable) -> None:
        """From now on ``who``, a thread's ident or a stream, is inside gRPC. Waits for forks that are under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forks, _WAIT_SECONDS)
            self._inside[who] += 1

    def leave(self, who: Hashable, ending: threading.Thread | None = None) -> None:
        """``who`` is out again, but for ``ending``: a thread of gRPC's that is about to end, inside until then."""
        with self._changed:
            if self._inside[who] > 1:
                self._inside[who] -= 1
            else:
                del self._inside[who]  # a count of 0 would hold the stream, and its answers, for good
            if ending is not None:
                self._ending = {ending, *filter(threading.Thread.is_alive, self._ending)}
            self._left_seconds = time.monotonic()
            self._changed.notify_all()

    def let_interrupt(self, caller: Interruptible) -> None:
        """A fork may interrupt ``caller``, as long as it exists."""
        with self._changed:
            self._interruptible.add(caller)

    def _close(self) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        with self._changed:
            self._forks += 1
        while not self._is_empty() and time.monotonic() < deadline:
            self._interrupt()
            with self._changed:
                self._changed.wait_for(self._is_empty, _ASK_AGAIN_SECONDS)
        time.sleep(max(0.0, self._left_seconds + _SETTLE_SECONDS - time.monotonic()))

    def _open(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def _interrupt(self) -> None:
        with self._changed:
            callers = list(self._interruptible)
        for caller in callers:
            caller.interrupt()

    def _is_empty(self) -> bool:
        """Whether no thread but this one is inside."""
        me = threading.get_ident()
        with self._changed:
            is_empty = all(who == me for who in self._inside)
            return is_empty and not any(thread.is_alive() for thread in self._ending)


fork_gate: Final = ForkGate()
"""The process's own."""
