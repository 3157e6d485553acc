"""What the recording patterns cost an agent, against a bare OpenTelemetry span.

    python tests/bench/pattern_cost.py [--rounds 200] [--black-hole-rounds 40]

Three tables: microseconds of our own code (a service that answers at once, in the process), microseconds with a real
service on this machine, and the delay that a service which accepts and never answers adds. The last one decides the
exit code: 99 of 100 runs must be delayed by no more than the 300 ms deadline of the augmentation plus 20 ms.
"""

import argparse
import asyncio
import contextlib
import logging
import socket
import statistics
import sys
import tempfile
import threading
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


def print_table(title: str, client: ReflectClient, rounds: int, skip: str = "") -> None:
    print(title)
    for name, run in patterns(client).items():
        if name == skip:
            continue
        measure(run, rounds // 4)
        times = measure(run, rounds)
        p99 = statistics.quantiles(times, n=100)[98]
        print(f"  {name:<24}{statistics.median(times) * 1e6:>10.0f} us median{p99 * 1e6:>10.0f} us p99")


def build_instant_client() -> ReflectClient:
    """A client whose patterns ask nobody."""
    client = ReflectClient("http://127.0.0.1:9")
    transport = InstantTransport()
    client.recorder = RunRecorder(transport, Submissions(transport, 1), client.wait_for_trace, 1, 1)
    return client


@contextlib.contextmanager
def black_hole():
    """The address of a socket that accepts and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def measure_black_hole(rounds: int) -> bool:
    """Print what a silent service adds to a run; whether that is within the allowance."""
    with black_hole() as url:
        client = ReflectClient(url, augment_timeout=DEADLINE_SECONDS)
        augment = measure(lambda: client.augment_with_memories(TASK), rounds)
        runs = {name: measure(run, rounds) for name, run in patterns(client).items() if "manager" in name}
    within = True
    print("service that never answers")
    for name, times in {"augment_with_memories": augment, **runs}.items():
        p99 = statistics.quantiles(times, n=100)[98]
        within = within and p99 <= DEADLINE_SECONDS + ALLOWANCE_SECONDS
        print(f"  {name:<24}{statistics.median(times) * 1e3:>10.1f} ms median{p99 * 1e3:>10.1f} ms p99")
    return within


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost of the recording patterns.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--black-hole-rounds", type=int, default=40)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    print_table("our own code", build_instant_client(), arguments.rounds, skip="explicit calls")
    with (
        tempfile.TemporaryDirectory() as folder,
        ServiceProcess(Path(folder)) as service,
        ReflectClient(f"http://{service.grpc_address}", augment_timeout=5) as client,
    ):
        print_table("service on this machine", client, arguments.rounds)
    return 0 if measure_black_hole(arguments.black_hole_rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
