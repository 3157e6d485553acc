"""Brings export requests to one receiver: at once while it answers, by way of the disk while it does not.

::

    deliver() --- the receiver answers ---------------------> sender thread --> receiver
        |                                                         ^
        +--- it does not, or not in time --> spool (disk) --------+  in order, with back-off

A batch is on its way or on disk when ``deliver`` returns. All network calls are made by the one sender thread.
"""

import threading
import time
from typing import TYPE_CHECKING, Final

from reflect_otel.capture.backoff import choose_rest_seconds
from reflect_otel.capture.delivery_ledger import DeliveryLedger, DeliveryStatus
from reflect_otel.capture.otlp_call import Fate, OtlpCall, Outcome, Signal
from reflect_otel.capture.suppression import suppressed_instrumentation
from reflect_otel.errors import StoreError

if TYPE_CHECKING:
    from reflect_otel.capture.spool import Spool, SpooledBatch

CLOSED: Final = "they came after the shutdown"
"""Why what is handed over too late is dropped."""

_PATIENCE_SECONDS: Final = 0.3
"""A batch that is not acknowledged by then goes to disk too, in case this process is killed."""


class _Parcel:
    """A request on its way from memory, and what is known of it."""

    __slots__ = ("body", "flying", "items", "keeping", "outcome", "signal", "stored")

    def __init__(self, signal: Signal, items: int, body: bytes) -> None:
        self.signal = signal
        self.items = items
        self.body = body
        self.flying = False
        self.keeping = False
        self.outcome: Outcome | None = None
        self.stored: SpooledBatch | None = None

    @property
    def is_done(self) -> bool:
        outcome = self.outcome
        return outcome is not None and outcome.fate.is_final


class Delivery:
    """The way to one receiver. Any thread may deliver; order is kept. Starts its thread with the first batch.

    Args:
        call: the connection.
        spool: ``None`` keeps everything in memory: then a batch is retried for ``call.timeout_seconds``.
        ledger: where everything is counted.
    """

    def __init__(self, call: OtlpCall, spool: "Spool | None", ledger: DeliveryLedger) -> None:
        self._call = call
        self._spool = spool
        self._ledger = ledger
        self._entry = threading.Lock()
        self._changed = threading.Condition()
        self._sender: threading.Thread | None = None
        self._in_hand: list[_Parcel] = []
        self._direct: _Parcel | None = None
        self._retry_at = 0.0
        self._told_to_wait = False
        self._failures = 0
        self._key_refused = False
        self._closing_at: float | None = None

    @property
    def status(self) -> DeliveryStatus:
        """The state at this moment."""
        return self._ledger.read_status(
            waiting_bytes=self._count_waiting_bytes(),
            degraded=bool(self._failures or self._key_refused or self._ledger.is_losing or self._holds_own),
        )

    @property
    def has_disk(self) -> bool:
        """Whether there is a spool."""
        return self._spool is not None

    def deliver(self, signal: Signal, items: int, body: bytes) -> bool:
        """Hand over a request of ``items`` spans or log records; True when the receiver or the disk has it."""
        parcel = _Parcel(signal, items, body)
        self._in_hand.append(parcel)
        try:
            with self._entry:
                if self._closing_at is None:
                    return self._bring(parcel)
                self._ledger.note_dropped(items, CLOSED)
                return False
        finally:
            self._in_hand.remove(parcel)

    def keep(self, signal: Signal, items: int, body: bytes) -> bool:
        """Put a request on disk and send it from there; False, and nothing is counted, when there is no disk."""
        with self._entry:
            if self._closing_at is not None or not self._keep(_Parcel(signal, items, body)):
                return False
            self._start_sender()
            return True

    def resume(self) -> None:
        """The receiver is known to answer: send what waits now, also what dead processes left. Returns at once."""
        if self._spool is None or (self._sender is None and not self._spool.may_hold_some()):
            return
        with self._changed:
            self._key_refused = False
            if not self._told_to_wait:
                self._retry_at = 0.0
            self._changed.notify_all()
        self._start_sender()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until every batch that was handed over before is delivered or on disk; False when time ran out."""
        if not self._entry.acquire(timeout=max(0.0, timeout_seconds)):
            return False
        self._entry.release()
        return True

    def close(self, timeout_seconds: float) -> None:
        """Deliver what waits while the receiver takes it, for this long; the rest stays on disk."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            self._closing_at = deadline
            self._changed.notify_all()
        entered = self._entry.acquire(timeout=timeout_seconds)
        sender = self._sender
        if sender is not None:
            sender.join(max(0.0, deadline - time.monotonic()))
        self._call.close()
        if sender is not None:
            sender.join(1.0)
        if self._spool is not None:
            self._spool.close()
        if entered:
            self._entry.release()

    # --- the caller's side

    def _count_waiting_bytes(self) -> int:
        """Memory before disk: what is just moving there may count twice, but not as delivered."""
        in_hand_bytes = sum(
            len(parcel.body) for parcel in self._in_hand.copy() if not (parcel.is_done or parcel.stored)
        )
        return in_hand_bytes + (self._spool.waiting_bytes if self._spool is not None else 0)

    def _bring(self, parcel: _Parcel) -> bool:
        if not self._start_sender():
            self._send_here(parcel)
        elif self._spool is not None and self._is_clear():
            self._offer(parcel, _PATIENCE_SECONDS)
        kept = parcel.is_done or parcel.stored is not None or self._keep(parcel) or self._insist(parcel)
        if not kept:
            self._ledger.note_dropped(
                parcel.items, f"{self._call.address} did not take them, and there was no disk to keep them on"
            )
        return kept and not (parcel.outcome is not None and parcel.outcome.fate is Fate.REFUSED)

    def _send_here(self, parcel: _Parcel) -> None:
        """Without a sender thread: on disk first, because the process may end before the receiver answers."""
        parcel.flying = True
        self._keep(parcel)
        outcome = self._call.send(parcel.signal, parcel.body)
        self._settle_parcel(parcel, outcome, time.monotonic())

    def _is_clear(self) -> bool:
        """Whether the receiver may have the next batch at once."""
        if self._retry_at > time.monotonic():
            return False
        return self._key_refused or not self._holds_own

    @property
    def _holds_own(self) -> bool:
        return self._spool is not None and self._spool.holds_own

    def _offer(self, parcel: _Parcel, seconds: float) -> None:
        """Let the sender try once; take the parcel back if it has not begun in time."""
        with self._changed:
            self._direct = parcel
            self._changed.notify_all()
            self._changed.wait_for(lambda: parcel.outcome is not None or self._closing_at is not None, seconds)
            if self._direct is parcel:
                self._direct = None

    def _keep(self, parcel: _Parcel) -> bool:
        """Write it to the spool, unless it was delivered meanwhile; False when that is not possible."""
        if self._spool is None:
            return False
        with self._changed:
            if parcel.is_done:
                return True
            parcel.keeping = True
            flying = parcel.flying
        stored = None
        try:
            stored = self._spool.write(parcel.signal, parcel.items, parcel.body, is_out=flying)
        except (StoreError, OSError) as error:
            self._ledger.note_no_disk(str(error))
        with self._changed:
            parcel.stored, parcel.keeping = stored, False
            self._changed.notify_all()
        if stored is None:
            return False
        self._ledger.note_spooled(parcel.items)
        return True

    def _insist(self, parcel: _Parcel) -> bool:
        """Without a disk: try again until the timeout of a batch is over."""
        deadline = time.monotonic() + self._call.timeout_seconds
        with self._changed:
            while self._is_worth_trying(parcel) and (left := deadline - time.monotonic()) > 0:
                if not parcel.flying and self._direct is not parcel:
                    self._direct = parcel
                    self._changed.notify_all()
                self._changed.wait(left)
            if self._direct is parcel:
                self._direct = None
            self._changed.wait_for(lambda: not parcel.flying)
        return parcel.is_done

    def _is_worth_trying(self, parcel: _Parcel) -> bool:
        if self._sender is None or self._closing_at is not None or parcel.is_done:
            return False
        return parcel.outcome is None or parcel.outcome.fate is not Fate.KEY_REFUSED

    # --- the sender thread

    def _start_sender(self) -> bool:
        """False when the system has no thread for it, as at the end of the interpreter."""
        if self._sender is None:
            sender = threading.Thread(target=self._send_all, name="reflect-otel-delivery", daemon=True)
            try:
                sender.start()
            except RuntimeError:
                return False
            self._sender = sender
        return True

    def _send_all(self) -> None:
        with suppressed_instrumentation():
            while self._send_next():
                pass

    def _send_next(self) -> bool:
        try:
            load = self._wait_for_load()
            if load is None:
                return False
            outcome = self._call.send(load.signal, load.body)
            answered = time.monotonic()
            if isinstance(load, _Parcel):
                self._settle_parcel(load, outcome, answered)
            else:
                self._settle_batch(load, outcome, answered)
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever the disk answers
            with self._changed:
                self._note(Outcome(Fate.RETRY, f"{type(error).__name__}: {error}"), 0, time.monotonic())
        return True

    def _wait_for_load(self) -> "_Parcel | SpooledBatch | None":
        """What is to be sent next; ``None`` when it is time to go."""
        with self._changed:
            while True:
                rest_seconds = self._retry_at - time.monotonic()
                if rest_seconds <= 0 and (load := self._find_load()) is not None:
                    return load
                if self._closing_at is not None:
                    return None
                self._changed.wait(rest_seconds if rest_seconds > 0 else None)

    def _find_load(self) -> "_Parcel | SpooledBatch | None":
        parcel, self._direct = self._direct, None
        if parcel is not None:
            parcel.flying = True
            parcel.outcome = None
            return parcel
        if self._spool is None or self._key_refused:
            return None
        if self._closing_at is not None and time.monotonic() > self._closing_at:
            return None
        return self._spool.take()

    def _settle_parcel(self, parcel: _Parcel, outcome: Outcome, answered: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not parcel.keeping)
            self._note(outcome, parcel.items, answered)
            parcel.flying = False
            parcel.outcome = outcome
            stored = parcel.stored
            self._changed.notify_all()
        if stored is not None and self._spool is not None:
            if outcome.fate.is_final:
                self._spool.settle(stored)
            else:
                self._spool.put_back(stored)

    def _settle_batch(self, batch: "SpooledBatch", outcome: Outcome, answered: float) -> None:
        assert self._spool is not None  # noqa: S101 - the batch came out of it
        is_joined = batch.first_sequence != batch.last_sequence
        if outcome.fate is Fate.REFUSED and is_joined:
            # One bad request must not take the others of the join with it.
            self._spool.put_back(batch, singly=True)
            return
        with self._changed:
            self._note(outcome, batch.items, answered)
        if outcome.fate.is_final:
            self._spool.settle(batch)
        else:
            self._spool.put_back(batch)

    def _note(self, outcome: Outcome, items: int, answered: float) -> None:
        """Count an attempt, ``answered`` at that ``time.monotonic``, and set the time of the next one from there."""
        address = self._call.address
        self._failures = self._failures + 1 if outcome.fate is Fate.RETRY else 0
        self._retry_at = 0.0
        self._told_to_wait = outcome.retry_after_seconds is not None
        match outcome.fate:
            case Fate.DELIVERED:
                self._key_refused = False
                self._ledger.note_delivered(items, outcome.rejected, outcome.reason, address)
            case Fate.REFUSED:
                self._ledger.note_dropped(items, f"{address} refuses them ({outcome.reason})")
            case Fate.KEY_REFUSED:
                self._key_refused = True
                self._ledger.note_key_refused(address, outcome.reason)
            case Fate.RETRY:
                self._retry_at = answered + choose_rest_seconds(self._failures, outcome.retry_after_seconds)
                self._ledger.note_away(address, outcome.reason)
