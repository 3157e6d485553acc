"""Who waits for which run: waiters sleep until someone publishes a change, nobody polls."""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self, TypeAlias

from reflect_otel.errors import RateLimited, Unavailable

DEFAULT_MAX_WAITERS: Final = 16

_Key: TypeAlias = tuple[str, str]


class RunWatch:
    """Changes of runs, from whoever makes them to whoever waits for them. Safe to use from any thread.

    Holds one small object per waiter and nothing per run, so publishing to nobody costs one lock and no memory.

    Args:
        max_waiters: most waiters at a time; each of them keeps a thread of the caller busy.
    """

    def __init__(self, max_waiters: int = DEFAULT_MAX_WAITERS) -> None:
        self._max_waiters = max_waiters
        self._lock = threading.Lock()
        self._waiters: dict[_Key, set[RunWaiter]] = {}
        self._waiter_count = 0
        self._closed = False

    def publish(self, project_id: str, run_id: str, trace_ids: Iterable[str] = ()) -> None:
        """Wake everyone who waits for the run.

        ``trace_ids`` are the run's W3C trace ids in lower-case hex, for those who know it by one of them only.
        """
        with self._lock:
            woken = {waiter for name in (run_id, *trace_ids) for waiter in self._waiters.get((project_id, name), ())}
        for waiter in woken:
            waiter.wake()

    def subscribe(self, project_id: str, identifier: str) -> "RunWaiter":
        """A waiter for the run of this run id or W3C trace id. Changes from now on are not missed.

        Raises:
            RateLimited: too many waiters already.
            Unavailable: the watch is closed.
        """
        waiter = RunWaiter(self)
        with self._lock:
            if self._closed:
                raise Unavailable("the service is stopping; wait for the run again once it is back")
            if self._waiter_count >= self._max_waiters:
                raise RateLimited(
                    f"{self._max_waiters} callers are waiting for runs already; try again later or use GetTrace"
                )
            self._waiter_count += 1
            self._attach(waiter, (project_id, identifier))
        return waiter

    def close(self) -> None:
        """Wake every waiter with ``Unavailable`` and refuse new ones: the service is stopping."""
        with self._lock:
            self._closed = True
            waiters = set().union(*self._waiters.values())
        for waiter in waiters:
            waiter.wake()

    @property
    def closed(self) -> bool:
        """True once ``close`` was called."""
        return self._closed

    def __len__(self) -> int:
        return self._waiter_count

    def attach(self, waiter: "RunWaiter", project_id: str, name: str) -> None:
        """Let a waiter also hear of a run under another of its names."""
        with self._lock:
            if waiter.keys:
                self._attach(waiter, (project_id, name))

    def detach(self, waiter: "RunWaiter") -> None:
        """Forget a waiter; a second time does nothing."""
        with self._lock:
            if not waiter.keys:
                return
            for key in waiter.keys:
                self._waiters[key].discard(waiter)
                if not self._waiters[key]:
                    del self._waiters[key]
            waiter.keys.clear()
            self._waiter_count -= 1

    def _attach(self, waiter: "RunWaiter", key: _Key) -> None:
        waiter.keys.add(key)
        self._waiters.setdefault(key, set()).add(waiter)


class RunWaiter:
    """One caller that waits for changes of one run. Use as a context manager.

    Attributes:
        keys: the (project id, name) pairs it listens to; the watch's own book-keeping.
    """

    def __init__(self, watch: RunWatch) -> None:
        self.keys: set[_Key] = set()
        self._watch = watch
        self._changed = threading.Event()
        self._cancelled = False

    def listen(self, project_id: str, name: str) -> None:
        """Also hear of the run under this name (its run id, once that is known)."""
        self._watch.attach(self, project_id, name)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Sleep until the run changes. Several changes since the last call are one.

        Returns:
            False when time ran out or the waiter was cancelled.

        Raises:
            Unavailable: the service is stopping.
        """
        changed = self._changed.wait(timeout_seconds)
        self._changed.clear()
        if self._cancelled:
            return False
        if self._watch.closed:
            raise Unavailable("the service is stopping; wait for the run again once it is back")
        return changed

    @property
    def cancelled(self) -> bool:
        """True once nobody is interested in the answer any more."""
        return self._cancelled

    def cancel(self) -> None:
        """Stop waiting, from any thread: ``wait`` returns False at once, now and later."""
        self._cancelled = True
        self._watch.detach(self)
        self._changed.set()

    def wake(self) -> None:
        """Let ``wait`` return."""
        self._changed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
