"""What embedded mode costs and saves: start-up in seconds, calls in microseconds, beside a service on this machine.

    python tests/bench/embedded_cost.py [--memories 500] [--rounds 300]

Start-up is measured in processes of their own: until the first augmentation has come back, over a folder that holds
the memories already.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from reflect_otel import ReflectClient
from tests.journeys.service_process import ServiceProcess

TASK = "Cancel the customer's flight on May 17 and refund the remaining amount to the original card"
CHAT = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "Done, I cancelled D1EW9B."}]
STARTS = 5
CALLS: dict[str, Callable[[ReflectClient], object]] = {
    "augment": lambda client: client.augment_with_memories(TASK),
    "query_memories": lambda client: client.query_memories(TASK),
    "create_trace": lambda client: client.create_trace(TASK, CHAT),
    "create_trace_and_wait, reviewed": lambda client: client.create_trace_and_wait(
        TASK, CHAT, review_result="fail", feedback_text="ask which flight"
    ),
}
FIRST_ANSWER = """
import sys, time
began = time.perf_counter()
from reflect_otel import ReflectClient
with ReflectClient(sys.argv[1], augment_timeout=60) as client:
    assert len(client.augment_with_memories(sys.argv[2]).memories) > 0
    print(time.perf_counter() - began)
"""


def fill(url: str, memories: int) -> None:
    """Store that many memories."""
    with ReflectClient(url) as client:
        for number in range(memories):
            client.create_memory(f"{TASK}, order {number}", f"Look up reservation {number} before cancelling it.")


def first_answer_seconds(url: str) -> float:
    """From the start of a client's program to its first augmentation, the interpreter's own start left out."""
    command = [sys.executable, "-c", FIRST_ANSWER, url, TASK]
    return statistics.median(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(STARTS)
    )


def measure_calls(url: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Median and 99th percentile of each call, in microseconds."""
    with ReflectClient(url, augment_timeout=60) as client:
        return {
            name: measure(lambda call=call: call(client), rounds if name != "create_trace_and_wait, reviewed" else 20)
            for name, call in CALLS.items()
        }


def measure(call: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median and 99th percentile in microseconds, after a warm-up."""
    taken = []
    for _ in range(rounds + 5):
        began = time.perf_counter_ns()
        call()
        taken.append((time.perf_counter_ns() - began) / 1000)
    ordered = sorted(taken[5:])
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]


def main() -> None:
    """Print start-up, then a row a call."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memories", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        embedded = f"embedded://{data}"
        fill(embedded, arguments.memories)
        seconds = {"embedded": first_answer_seconds(embedded)}
        costs = {"embedded": measure_calls(embedded, arguments.rounds)}
        began = time.perf_counter()
        with ServiceProcess(data) as service:
            service_seconds = time.perf_counter() - began
            seconds["grpc"] = first_answer_seconds(service.url)
            costs["grpc"] = measure_calls(service.url, arguments.rounds)
    print("first augmentation of a new process:", *(f"{way} {taken:.2f} s" for way, taken in seconds.items()))
    print(f"start of the service for the latter: {service_seconds:.2f} s")
    print(f"{'microseconds':<34}{'embedded p50':>14}{'p99':>10}{'gRPC p50':>14}{'p99':>10}")
    for name in CALLS:
        (here, here_99), (there, there_99) = costs["embedded"][name], costs["grpc"][name]
        print(f"{name:<34}{here:>14.0f}{here_99:>10.0f}{there:>14.0f}{there_99:>10.0f}")


if __name__ == "__main__":
    main()
