"""Counts what became of spans and log records, and says in the host's log what went wrong, once a minute."""

import logging
import threading
from dataclasses import dataclass
from typing import Final

from reflect_otel.capture.limited_log import LimitedLog

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """What became of the spans (or log records) of this process, and of what it took over from dead ones.

    Attributes:
        delivered: acknowledged by the receiver.
        rejected: left out by a receiver that accepted the rest.
        spooled: written to disk, whether delivered since or not.
        dropped: lost for good: refused by the receiver, without room on the disk, or impossible to encode.
        waiting_bytes: on disk at this moment.
        degraded: whether telemetry is not arriving at this moment.
    """

    delivered: int = 0
    rejected: int = 0
    spooled: int = 0
    dropped: int = 0
    waiting_bytes: int = 0
    degraded: bool = False


class DeliveryLedger:
    """The books of one exporter. Safe from any thread.

    Args:
        noun: what is counted, for the log.

    Attributes:
        delivered, rejected, spooled, dropped: as in ``DeliveryStatus``.
        is_losing: whether something was dropped since the last delivery.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._lock = threading.Lock()
        self._log = LimitedLog(_logger)
        self.delivered = 0
        self.rejected = 0
        self.spooled = 0
        self.dropped = 0
        self.is_losing = False

    def note_delivered(self, items: int, rejected: int, remark: str, address: str) -> None:
        """The receiver has acknowledged ``items``, and says that it left ``rejected`` of them out."""
        with self._lock:
            self.delivered += items - min(items, rejected)
            self.rejected += rejected
            self.is_losing = False
        if rejected:
            self._log.warn(
                "rejected", "%s took the other %s and rejected %d: %s", address, self._noun, rejected, remark or "?"
            )
        elif remark:
            self._log.warn("remark", "%s remarks on %s it took: %s", address, self._noun, remark)

    def note_spooled(self, items: int) -> None:
        """``items`` are on disk."""
        with self._lock:
            self.spooled += items

    def note_dropped(self, items: int, reason: str) -> None:
        """``items`` are lost for good."""
        with self._lock:
            self.dropped += items
            self.is_losing = True
        self._log.warn("dropped", "%d %s dropped so far: %s", self.dropped, self._noun, reason)

    def note_away(self, address: str, reason: str) -> None:
        """The receiver takes nothing at this moment."""
        self._log.warn("away", "%s does not take %s now; they are sent later (%s)", address, self._noun, reason)

    def note_key_refused(self, address: str, reason: str) -> None:
        """The receiver refuses the key."""
        self._log.warn(
            "key", "%s refuses the key for %s; set REFLECT_API_KEY to a valid one (%s)", address, self._noun, reason
        )

    def note_no_disk(self, reason: str) -> None:
        """Something cannot be kept on disk."""
        self._log.warn("disk", "undelivered %s cannot be kept on disk: %s", self._noun, reason)
