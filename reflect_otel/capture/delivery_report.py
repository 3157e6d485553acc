"""``reflect_otel.delivery_status()``: what became of everything this process has handed over, in one place."""

import weakref
from dataclasses import dataclass
from typing import Final, Protocol

from reflect_otel.capture.delivery_ledger import Cargo, DeliveryStatus, read_totals


class Source(Protocol):
    """An exporter or client that has something to deliver."""

    @property
    def status(self) -> DeliveryStatus:
        """Its state at this moment."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """The state of this process's deliveries.

    Attributes:
        spans: of ``configure()`` and every ``ReflectSpanExporter``.
        log_records: of ``configure()`` and every ``ReflectLogExporter``.
        runs: records of ``client.trace``, ``@reflect_trace`` and ``create_trace``, of every client.
    """

    spans: DeliveryStatus
    log_records: DeliveryStatus
    runs: DeliveryStatus

    @property
    def degraded(self) -> bool:
        """Whether anything is not arriving at this moment."""
        return self.spans.degraded or self.log_records.degraded or self.runs.degraded

    @property
    def dropped(self) -> int:
        """Spans, log records and run records lost for good."""
        return self.spans.dropped + self.log_records.dropped + self.runs.dropped

    @property
    def waiting_bytes(self) -> int:
        """Not delivered at this moment; on disk, unless the disk cannot be used."""
        return self.spans.waiting_bytes + self.log_records.waiting_bytes + self.runs.waiting_bytes


def delivery_status() -> DeliveryReport:
    """What became of the spans, log records and run records of this process; a forked child counts from zero.

    Counts only grow, also when exporters and clients are closed. See docs/delivery.md.
    """
    return DeliveryReport(
        spans=_read(Cargo.SPANS), log_records=_read(Cargo.LOG_RECORDS), runs=_read(Cargo.RUN_RECORDS)
    )


def report_on(cargo: Cargo, source: Source) -> None:
    """Let ``delivery_status`` ask ``source`` for its state, as long as it exists."""
    _sources[cargo].add(source)


_sources: Final[dict[Cargo, "weakref.WeakSet[Source]"]] = {cargo: weakref.WeakSet() for cargo in Cargo}


def _read(cargo: Cargo) -> DeliveryStatus:
    states = [source.status for source in list(_sources[cargo])]
    return read_totals(
        cargo,
        waiting_bytes=sum(state.waiting_bytes for state in states),
        degraded=any(state.degraded for state in states),
    )
