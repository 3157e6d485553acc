"""What an outage of the receiver costs: the stock OTLP exporter against ours, span by span.

    python tests/bench/outage.py [--seconds 60] [--scale 1]

Two agents end 50 spans a second, side by side; both receivers go away for so long and come back; then it is counted
which of the spans that ended meanwhile arrived, and how often. The stock exporter has its defaults (10 s timeout, 5 s
delay, queue of 2048, batches of 512). ``--scale 10`` divides them by ten, so that 6 s show what 60 s do.
``--seconds 600`` is the outage of ten minutes.

Exit code 1 when ours lost or doubled a span, needed more than 60 s to deliver the rest, cost the agent more than 1 ms
for one of a hundred spans during the outage, or made its process more than 50 MiB larger.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.otlp_sink import OtlpSink

AGENT = Path(__file__).parents[1] / "agents" / "outage_agent.py"
SPANS_A_SECOND = 50
LEAD_SECONDS = 1.0
MAX_DRAIN_SECONDS = 60.0
MAX_SPAN_MS = 1.0
MAX_GROWTH_MIB = 50.0


@dataclass(frozen=True)
class Outage:
    """What became of the spans that ended while the receiver was away.

    Attributes:
        repeated: spans that arrived more than once.
        drain_seconds: from the return of the receiver to the last of them.
        median_ms, p99_ms: what one of these spans took the agent.
        grown_mib: what the agent's process grew by.
    """

    name: str
    seconds: float
    emitted: int
    lost: int
    repeated: int
    drain_seconds: float
    median_ms: float
    p99_ms: float
    grown_mib: float

    @property
    def verdict(self) -> str:
        return f"{self.name} lost {self.lost} of {self.emitted}"

    @property
    def meets_goal(self) -> bool:
        return (
            not (self.lost or self.repeated)
            and self.drain_seconds <= MAX_DRAIN_SECONDS
            and self.p99_ms <= MAX_SPAN_MS
            and self.grown_mib <= MAX_GROWTH_MIB
        )

    def __str__(self) -> str:
        return (
            f"outage of {self.seconds:g} s: {self.verdict} ({100 * self.lost / self.emitted:.0f} %), "
            f"{self.repeated} arrived twice, the last {self.drain_seconds:.1f} s after the return; "
            f"a span takes the agent {self.median_ms:.2f} ms (median), {self.p99_ms:.2f} ms (p99), "
            f"its process grows by {self.grown_mib:.0f} MiB"
        )


def divide_stock_settings(scale: float) -> dict[str, str]:
    """The stock exporter's defaults, divided."""
    return {
        "OTEL_EXPORTER_OTLP_TIMEOUT": f"{10 / scale:g}",
        "OTEL_BSP_SCHEDULE_DELAY": str(int(5000 / scale)),
        "OTEL_BSP_MAX_QUEUE_SIZE": str(int(2048 / scale)),
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": str(int(512 / scale)),
    }


class Contestant:
    """An agent process and its receiver, which can be taken away."""

    def __init__(self, name: str, exporter: str, seconds: float, settings: dict[str, str]) -> None:
        self.name = name
        self.sinks = [OtlpSink()]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the report
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "REFLECT_"))}
        command = [sys.executable, AGENT, self.sinks[0].url, exporter, str(SPANS_A_SECOND), str(seconds)]
        self.process = subprocess.Popen(
            command, env={**inherited, **settings}, stdout=self._output, stderr=subprocess.DEVNULL
        )

    @property
    def lines(self) -> list[str]:
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode().splitlines()

    def take_away(self) -> None:
        self.sinks[0].stop()
        self._until_outage = len(self.lines)

    def bring_back(self) -> None:
        self._until_return = len(self.lines)
        self.sinks.append(OtlpSink(self.sinks[0].port))
        self._returned = time.monotonic()

    def report(self, outage_seconds: float) -> Outage:
        """Once the agent has ended: what it could send was sent by then."""
        self.process.wait(120)
        lines = self.lines
        emitted = [line.split() for line in lines[self._until_outage : self._until_return]]
        during = {span_id for span_id, _ in emitted}
        taken_ms = [float(milliseconds) for _, milliseconds in emitted]
        self.sinks[-1].stop()
        self._output.close()
        arrived = Counter(span.span_id.hex() for sink in self.sinks for span in sink.spans)
        return Outage(
            name=self.name,
            seconds=outage_seconds,
            emitted=len(during),
            lost=len(during - arrived.keys()),
            repeated=sum(count > 1 for count in arrived.values()),
            drain_seconds=self._find_last_arrival(during) - self._returned,
            median_ms=statistics.median(taken_ms),
            p99_ms=statistics.quantiles(taken_ms, n=100)[98],
            grown_mib=float(lines[-1]),
        )

    def _find_last_arrival(self, during: set[str]) -> float:
        last = self._returned
        for at, (request, _) in zip(self.sinks[-1].arrivals, self.sinks[-1].trace_requests, strict=False):
            ids = {s.span_id.hex() for r in request.resource_spans for scope in r.scope_spans for s in scope.spans}
            last = at if ids & during else last
        return last


def measure(seconds: float, scale: float = 1.0) -> tuple[Outage, Outage]:
    """The stock exporter and ours side by side through one outage."""
    whole = 2 * LEAD_SECONDS + seconds + max(20.0 / scale, 5.0)
    with tempfile.TemporaryDirectory() as spool:
        contestants = [
            Contestant("stock OTLP exporter", "stock", whole, divide_stock_settings(scale)),
            Contestant("reflect-otel", "reflect", whole, {"REFLECT_SPOOL_DIR": spool}),
        ]
        while not all(contestant.sinks[0].spans for contestant in contestants):
            assert all(contestant.process.poll() is None for contestant in contestants), "an agent has died"
            time.sleep(0.01)
        time.sleep(LEAD_SECONDS)
        for contestant in contestants:
            contestant.take_away()
        time.sleep(seconds)
        for contestant in contestants:
            contestant.bring_back()
        stock, ours = (contestant.report(seconds) for contestant in contestants)
    return stock, ours


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the outage")
    parser.add_argument("--scale", type=float, default=1.0, help="divides the stock exporter's times and queue")
    chosen = parser.parse_args()
    stock, ours = measure(chosen.seconds, chosen.scale)
    print(stock)
    print(ours)
    return 0 if ours.meets_goal else 1


if __name__ == "__main__":
    sys.exit(main())
