"""Spans a second on one core: decoding OTLP, and reading runs to trajectories; and where the time goes.

    python tests/bench/read_samples.py [--seconds 5] [--profile]

The input is every recording under examples/data. ``decode`` turns protobuf requests into records, ``read`` groups the
records and reads every run; ``read 1-5 kB`` is the same for the recordings whose spans have that size on average;
``files`` does both from the gzipped OTLP/JSON files, as ``reflect-otel read`` does. The shares are measured with a
clock around each part, which makes small parts look larger than they are.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from collector_plugin.otlp import parse_trace_request, read_spans
from collector_plugin.otlp.files import iter_file
from collector_plugin.otlp.json_format import Telemetry
from reflect_otel.dialects import reader, span_readers
from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.model.reading import SpanReading
from reflect_otel.model.spans import LogRecord, SpanRecord
from reflect_otel.ports import DialectReader
from reflect_otel.runs.grouping import group_runs

DATA = Path(__file__).parents[2] / "examples" / "data"
FILES = sorted([*DATA.glob("otlp-samples/*/*.jsonl.gz"), DATA / "trajectories" / "tau-sample.otlp.jsonl.gz"])
PARTS = {
    "find_model_calls": "calls",
    "find_tool_uses": "tools",
    "complete_turns": "tools",
    "_build_transcript": "conversation",
    "_build_trajectory": "metrics",
}
"""Steps of ``read_trajectory`` after the spans are read, and the part each belongs to."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to repeat each measurement")
    parser.add_argument("--profile", action="store_true", help="show the functions that take the most time")
    options = parser.parse_args()
    samples = [sample for path in FILES if (sample := load(path)).spans]
    bodies = [encode(sample.spans).SerializeToString() for sample in samples]
    spans = count(samples)
    middle = [s for s, body in zip(samples, bodies, strict=True) if 1000 <= len(body) / len(s.spans) <= 5000]
    print(f"{spans} spans, {sum(map(len, bodies)) / spans:,.0f} bytes each as protobuf")
    decoding = measure("decode", spans, options.seconds, lambda: [read_spans(parse_trace_request(b)) for b in bodies])
    reading = measure("read", spans, options.seconds, lambda: [read(sample) for sample in samples])
    measure("read 1-5 kB", count(middle), options.seconds, lambda: [read(sample) for sample in middle])
    measure("files", spans, options.seconds, lambda: [read(load(path)) for path in FILES])
    shares = {"decode": decoding / (decoding + reading)}
    shares |= {name: part * reading / (decoding + reading) for name, part in measure_parts(samples).items()}
    print("share of decode + read: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    if options.profile:
        profile(lambda: [read(sample) for sample in samples])


def count(samples: Sequence[Telemetry]) -> int:
    return sum(len(sample.spans) for sample in samples)


class TimedReader:
    """A dialect's reader with a clock around it."""

    def __init__(self, inner: DialectReader, spent: dict[str, int]) -> None:
        self.name, self.rank, self.is_last_resort = inner.name, inner.rank, inner.is_last_resort
        self.claims = timed(inner.claims, "claim", spent)
        self.read: Callable[[SpanRecord, Sequence[LogRecord]], SpanReading] = timed(inner.read, "read", spent)


def timed(work: Callable[..., Any], part: str, spent: dict[str, int]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        started = time.perf_counter_ns()
        try:
            return work(*arguments)
        finally:
            spent[part] = spent.get(part, 0) + time.perf_counter_ns() - started

    return run


def measure_parts(samples: Sequence[Telemetry]) -> dict[str, float]:
    """Each part's share of the time of reading."""
    spent: dict[str, int] = {}
    with clocks(spent):
        for _ in range(3):
            spent.clear()
            started = time.perf_counter_ns()
            for sample in samples:
                read(sample)
            whole = time.perf_counter_ns() - started
    shares = {part: ns / whole for part, ns in spent.items()}
    return shares | {"rest": 1 - sum(shares.values())}


@contextmanager
def clocks(spent: dict[str, int]) -> Iterator[None]:
    """Clocks around the readers and around the steps of ``read_trajectory``."""
    readers = tuple(TimedReader(each, spent) for each in span_readers.find_readers())
    patches = [(span_readers, "find_readers", lambda: readers)]
    patches += [(reader, name, timed(getattr(reader, name), part, spent)) for name, part in PARTS.items()]
    before = [(module, name, getattr(module, name)) for module, name, _ in patches]
    for module, name, value in patches:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def load(path: Path) -> Telemetry:
    telemetry = Telemetry()
    for found in iter_file(path):
        if isinstance(found, Telemetry):
            telemetry.extend(found)
    return telemetry


def read(telemetry: Telemetry) -> None:
    for run in group_runs(telemetry.spans, telemetry.logs):
        read_trajectory(run)


def encode(spans: list[SpanRecord]) -> ExportTraceServiceRequest:
    """The spans as one protobuf request, as an exporter would send them."""
    request = ExportTraceServiceRequest()
    target = request.resource_spans.add().scope_spans.add().spans
    for span in spans:
        added = target.add(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id or b"",
            name=span.name,
            start_time_unix_nano=span.start_ns,
            end_time_unix_nano=span.end_ns,
        )
        for key, value in span.attributes.items():
            set_value(added.attributes.add(key=key).value, value)
    return request


def set_value(target: AnyValue, value: Any) -> None:
    match value:
        case bool():
            target.bool_value = value
        case str():
            target.string_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case list():
            target.array_value.SetInParent()
            for item in value:
                set_value(target.array_value.values.add(), item)
        case dict():
            target.kvlist_value.SetInParent()
            for key, item in value.items():
                set_value(target.kvlist_value.values.add(key=key).value, item)


def measure(name: str, spans: int, seconds: float, work: Callable[[], object]) -> float:
    """Repeats the work and prints the fastest round; returns its seconds a span."""
    work()
    fastest = float("inf")
    until = time.process_time() + seconds
    while time.process_time() < until:
        started = time.process_time()
        work()
        fastest = min(fastest, time.process_time() - started)
    each = fastest / spans
    print(f"{name:12} {1 / each:10,.0f} spans/s  {each * 1e6:8.1f} µs a span (one core, CPU time, fastest round)")
    return each


def profile(work: Callable[[], object]) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
