"""What storing costs: journal appends beside a raw log, spans per second into DuckDB, and the two hot reads.

    python -m tests.bench.store_write --spans 20480

Absolute numbers belong to the machine and its load; believe ratios and minima. Prints one JSON object per line.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reflect_otel.journal import Journal
from reflect_otel.model.spans import RunState, SpanRecord
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import RunFilter, TelemetryBatch
from reflect_otel.store.duckdb_store import DuckDBStore

_BATCH_SPANS = 512
_SPANS_PER_RUN = 8
_VOCABULARY = ["".join(random.Random(at).choices("etaoinshrdlucm", k=3 + at % 7)) for at in range(8000)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=20_480, help="spans to store")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of the journal comparison")
    parser.add_argument("--dir", default=None, help="folder on the disk to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        for body_bytes, count in ((2_400_000, 80), (600_000, 240), (4_000, 2_000)):
            report(measure_journal(Path(folder), body_bytes, count, options.rounds))
        report(measure_store(Path(folder) / "reflect.duckdb", options.spans))


def report(result: dict[str, object]) -> None:
    print(json.dumps(result), flush=True)


def measure_journal(folder: Path, body_bytes: int, count: int, rounds: int) -> dict[str, object]:
    """Four threads append ``count`` records, to the journal and to a bare file with fdatasync, in turns."""
    body = os.urandom(body_bytes)
    rates: dict[str, list[float]] = {"raw": [], "journal": []}
    for _ in range(rounds):
        with raw_log(folder) as append:
            rates["raw"].append(count / run_threads(append, body, count))
        with journal_log(folder) as append:
            rates["journal"].append(count / run_threads(append, body, count))
    best, median = ({name: pick(found) for name, found in rates.items()} for pick in (max, statistics.median))
    return {
        "bench": "journal",
        "record_bytes": body_bytes,
        "appends_per_second_median": {name: round(rate) for name, rate in median.items()},
        "appends_per_second_best": {name: round(rate) for name, rate in best.items()},
        "ratio_of_medians": round(median["journal"] / median["raw"], 2),
        "ratio_of_bests": round(best["journal"] / best["raw"], 2),
    }


@contextmanager
def raw_log(folder: Path) -> Iterator[Callable[[bytes], None]]:
    path, lock = folder / "raw.log", threading.Lock()
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def append(body: bytes) -> None:
        with lock:
            os.write(descriptor, body)
            os.fdatasync(descriptor)

    yield append
    os.close(descriptor)
    path.unlink()


@contextmanager
def journal_log(folder: Path) -> Iterator[Callable[[bytes], None]]:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        journal = Journal(own)
        yield lambda body: _ignore(journal.append(1, "default", 0, body))
        journal.close()


def _ignore(_: int) -> None:
    return None


def run_threads(append: Callable[[bytes], None], body: bytes, count: int, threads: int = 4) -> float:
    """Seconds for ``count`` appends by ``threads`` threads."""

    def work() -> None:
        for _ in range(count // threads):
            append(body)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


def measure_store(path: Path, spans: int) -> dict[str, object]:
    """Batches of 512 spans with 4 kB of text of their own and 12 attributes, 64 runs a batch; then the reads."""
    batches = [build_batch(offset) for offset in range(1, spans // _BATCH_SPANS + 1)]
    store = DuckDBStore(path)
    commits: list[float] = []
    cpu, start = time.process_time(), time.perf_counter()
    for batch in batches:
        before = time.perf_counter()
        store.write_telemetry(batch)
        commits.append(time.perf_counter() - before)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    run_ids = [record.run_id for batch in batches for record in batch.runs]
    reads = [seconds(lambda: store.find_telemetry("default", [random.choice(run_ids)])) for _ in range(50)]
    latest = [seconds(lambda: store.find_runs("default", RunFilter(), 50)) for _ in range(20)]
    repeated = seconds(lambda: store.write_telemetry(batches[len(batches) // 2]))
    closing = seconds(store.close)
    return {
        "bench": "store",
        "spans": len(batches) * _BATCH_SPANS,
        "spans_per_second": round(len(batches) * _BATCH_SPANS / wall),
        "cpu_us_per_span": round(cpu / len(batches) / _BATCH_SPANS * 1e6, 1),
        "commit_ms": quantiles(commits),
        "repeated_batch_ms": round(repeated * 1e3, 1),
        "read_run_ms": quantiles(reads),
        "latest_50_runs_ms": quantiles(latest),
        "close_ms": round(closing * 1e3),
        "bytes_per_span": round(path.stat().st_size / len(batches) / _BATCH_SPANS),
    }


def build_batch(offset: int) -> TelemetryBatch:
    source = random.Random(offset)
    resource = {"service.name": "bench", "telemetry.sdk.language": "python", "telemetry.sdk.version": "1.40.0"}
    spans, joined, runs = [], [], []
    for run in range(_BATCH_SPANS // _SPANS_PER_RUN):
        trace_id = source.randbytes(16)
        spans += [build_span(trace_id, at, source, resource, offset) for at in range(_SPANS_PER_RUN)]
        joined.append(("default", trace_id, trace_id.hex()))
        runs.append(
            RunRecord(
                project_id="default",
                run_id=trace_id.hex(),
                trace_ids=(trace_id.hex(),),
                state=RunState.OPEN,
                task="find a table for two",
                first_seen_ns=offset * 1_000 + run,
                last_seen_ns=offset * 1_000 + run,
            )
        )
    return TelemetryBatch(
        journal_offset=offset,
        received_ns=offset,
        spans=[("default", span) for span in spans],
        joined=joined,
        runs=runs,
    )


def build_span(trace_id: bytes, at: int, source: random.Random, resource: dict[str, str], offset: int) -> SpanRecord:
    now_ns = 1_790_000_000_000_000_000 + offset * 1_000_000
    return SpanRecord(
        trace_id=trace_id,
        span_id=source.randbytes(8),
        parent_span_id=source.randbytes(8) if at else None,
        name="chat model-1",
        kind=3,
        start_ns=now_ns,
        end_ns=now_ns + 900_000,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "model-1",
            "gen_ai.response.model": "model-1-2026",
            "gen_ai.response.id": source.randbytes(12).hex(),
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": source.randrange(9_000),
            "gen_ai.usage.output_tokens": source.randrange(900),
            "gen_ai.request.temperature": 0.5,
            "gen_ai.conversation.id": trace_id.hex(),
            "server.address": "api.example.org",
            "gen_ai.input.messages": " ".join(source.choices(_VOCABULARY, k=585)),
        },
        resource=resource,
        scope_name="bench",
        scope_version="1",
    )


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered) * 1e3, 1),
        "p99": round(ordered[int(len(ordered) * 0.99)] * 1e3, 1),
        "max": round(ordered[-1] * 1e3, 1),
    }


if __name__ == "__main__":
    main()
