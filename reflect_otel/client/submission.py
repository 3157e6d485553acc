"""Run records on their way to the service: at once while it answers, in the background while it does not.

A pattern never waits longer than ``try_seconds`` for its record, and never sees an error: a service that is away,
slow or refuses the key gets the record later, as long as this process lives. Records are repeatable, so one that did
arrive although no answer came back is stored once.
"""

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import Final

from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.client.run_record import without_content
from reflect_otel.errors import InvalidArgument, ReflectError, TransportError
from reflect_otel.ports import Transport
from reflect_otel.wire.v1 import reflect_pb2 as wire

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
CLOSE_SECONDS: Final = 2.0
"""How long closing may wait for records that have not arrived."""

_SEND_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0

_log: Final = LimitedLog(logging.getLogger(__name__))


class Submissions:
    """Sends run records over one channel. Safe from any thread, signal handler and forked child.

    Args:
        channel: the way to the service.
        try_seconds: how long ``submit`` may take.
        max_waiting_bytes: most bytes kept for later; the oldest records are dropped first.

    Attributes:
        dropped: records given up since the start.
    """

    def __init__(self, channel: Transport, try_seconds: float, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._channel = channel
        self._try_seconds = try_seconds
        self._max_waiting_bytes = max_waiting_bytes
        self.dropped = 0
        self._start_over()
        _live.add(self)

    def _start_over(self) -> None:
        """Fresh state for this process: what a forked child inherits is its parent's to send."""
        self._waiting: deque[wire.CreateTraceRequest] = deque()
        self._waiting_bytes = 0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._worker: threading.Thread | None = None
        self._closing = False

    @property
    def waiting(self) -> int:
        """Records that have not arrived yet."""
        return len(self._waiting)

    def submit(self, record: wire.CreateTraceRequest) -> None:
        """Store the record now if the service answers in time, else later. Never raises an Exception."""
        if self._waiting:
            self.submit_later(record)
            return
        try:
            self.send(record, self._try_seconds)
        except TransportError as error:
            _log.warn(f"later {type(error).__name__}", "A run record will be sent later: %s", error)
            self.submit_later(record)
        except ReflectError as error:
            self._give_up(error)

    def submit_later(self, record: wire.CreateTraceRequest) -> None:
        """Store the record from the background; returns at once."""
        with self._changed:
            self._waiting.append(record)
            self._waiting_bytes += record.ByteSize()
            while self._waiting_bytes > self._max_waiting_bytes and len(self._waiting) > 1:
                self._take_first()
                self.dropped += 1
                _log.warn("full", "Too many run records wait for the service; the oldest was dropped.")
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="reflect-otel-submissions", daemon=True)
                self._worker.start()
            self._changed.notify_all()

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Wait for what has not arrived, for ``timeout_seconds`` at most; the rest is dropped and logged."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._worker is None, max(0.0, deadline - time.monotonic()))
            lost, self._waiting_bytes = len(self._waiting), 0
            self._waiting.clear()
        if lost:
            self.dropped += lost
            _log.warn("lost", "%d run records did not reach the service before this client closed.", lost)

    def send(self, record: wire.CreateTraceRequest, timeout_seconds: float) -> None:
        """Store the record now, without what the service refuses of it.

        Raises:
            ReflectError: when it could not be stored.
        """
        try:
            self._channel.call("CreateTrace", record, timeout_seconds)
        except InvalidArgument as error:
            _log.warn("refused", "A run is stored without what the service refused of it: %s", error)
            self._channel.call("CreateTrace", without_content(record, str(error)), timeout_seconds)

    # --- inside ---------------------------------------------------------------------------------------

    def _give_up(self, error: ReflectError) -> None:
        self.dropped += 1
        _log.warn("given up", "A run record was given up: %s", error)

    def _take_first(self) -> None:
        self._waiting_bytes -= self._waiting.popleft().ByteSize()

    def _work(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while (record := self._find_next()) is not None:
            if self._try(record):
                pause_seconds = _FIRST_PAUSE_SECONDS
                continue
            with self._changed:
                if not self._closing:
                    self._changed.wait_for(lambda: self._closing, pause_seconds)
                    pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
                    continue
                self._end_worker()
                return

    def _find_next(self) -> wire.CreateTraceRequest | None:
        with self._changed:
            if self._waiting:
                return self._waiting[0]
            self._end_worker()
            return None

    def _end_worker(self) -> None:
        self._worker = None
        self._changed.notify_all()

    def _try(self, record: wire.CreateTraceRequest) -> bool:
        """Send one record; False when the service is still away. A refused one is given up."""
        try:
            self.send(record, _SEND_SECONDS)
        except TransportError:
            return False
        except ReflectError as error:
            self._give_up(error)
        with self._changed:
            if self._waiting and self._waiting[0] is record:
                self._take_first()
        return True


_live: Final[weakref.WeakSet[Submissions]] = weakref.WeakSet()


def _close_all() -> None:
    deadline = time.monotonic() + CLOSE_SECONDS
    for submissions in list(_live):
        submissions.close(max(0.0, deadline - time.monotonic()))


def _start_over_in_child() -> None:
    for submissions in list(_live):
        submissions._start_over()  # noqa: SLF001 - the class's own


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over_in_child)
