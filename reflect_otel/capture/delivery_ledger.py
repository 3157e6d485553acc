"""Counts what became of spans and log records, and says in the host's log what went wrong, once a minute."""

import logging
import os
import threading
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reflect_otel.capture.limited_log import LimitedLog

_logger: Final = logging.getLogger(__name__)


class Cargo(StrEnum):
    """What is delivered, as the log calls it."""

    SPANS = "spans"
    LOG_RECORDS = "log records"
    RUN_RECORDS = "run records"


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """What became of the spans, log records or run records of this process, and of what it took over from dead ones.

    Attributes:
        delivered: acknowledged by the receiver.
        rejected: left out by a receiver that accepted the rest.
        spooled: written to disk, whether delivered since or not.
        dropped: lost for good: refused by the receiver, without room on the disk, or impossible to encode.
        waiting_bytes: not delivered at this moment; on disk, unless the disk cannot be used.
        degraded: whether anything is not arriving at this moment.
    """

    delivered: int = 0
    rejected: int = 0
    spooled: int = 0
    dropped: int = 0
    waiting_bytes: int = 0
    degraded: bool = False


class DeliveryLedger:
    """The books of one exporter or client. Safe from any thread.

    Args:
        cargo: what is counted.

    Attributes:
        is_losing: whether something was dropped since the last delivery.
    """

    def __init__(self, cargo: Cargo) -> None:
        self._cargo = cargo
        self._log = LimitedLog(_logger)
        self._counts: Counter[str] = Counter()
        self.is_losing = False

    def read_status(self, *, waiting_bytes: int = 0, degraded: bool = False) -> DeliveryStatus:
        """The counts, beside what the caller knows of this moment."""
        return _build_status(self._counts, waiting_bytes, degraded)

    def note_delivered(self, items: int, rejected: int = 0, remark: str = "", address: str = "") -> None:
        """The receiver has acknowledged ``items``, and says that it left ``rejected`` of them out."""
        self._count(delivered=items - min(items, rejected), rejected=rejected)
        self.is_losing = False
        if rejected:
            self._log.warn(
                "rejected", "%s took the other %s and rejected %d: %s", address, self._cargo, rejected, remark or "?"
            )
        elif remark:
            self._log.warn("remark", "%s remarks on %s it took: %s", address, self._cargo, remark)

    def note_spooled(self, items: int) -> None:
        """``items`` are on disk."""
        self._count(spooled=items)

    def note_dropped(self, items: int, reason: str) -> None:
        """``items`` are lost for good."""
        self._count(dropped=items)
        self.is_losing = True
        self._log.warn("dropped", "%d %s dropped so far: %s", self._counts["dropped"], self._cargo, reason)

    def note_away(self, address: str, reason: str) -> None:
        """The receiver takes nothing at this moment."""
        self._log.warn("away", "%s does not take %s now; they are sent later (%s)", address, self._cargo, reason)

    def note_key_refused(self, address: str, reason: str) -> None:
        """The receiver refuses the key."""
        self._log.warn(
            "key", "%s refuses the key for %s; set REFLECT_API_KEY to a valid one (%s)", address, self._cargo, reason
        )

    def note_no_disk(self, reason: str) -> None:
        """Something cannot be kept on disk."""
        self._log.warn("disk", "undelivered %s cannot be kept on disk: %s", self._cargo, reason)

    def _count(self, **numbers: int) -> None:
        with _books.lock:
            self._counts.update(numbers)
            _books.totals[self._cargo].update(numbers)


def read_totals(cargo: Cargo, *, waiting_bytes: int, degraded: bool) -> DeliveryStatus:
    """The counts of every ledger that this process ever had for ``cargo``."""
    return _build_status(_books.totals[cargo], waiting_bytes, degraded)


def count_overflow(items: int) -> None:
    """``items`` spans were dropped before any exporter had them; who dropped them says so in the log."""
    with _books.lock:
        _books.totals[Cargo.SPANS].update(dropped=items)


class _Books:
    """Everything that the ledgers of a process have counted."""

    def __init__(self) -> None:
        self._start_over()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_over)

    def _start_over(self) -> None:
        self.lock = threading.Lock()
        self.totals: dict[Cargo, Counter[str]] = {cargo: Counter() for cargo in Cargo}


_books: Final = _Books()


def _build_status(counts: Counter[str], waiting_bytes: int, degraded: bool) -> DeliveryStatus:
    return DeliveryStatus(
        delivered=counts["delivered"],
        rejected=counts["rejected"],
        spooled=counts["spooled"],
        dropped=counts["dropped"],
        waiting_bytes=waiting_bytes,
        degraded=degraded,
    )
