"""What could not be delivered, on disk: bounded, oldest first, across processes."""

import threading
import time
from dataclasses import dataclass
from typing import Final

from reflect_otel.capture.delivery_ledger import DeliveryLedger
from reflect_otel.capture.otlp_call import Signal
from reflect_otel.capture.spool_folder import Compartment, SpoolFolder
from reflect_otel.errors import JournalFull, StoreError
from reflect_otel.journal import JournalRecord

_RECORD_OVERHEAD_BYTES: Final = 64
_MAX_ITEMS: Final = (1 << 24) - 1
_SCAN_INTERVAL_SECONDS: Final = 60.0
_FULL: Final = "the spool is full; see why the service does not answer, or raise REFLECT_SPOOL_BYTES"


@dataclass(slots=True, eq=False)
class SpooledBatch:
    """Consecutive records of one compartment as one export request.

    Attributes:
        body: the request; requests may be joined, because protobuf reads them as one.
        items: spans or log records in it.
        given_up: items whose room was needed while it was out for delivery.
    """

    signal: Signal
    items: int
    body: bytes
    compartment: Compartment
    first_sequence: int
    last_sequence: int
    given_up: int = 0


class Spool:
    """A process's part of the spool: its own compartment, and one after the other those that dead processes left.

    Makes no file before the first ``write``. Thread-safe; a forked child makes a new one.

    Args:
        folder: where.
        capacity_bytes: most bytes of all compartments of all processes; the oldest records make room for new ones.
        ledger: where those are counted.
    """

    def __init__(self, folder: SpoolFolder, capacity_bytes: int, ledger: DeliveryLedger) -> None:
        self._ledger = ledger
        self._folder = folder
        self._capacity_bytes = capacity_bytes
        self._lock = threading.Lock()
        self._own: Compartment | None = None
        self._orphan: Compartment | None = None
        self._out: SpooledBatch | None = None
        self._singly_until: tuple[Compartment, int] | None = None
        self._next_scan = 0.0
        self._next_look = 0.0
        self._closed = False

    def may_hold_some(self) -> bool:
        """Whether any process has left something here; looks at the disk once a minute, and opens nothing."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + _SCAN_INTERVAL_SECONDS
        return self._folder.has_compartments()

    @property
    def holds_own(self) -> bool:
        """Whether something of this process waits."""
        own = self._own
        return own is not None and not own.is_empty

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait here, adopted ones included."""
        with self._lock:
            return sum(each.waiting_bytes for each in (self._own, self._orphan) if each is not None)

    def write(self, signal: Signal, items: int, body: bytes, *, is_out: bool) -> SpooledBatch:
        """Make a request durable.

        Args:
            signal: what it carries.
            items: how many.
            body: the serialised request.
            is_out: it is being delivered at this moment; ``settle`` or ``put_back`` will follow.

        Raises:
            StoreError: it cannot be kept.
        """
        with self._lock:
            if self._closed:
                raise StoreError("the spool is closed; make a new exporter")
            self._make_room(len(body) + _RECORD_OVERHEAD_BYTES)
            own = self._own = self._own or self._folder.create()
            sequence = own.append(min(items, _MAX_ITEMS) << 8 | signal.value, body)
            batch = SpooledBatch(signal, items, body, own, sequence, sequence)
            if is_out:
                self._out = batch
            return batch

    def take(self) -> SpooledBatch | None:
        """What is to be delivered next: what this process wrote, then what dead ones did. It stays until settled."""
        with self._lock:
            batch = None
            if self._own is not None:
                batch = self._read(self._own)
            while batch is None and self._find_orphan() is not None:
                batch = self._read(self._orphan)
            self._out = batch
            return batch

    def settle(self, batch: SpooledBatch) -> None:
        """Forget a batch that was delivered, or refused for good."""
        with self._lock:
            self._out = None
            compartment = batch.compartment
            if batch.last_sequence >= compartment.oldest_sequence:
                compartment.trim(batch.last_sequence)
            self._close_if_empty(compartment)

    def put_back(self, batch: SpooledBatch, *, singly: bool = False) -> None:
        """Keep a batch that was not delivered; ``singly`` gives its records out one by one from now on."""
        with self._lock:
            self._out = None
            if batch.given_up:
                self._ledger.note_dropped(batch.given_up, _FULL)
            if singly:
                self._singly_until = (batch.compartment, batch.last_sequence)

    def close(self) -> None:
        """Leave what waits to the next process."""
        with self._lock:
            self._closed = True
            for compartment in (self._own, self._orphan):
                if compartment is not None:
                    compartment.close()
            self._own = self._orphan = None

    def _find_orphan(self) -> Compartment | None:
        now = time.monotonic()
        if self._orphan is None and now >= self._next_scan and not self._closed:
            self._orphan = self._folder.find_orphan()
            self._next_scan = 0.0 if self._orphan is not None else now + _SCAN_INTERVAL_SECONDS
        return self._orphan

    def _read(self, compartment: Compartment | None) -> SpooledBatch | None:
        if compartment is None:
            return None
        while records := compartment.read(max_records=1) if self._is_single(compartment) else compartment.read():
            batch = _join(compartment, records)
            if batch is not None:
                return batch
            self._ledger.note_dropped(_count_items(records[0]), "only a later release can send them")
            compartment.trim(records[0].sequence)
        self._close_if_empty(compartment)
        return None

    def _is_single(self, compartment: Compartment) -> bool:
        if self._singly_until is None or self._singly_until[0] is not compartment:
            return False
        return compartment.oldest_sequence <= self._singly_until[1]

    def _close_if_empty(self, compartment: Compartment) -> None:
        if not compartment.is_empty:
            return
        if compartment is self._own:
            self._own = None
        elif compartment is self._orphan:
            self._orphan = None
        else:
            return
        compartment.close()

    # --- room

    def _make_room(self, needed_bytes: int) -> None:
        """Drop the oldest records until ``needed_bytes`` fit."""
        if needed_bytes > self._capacity_bytes:
            raise JournalFull(f"a batch of {needed_bytes} bytes; the spool takes {self._capacity_bytes}")
        foreign: Compartment | None = None
        while self._folder.count_bytes() + needed_bytes > self._capacity_bytes:
            if foreign is not None and foreign.is_empty:
                foreign.close()
                foreign = None
            if self._orphan is None and foreign is None:
                foreign = self._folder.find_any_orphan()
            victim = self._orphan or foreign or self._own
            if victim is None:
                raise JournalFull(
                    f"the spool is full with {self._capacity_bytes} bytes of other processes that are at work; "
                    "raise REFLECT_SPOOL_BYTES"
                )
            self._drop_oldest(victim)
        if foreign is not None:
            foreign.close()

    def _drop_oldest(self, compartment: Compartment) -> None:
        out = self._out if self._out is not None and self._out.compartment is compartment else None
        records, dropped = compartment.read_some(), 0
        for record in records:
            if out is not None and out.first_sequence <= record.sequence <= out.last_sequence:
                out.given_up += _count_items(record)
            else:
                dropped += _count_items(record)
        if dropped:
            self._ledger.note_dropped(dropped, _FULL)
        if records:
            compartment.trim(records[-1].sequence)
        self._close_if_empty(compartment)


def _join(compartment: Compartment, records: list[JournalRecord]) -> SpooledBatch | None:
    """The first records that carry the same signal; ``None`` for a signal that only a later release knows."""
    try:
        signal = Signal(records[0].kind & 0xFF)
    except ValueError:
        return None
    alike = records[: next((i for i, record in enumerate(records) if record.kind & 0xFF != signal.value), None)]
    return SpooledBatch(
        signal=signal,
        items=sum(map(_count_items, alike)),
        body=b"".join(record.body for record in alike),
        compartment=compartment,
        first_sequence=alike[0].sequence,
        last_sequence=alike[-1].sequence,
    )


def _count_items(record: JournalRecord) -> int:
    return record.kind >> 8
