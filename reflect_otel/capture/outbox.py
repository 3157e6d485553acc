"""One exporter's way out: encodes, settles where to send at the first batch, starts afresh in a forked child."""

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.message import Message

from reflect_otel.capture.connection import ENV_ENDPOINT, find_embedded_folder, read_setting
from reflect_otel.capture.delivery import CLOSED, Delivery
from reflect_otel.capture.delivery_ledger import Cargo, DeliveryLedger, DeliveryStatus
from reflect_otel.capture.otlp_call import OtlpCall, Signal
from reflect_otel.capture.otlp_target import OtlpTarget, read_otlp_target
from reflect_otel.capture.spool_settings import read_spool_settings
from reflect_otel.capture.suppression import suppressed_instrumentation

try:  # here and not where it is needed: a child forked while a thread imports waits for ever for that import
    from reflect_otel.capture.spool import Spool
    from reflect_otel.capture.spool_folder import SpoolFolder
except ImportError:  # a platform without file locks
    _HAS_DISK = False
else:
    _HAS_DISK = True

if TYPE_CHECKING:
    from reflect_otel.capture.embedded_delivery import EmbeddedDelivery

SHUTDOWN_SECONDS: Final = 2.0

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """What an exporter was given; ``None`` leaves it to the environment."""

    endpoint: str | None = None
    api_key: str | None = None
    project_id: str | None = None
    headers: Mapping[str, str] | None = None
    insecure: bool | None = None
    timeout_seconds: float | None = None
    spool_bytes: int | None = None
    spool_dir: str | os.PathLike[str] | None = None


class Outbox:
    """Takes batches of one signal. Never raises: what is wrong is logged, at most once a minute, and counted.

    Args:
        cargo: what is sent.
        settings: where to, and how.
        encode: from a batch to an OTLP export request.
    """

    def __init__(self, cargo: Cargo, settings: OutboxSettings, encode: Callable[[Any], Message]) -> None:
        self._cargo = cargo
        self._signal = Signal.LOGS if cargo is Cargo.LOG_RECORDS else Signal.TRACES
        self._settings = settings
        self._encode = encode
        self._closed = False
        self._delivery: Delivery | EmbeddedDelivery | None = None
        self._inherited: list[Delivery | EmbeddedDelivery] = []
        self._start_over()
        _live.add(self)

    def _start_over(self) -> None:
        """Fresh state for this process; a forked child has no use for its parent's connection, spool and counts."""
        if self._delivery is not None:
            # Kept referenced: closing it in the child would act on the parent's connection.
            self._inherited.append(self._delivery)
            self._delivery = None
        self._ledger = DeliveryLedger(self._cargo)
        self._lock = threading.Lock()

    @property
    def status(self) -> DeliveryStatus:
        """What became of the batches of this process."""
        if self._delivery is not None:
            return self._delivery.status
        return self._ledger.read_status(degraded=self._ledger.is_losing)

    @property
    def delivered(self) -> int:
        """How much has been delivered."""
        return self._ledger.read_status().delivered

    @property
    def has_disk(self) -> bool:
        """Whether there is a disk to keep batches on."""
        try:
            return self._get_delivery().has_disk
        except Exception:  # noqa: BLE001 - ``send`` and ``keep`` say what is wrong
            return False

    def open(self) -> None:
        """Settle where to send now, not with the first batch.

        Raises:
            ReflectError: the setting or the data folder that stands in the way.
        """
        with suppressed_instrumentation():
            self._get_delivery()

    def send(self, batch: Sequence[_Item]) -> bool:
        """Send a batch; True when the receiver or the disk has all of it."""
        if self._closed:
            if batch:
                self._ledger.note_dropped(len(batch), CLOSED)
            return False
        if not batch:
            return True
        try:
            with suppressed_instrumentation():
                delivery = self._get_delivery()
                body, items = self._encode_valid(batch)
                return (not items or delivery.deliver(self._signal, items, body)) and items == len(batch)
        except Exception as error:  # noqa: BLE001 - the host must not notice
            self._ledger.note_dropped(
                len(batch), f"correct the setting that this error names: {type(error).__name__}: {error}"
            )
            return False

    def keep(self, batch: Sequence[_Item]) -> bool:
        """Put a batch on disk and send it from there; False, and nothing is counted, when that is not possible."""
        if self._closed:
            return False
        try:
            with suppressed_instrumentation():
                body = self._encode(batch).SerializeToString()
                return self._get_delivery().keep(self._signal, len(batch), body)
        except Exception as error:  # noqa: BLE001 - the caller still has the batch
            self._ledger.note_no_disk(f"{type(error).__name__}: {error}")
            return False

    def resume(self) -> None:
        """The receiver is known to answer: send what waits on disk now, also what dead processes left there."""
        if self._closed:
            return
        try:
            self._get_delivery().resume()
        except Exception as error:  # noqa: BLE001 - what waits goes on waiting
            self._ledger.note_no_disk(f"{type(error).__name__}: {error}")

    def flush(self, timeout_seconds: float) -> bool:
        """Wait for a ``send`` of another thread; what returned from ``send`` needs no waiting."""
        return self._delivery is None or self._delivery.flush(timeout_seconds)

    def close(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> None:
        """Deliver what waits on disk while that goes well, for this long at most; the rest stays there."""
        self._closed = True
        if self._delivery is not None:
            self._delivery.close(timeout_seconds)

    def _get_delivery(self) -> "Delivery | EmbeddedDelivery":
        with self._lock:
            if self._delivery is None:
                self._delivery = self._build_delivery()
            return self._delivery

    def _build_delivery(self) -> "Delivery | EmbeddedDelivery":
        given = self._settings
        folder = find_embedded_folder(read_setting(given.endpoint, ENV_ENDPOINT) or "", field="endpoint")
        if folder is not None:
            from reflect_otel.capture.embedded_delivery import EmbeddedDelivery

            return EmbeddedDelivery(folder, given.project_id, given.headers, self._ledger)
        target = read_otlp_target(
            "TRACES" if self._signal is Signal.TRACES else "LOGS",
            endpoint=given.endpoint,
            api_key=given.api_key,
            project_id=given.project_id,
            headers=given.headers,
            insecure=given.insecure,
            timeout_seconds=given.timeout_seconds,
        )
        return Delivery(OtlpCall(target), _build_spool(target, given, self._ledger), self._ledger)

    def _encode_valid(self, batch: Sequence[_Item]) -> tuple[bytes, int]:
        """The request and how many items it holds; when one cannot be encoded, the others still go."""
        try:
            return self._encode(batch).SerializeToString(), len(batch)
        except Exception as error:  # noqa: BLE001 - whatever an attribute holds
            if len(batch) == 1:
                self._ledger.note_dropped(1, f"OTLP cannot carry it: {error}")
                return b"", 0
        middle = len(batch) // 2
        (left, left_items), (right, right_items) = map(self._encode_valid, (batch[:middle], batch[middle:]))
        return left + right, left_items + right_items


_live: Final[weakref.WeakSet[Outbox]] = weakref.WeakSet()


def _start_over_in_child() -> None:
    for outbox in list(_live):
        outbox._start_over()  # noqa: SLF001 - the class's own


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over_in_child)


def _build_spool(target: OtlpTarget, given: OutboxSettings, ledger: DeliveryLedger) -> "Spool | None":
    settings = read_spool_settings(given.spool_bytes, given.spool_dir)
    if not settings.capacity_bytes or not _HAS_DISK:
        return None
    folder = SpoolFolder(settings.root, target.identity, settings.capacity_bytes)
    return Spool(folder, settings.capacity_bytes, ledger)
