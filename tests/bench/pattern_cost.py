"""What the recording patterns cost an agent, against a bare OpenTelemetry span.

    python tests/bench/pattern_cost.py [--rounds 200] [--black-hole-rounds 40]

Four tables: microseconds of our own code (a service that answers at once, in the process), microseconds with a real
service on this machine, and the delay that a service adds which takes connections and never answers, or whose packets
are dropped. The last two decide the exit code: 99 of 100 runs must be delayed by no more than the 300 ms deadline of
the augmentation plus 20 ms, where a busy machine is allowed what a plain sleep of 300 ms takes on it meanwhile.
"""

import argparse
import asyncio
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from collector_plugin.demo.service_process import ServiceProcess
from reflect_otel import ReflectClient, TraceResult, reflect_trace
from reflect_otel.client.submission import Submissions
from reflect_otel.client.tracing import RunRecorder
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.gateway import black_hole, unreachable

TASK = "Refund the damaged coffee order of a customer"
ANSWER = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "Refunded."}]
DEADLINE_SECONDS = 0.3
ALLOWANCE_SECONDS = 0.02


class InstantTransport:
    """A service that answers at once, without a socket."""

    def call(self, method, request, timeout_seconds):
        if method == "Augment":
            return wire.AugmentResponse(augmented_task=request.task)
        return wire.CreateTraceResponse(trace_id=request.trace_id)


def patterns(client: ReflectClient) -> dict[str, Callable[[], object]]:
    """One run each."""
    tracer = trace.get_tracer("bench")

    def bare_span():
        with tracer.start_as_current_span("invoke_agent"):
            pass

    def context_manager():
        with client.trace(TASK) as ctx:
            ctx.set_output(trajectory=ANSWER)

    @reflect_trace(client)
    def decorated(ctx, task):
        return TraceResult(output=None, trajectory=ANSWER)

    async def async_context_manager():
        async with client.trace_async(TASK) as ctx:
            ctx.set_output(trajectory=ANSWER)

    loop = asyncio.new_event_loop()
    return {
        "bare span": bare_span,
        "context manager": context_manager,
        "decorator": lambda: decorated(TASK),
        "async context manager": lambda: loop.run_until_complete(async_context_manager()),
        "explicit calls": lambda: (client.augment_with_memories(TASK), client.create_trace(TASK, ANSWER)),
    }


def measure(run: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return times


def find_p99(times: list[float]) -> float:
    """Between the two slowest where there are fewer than a hundred rounds, and never beyond the slowest."""
    return statistics.quantiles(times, n=100, method="inclusive")[98]


def print_table(title: str, client: ReflectClient, rounds: int, skip: str = "") -> None:
    print(title)
    for name, run in patterns(client).items():
        if name == skip:
            continue
        measure(run, rounds // 4)
        times = measure(run, rounds)
        print(f"  {name:<24}{statistics.median(times) * 1e6:>10.0f} us median{find_p99(times) * 1e6:>10.0f} us p99")


def build_instant_client() -> ReflectClient:
    """A client whose patterns ask nobody."""
    client = ReflectClient("http://127.0.0.1:9")
    transport = InstantTransport()
    client.recorder = RunRecorder(transport, Submissions(transport, 1), client.wait_for_trace, 1, 1)
    return client


def measure_silence(title: str, url: str, rounds: int) -> bool:
    """Print what a silent service adds to a run; whether that is within the allowance."""
    client = ReflectClient(url, augment_timeout=DEADLINE_SECONDS)
    runs = {name: run for name, run in patterns(client).items() if name != "bare span"}
    runs = {"augment_with_memories": lambda: client.augment_with_memories(TASK), **runs}
    asleep: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        asleep += measure(lambda: time.sleep(DEADLINE_SECONDS), 1)
        for name, run in runs.items():
            taken[name] += measure(run, 1)
    print(title)
    within = True
    floor = find_p99(asleep)
    for name, times in {f"(time.sleep({DEADLINE_SECONDS}))": asleep, **taken}.items():
        within = within and find_p99(times) <= floor + ALLOWANCE_SECONDS
        print(f"  {name:<24}{statistics.median(times) * 1e3:>10.1f} ms median{find_p99(times) * 1e3:>10.1f} ms p99")
    print(f"  on disk: {client.status.spooled} runs, dropped: {client.status.dropped}")
    client.close()
    return within


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost of the recording patterns.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--black-hole-rounds", type=int, default=40)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    print_table("our own code", build_instant_client(), arguments.rounds, skip="explicit calls")
    with tempfile.TemporaryDirectory() as folder:
        with (
            ServiceProcess(Path(folder)) as service,
            ReflectClient(f"http://{service.grpc_address}", augment_timeout=5) as client,
        ):
            print_table("service on this machine", client, arguments.rounds)
        # Only now: a service that is still learning from a thousand runs is no silent one.
        os.environ["REFLECT_SPOOL_DIR"] = str(Path(folder) / "spool")
        with black_hole() as deaf, unreachable() as lost:
            within = [
                measure_silence(
                    "service that takes connections and never answers", deaf, arguments.black_hole_rounds
                ),
                measure_silence("service whose packets are dropped", lost, arguments.black_hole_rounds),
            ]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
