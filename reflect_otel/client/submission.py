"""Run records on their way to the service: at once while it answers, by way of the disk while it does not.

::

    submit() --- the service answers in time --------------> CreateTrace
        |
        +--- it does not --> worker --> disk (Outbox) ------> OTLP, once it is back, also from the next process
                                |
                                +--- no disk, or embedded --> CreateTrace, again and again while this process lives

A pattern never waits longer than ``try_seconds`` for its record, and never sees an error. Records are repeatable:
one that did arrive although no answer came back is stored once.
"""

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from opentelemetry import context

from reflect_otel.capture.delivery_ledger import Cargo, DeliveryLedger, DeliveryStatus
from reflect_otel.capture.delivery_report import report_on
from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.client.run_record import without_content
from reflect_otel.client.run_telemetry import RunTelemetry
from reflect_otel.errors import InvalidArgument, ReflectError, TransportError
from reflect_otel.ports import Transport
from reflect_otel.wire.v1 import reflect_pb2 as wire

if TYPE_CHECKING:
    from reflect_otel.capture.outbox import Outbox

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
CLOSE_SECONDS: Final = 2.0
"""How long closing may wait for records that have not arrived."""

DISK_SECONDS: Final = 0.01
"""How long a pattern waits for the disk, so that a kill right behind it takes nothing along."""

_SEND_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0

_log: Final = LimitedLog(logging.getLogger(__name__))


class Submissions:
    """Sends run records over one channel. Safe from any thread, signal handler and forked child.

    Args:
        channel: the way to the service.
        try_seconds: how long ``submit`` may take.
        outbox: takes to the disk what the channel does not take; ``None`` keeps it in memory.
        max_waiting_bytes: most bytes kept in memory; the oldest records are dropped first.
    """

    def __init__(
        self,
        channel: Transport,
        try_seconds: float,
        outbox: "Outbox | None" = None,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._channel = channel
        self._try_seconds = try_seconds
        self._outbox = outbox
        self._max_waiting_bytes = max_waiting_bytes
        self._start_over()
        _live.add(self)
        report_on(Cargo.RUN_RECORDS, self)

    def _start_over(self) -> None:
        """Fresh state for this process: what a forked child inherits is its parent's to send."""
        self._waiting: deque[RunTelemetry] = deque()
        self._waiting_bytes = 0
        self._sending_bytes = 0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._worker: threading.Thread | None = None
        self._closing = False
        self._ledger = DeliveryLedger(Cargo.RUN_RECORDS)
        self._unanswered = 0
        self._is_away = False
        self._delivered_before = 0

    @property
    def service_is_away(self) -> bool:
        """Whether the last call got no answer that it could use, and nothing was delivered since."""
        return self._is_away and self._count_delivered_from_disk() == self._delivered_before

    @service_is_away.setter
    def service_is_away(self, is_away: bool) -> None:
        self._delivered_before = self._count_delivered_from_disk()
        self._is_away = is_away

    def _count_delivered_from_disk(self) -> int:
        return self._outbox.delivered if self._outbox is not None else 0

    @property
    def status(self) -> DeliveryStatus:
        """What became of the records of this process."""
        # Memory before disk: what is just moving there may count twice, but not as delivered.
        in_memory_bytes = self._sending_bytes + self._waiting_bytes
        kept = self._outbox.status if self._outbox is not None else DeliveryStatus()
        own = self._ledger.read_status()
        return DeliveryStatus(
            delivered=own.delivered + kept.delivered,
            rejected=kept.rejected,
            spooled=kept.spooled,
            dropped=own.dropped + kept.dropped,
            waiting_bytes=in_memory_bytes + kept.waiting_bytes,
            degraded=self.service_is_away or bool(self._waiting) or self._ledger.is_losing or kept.degraded,
        )

    @property
    def waiting(self) -> int:
        """Records in memory: neither at the service nor on disk."""
        return len(self._waiting)

    def submit(self, record: wire.CreateTraceRequest, wait_seconds: float) -> None:
        """Store the record now if the service answers within ``wait_seconds``, else later. Raises no Exception."""
        if self._waiting:
            self.submit_later(record)
            return
        size_bytes = record.ByteSize()
        with self._lock:
            self._sending_bytes += size_bytes
        try:
            self._send_or_keep(record, wait_seconds)
        finally:
            with self._lock:
                self._sending_bytes -= size_bytes

    def _send_or_keep(self, record: wire.CreateTraceRequest, wait_seconds: float) -> None:
        try:
            self.send(record, wait_seconds)
        except TransportError as error:
            _log.warn(f"later {type(error).__name__}", "A run record will be sent later: %s", error)
            self.submit_later(record, wait_seconds=DISK_SECONDS)
        except ReflectError as error:
            self._ledger.note_dropped(1, str(error))

    def submit_later(self, record: wire.CreateTraceRequest, *, wait_seconds: float = 0.0) -> None:
        """Store the record from the background, in the trace of the current span.

        Args:
            record: the run.
            wait_seconds: how long to wait for it to be on disk or at the service.
        """
        waiting = RunTelemetry(record, context.get_current())
        with self._changed:
            self._waiting.append(waiting)
            self._waiting_bytes += record.ByteSize()
            while self._waiting_bytes > self._max_waiting_bytes and len(self._waiting) > 1:
                self._take_first()
                self._ledger.note_dropped(1, "too many wait in memory for the service; the oldest made room")
            is_running = self._start_worker()
            self._changed.notify_all()
            if is_running:
                self._changed.wait_for(lambda: waiting not in self._waiting, wait_seconds)
        if not is_running:
            self._try(waiting)

    def keep(self, record: wire.CreateTraceRequest) -> bool:
        """Put the record on disk, in the trace of the current span; False when there is no disk to keep it on."""
        return self._outbox is not None and self._outbox.keep([RunTelemetry(record, context.get_current())])

    def submit_unoffered(self, record: wire.CreateTraceRequest) -> bool:
        """Take the record to the disk, once for each ``note_unanswered``: who has waited in vain does not wait again.

        False, and nothing has happened, when nobody has, or there is no disk.
        """
        with self._lock:
            if not self._unanswered or self._outbox is None or not self._outbox.has_disk:
                return False
            self._unanswered -= 1
        self.submit_later(record, wait_seconds=DISK_SECONDS)
        return True

    def note_unanswered(self) -> None:
        """An agent has waited in vain for memories; its run comes later."""
        with self._lock:
            self.service_is_away = True
            self._unanswered += 1

    def note_answered(self) -> None:
        """The service answers."""
        with self._lock:
            self.service_is_away = False
            self._unanswered = 0

    def note_stored(self) -> None:
        """The service has taken a record: what waits on disk is sent now, also what dead processes left there."""
        self._ledger.note_delivered(1)
        self.note_answered()
        if self._outbox is not None:
            self._outbox.resume()

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Wait for what has not arrived, for this long at most; the rest stays on disk, or is dropped and logged."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._worker is None, max(0.0, deadline - time.monotonic()))
            lost, self._waiting_bytes = len(self._waiting), 0
            self._waiting.clear()
        if lost:
            self._ledger.note_dropped(lost, "the service did not take them before this client closed")
        if self._outbox is not None:
            self._outbox.close(max(0.0, deadline - time.monotonic()))

    def send(self, record: wire.CreateTraceRequest, timeout_seconds: float) -> None:
        """Store the record now, without what the service refuses of it.

        Raises:
            ReflectError: when it could not be stored.
        """
        try:
            try:
                self._channel.call("CreateTrace", record, timeout_seconds)
            except InvalidArgument as error:
                _log.warn("refused", "A run is stored without what the service refused of it: %s", error)
                self._channel.call("CreateTrace", without_content(record, str(error)), timeout_seconds)
        except TransportError:
            self.service_is_away = True
            raise
        self.note_stored()

    # --- inside ---------------------------------------------------------------------------------------

    def _start_worker(self) -> bool:
        """False at the end of the interpreter, where threads cannot be started."""
        if self._worker is None:
            worker = threading.Thread(target=self._work, name="reflect-otel-submissions", daemon=True)
            try:
                worker.start()
            except RuntimeError:
                return False
            self._worker = worker
        return True

    def _take_first(self) -> None:
        self._waiting_bytes -= self._waiting.popleft().record.ByteSize()

    def _work(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while (waiting := self._find_next()) is not None:
            if self._try(waiting):
                pause_seconds = _FIRST_PAUSE_SECONDS
                continue
            with self._changed:
                if not self._closing:
                    self._changed.wait_for(lambda: self._closing, pause_seconds)
                    pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
                    continue
                self._end_worker()
                return

    def _find_next(self) -> RunTelemetry | None:
        with self._changed:
            if self._waiting:
                return self._waiting[0]
            self._end_worker()
            return None

    def _end_worker(self) -> None:
        self._worker = None
        self._changed.notify_all()

    def _try(self, waiting: RunTelemetry) -> bool:
        """Hand one record on; False when nobody takes it now. A refused one is given up."""
        try:
            self._hand_on(waiting)
        except TransportError:
            return False
        except ReflectError as error:
            self._ledger.note_dropped(1, str(error))
        except Exception as error:  # noqa: BLE001 - the thread must outlive it, such as a channel closed meanwhile
            _log.warn("unexpected", "A run record will be sent later: %r", error)
            return False
        with self._changed:
            if self._waiting and self._waiting[0] is waiting:
                self._take_first()
            self._changed.notify_all()
        return True

    def _hand_on(self, waiting: RunTelemetry) -> None:
        if self.service_is_away and self._outbox is not None and self._outbox.keep([waiting]):
            return
        within = context.attach(waiting.within)
        try:
            self.send(waiting.record, _SEND_SECONDS if self._outbox is None else self._try_seconds)
        except (TransportError, ValueError) as error:
            if isinstance(error, InvalidArgument) or self._outbox is None or not self._outbox.keep([waiting]):
                raise
        finally:
            context.detach(within)


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
