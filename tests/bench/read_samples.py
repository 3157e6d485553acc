"""Spans a second on one core: decoding OTLP, and reading runs to trajectories.

    python tests/bench/read_samples.py [--seconds 5] [--profile]

The input is every recording under examples/data. ``decode`` turns protobuf requests into records, ``read`` groups the
records and reads every run; ``files`` does both from the gzipped OTLP/JSON files, as ``reflect-otel read`` does.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from collector_plugin.otlp import parse_trace_request, read_spans
from collector_plugin.otlp.files import iter_file
from collector_plugin.otlp.json_format import Telemetry
from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.model.spans import SpanRecord
from reflect_otel.runs.grouping import group_runs

DATA = Path(__file__).parents[2] / "examples" / "data"
FILES = sorted([*DATA.glob("otlp-samples/*/*.jsonl.gz"), DATA / "trajectories" / "tau-sample.otlp.jsonl.gz"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to repeat each measurement")
    parser.add_argument("--profile", action="store_true", help="show where the time of reading goes")
    options = parser.parse_args()
    samples = [load(path) for path in FILES]
    spans = [span for sample in samples for span in sample.spans]
    bodies = [encode(sample.spans).SerializeToString() for sample in samples if sample.spans]
    total_bytes = sum(map(len, bodies))
    print(f"{len(spans)} spans, {total_bytes / len(spans) / 1000:.1f} kB each as protobuf")
    measure("decode", len(spans), options.seconds, lambda: [read_spans(parse_trace_request(body)) for body in bodies])
    measure("read", len(spans), options.seconds, lambda: [read(sample) for sample in samples])
    measure("files", len(spans), options.seconds, lambda: [read(load(path)) for path in FILES])
    if options.profile:
        profile(lambda: [read(sample) for sample in samples])


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


def measure(name: str, spans: int, seconds: float, work: Callable[[], object]) -> None:
    work()
    rounds = 0
    started = time.process_time()
    while time.process_time() - started < seconds:
        work()
        rounds += 1
    each = (time.process_time() - started) / rounds / spans
    print(f"{name:8} {1 / each:10,.0f} spans/s  {each * 1e6:8.1f} µs a span (one core, CPU time)")


def profile(work: Callable[[], object]) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
