"""What an outage of the receiver costs: the stock exporter against ours, span by span.

``python -m tests.bench.outage --seconds 60`` runs two agents of 50 spans a second at once, takes both receivers away
for so long, brings them back, and counts which span ids arrived, and how often. ``--scale 10`` divides the stock
exporter's timeout, delay and queue by ten, so that 6 seconds show what 60 do.
"""

import argparse
import os
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
TAIL_SECONDS = 2.0
DRAIN_SECONDS = 60.0


@dataclass(frozen=True)
class Outage:
    """What became of the spans that ended while the receiver was away."""

    exporter: str
    emitted: int
    lost: int
    repeated: int
    drain_seconds: float

    def __str__(self) -> str:
        share = f"{100 * self.lost / max(1, self.emitted):.0f} %"
        return (
            f"{self.exporter:8} lost {self.lost} of {self.emitted} ({share}), "
            f"{self.repeated} arrived twice, complete {self.drain_seconds:.1f} s after the return"
        )


def read_settings(scale: float) -> dict[str, str]:
    """The stock exporter's defaults, divided."""
    return {
        "OTEL_EXPORTER_OTLP_TIMEOUT": str(10 / scale),
        "OTEL_BSP_SCHEDULE_DELAY": str(int(5000 / scale)),
        "OTEL_BSP_MAX_QUEUE_SIZE": str(int(2048 / scale)),
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": str(int(512 / scale)),
    }


class Contestant:
    """An agent process and its receiver, which can be taken away."""

    def __init__(self, exporter: str, seconds: float, settings: dict[str, str]) -> None:
        self.exporter = exporter
        self._sinks = [OtlpSink()]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "REFLECT_"))}
        command = [sys.executable, AGENT, self._sinks[0].url, exporter, SPANS_A_SECOND, seconds, 0]
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env={**inherited, **settings},
            stdout=self._output,
            stderr=subprocess.DEVNULL,
        )

    @property
    def arrived(self) -> Counter[str]:
        return Counter(span.span_id.hex() for sink in self._sinks for span in sink.spans)

    @property
    def emitted(self) -> list[str]:
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode().split()

    def take_away(self) -> None:
        self._sinks[0].stop()
        self._emitted_before = len(self.emitted)

    def bring_back(self) -> None:
        self._emitted_until = len(self.emitted)
        self._sinks.append(OtlpSink(self._sinks[0].port))
        self._returned = time.monotonic()

    def report(self) -> Outage:
        """Wait until the agent has ended, and until everything is there or nothing more comes."""
        self._process.wait(DRAIN_SECONDS + 120)
        emitted = self.emitted
        during = emitted[self._emitted_before : self._emitted_until]
        arrived = self.arrived
        times = [at for sink in self._sinks for at in sink.attempts]
        self._sinks[1].stop()
        self._output.close()
        return Outage(
            exporter=self.exporter,
            emitted=len(during),
            lost=len(set(during) - set(arrived)),
            repeated=sum(count > 1 for count in arrived.values()),
            drain_seconds=self._find_complete(during, times),
        )

    def _find_complete(self, during: list[str], times: list[float]) -> float:
        wanted = set(during)
        requests = [request for sink in self._sinks for request, _ in sink.trace_requests]
        last = self._returned
        for at, request in zip(times, requests, strict=False):
            spans = {s.span_id.hex() for r in request.resource_spans for scope in r.scope_spans for s in scope.spans}
            if spans & wanted:
                last = max(last, at)
        return last - self._returned


def measure(seconds: float, scale: float) -> list[Outage]:
    """Run stock and ours side by side through one outage."""
    whole = LEAD_SECONDS + seconds + TAIL_SECONDS + 20 / scale
    with tempfile.TemporaryDirectory() as spool:
        ours = {"REFLECT_SPOOL_DIR": spool}
        contestants = [Contestant("stock", whole, read_settings(scale)), Contestant("reflect", whole, ours)]
        while not all(contestant.arrived for contestant in contestants):
            time.sleep(0.01)
        time.sleep(LEAD_SECONDS)
        for contestant in contestants:
            contestant.take_away()
        time.sleep(seconds)
        for contestant in contestants:
            contestant.bring_back()
        return [contestant.report() for contestant in contestants]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the outage")
    parser.add_argument("--scale", type=float, default=1.0, help="divides the stock exporter's times and queue")
    chosen = parser.parse_args()
    for outage in measure(chosen.seconds, chosen.scale):
        print(outage)


if __name__ == "__main__":
    main()
