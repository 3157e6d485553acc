"""Augment over gRPC against a service process, beside an echo over gRPC and an exact search of the same vectors.

    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/bench/augment_round_trip.py [--sizes 10000 100000] [--rounds 40]

The memories lie in 10 projects of a real data folder; the service is ``reflect-otel serve``. Tasks were asked for
before, so that no embedding is timed. The parts are measured in turns, ``BURST`` calls of each in every round, so
that a busy machine weighs on all of them alike. *augment* names no run, *for a run* names one, so that what it is
served is written to the journal too. *ratio* is the median round trip of Augment over the sum of the medians of echo
and search, *run ratio* that of Augment for a run; *recall* compares the 10 nearest by QueryMemories with brute force.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import duckdb
import faiss
import grpc
import numpy as np

from reflect_otel import ReflectClient
from reflect_otel.plugins import load_plugin
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.journeys.service_process import ServiceProcess

PROJECTS = 10
KINDS = 32
POOL = 40
BURST = 25
ECHO = "/bench.Echo/Call"
VERBS = ("cancel", "refund", "ship", "track", "return", "exchange", "invoice", "repair")
THINGS = ("flight", "parcel", "coffee machine", "hotel room")
LESSON = "When a customer asks for this: look up the order first. Check: the rules allow it. " * 3


def build_tasks() -> list[str]:
    """One task of each kind."""
    return [f"Please {verb} the {thing} of the customer and confirm by mail" for verb in VERBS for thing in THINGS]


def unit(vectors: Any) -> Any:
    """Rows of length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def fill(folder: Path, size: int, embedder: Any) -> Any:
    """A data folder with so many memories around the tasks; the vectors of project 0."""
    path = folder / "reflect.duckdb"
    DuckDBStore(path).close()
    rng = np.random.default_rng(7)
    centres = np.stack(embedder.embed(build_tasks()))
    noise = rng.normal(size=(size, embedder.dimensions)) / np.sqrt(embedder.dimensions)
    vectors = unit(centres[rng.integers(KINDS, size=size)] + 0.9 * noise)
    projects = np.array([f"p{number % PROJECTS}" for number in range(size)], dtype=object)
    rows = {
        "project_id": projects,
        "memory_id": np.array([f"m{number}" for number in range(size)], dtype=object),
        "utility": rng.uniform(0.3, 1.0, size),  # none so low that maintenance archives it
        "uses": rng.integers(0, 7, size),
        "vector": np.array([row.tobytes() for row in vectors], dtype=object),
    }
    with duckdb.connect(str(path)) as connection:
        connection.register("rows", rows)
        connection.execute(
            """insert into memories (project_id, memory_id, task, reflection, kind, utility, uses, passes,
                created_from, created_ns, status, metadata)
            select project_id, memory_id, 'task', $lesson || memory_id, 'strategy', utility, uses, 0, '', $now_ns,
                'active', '{}'
            from rows""",
            {"lesson": LESSON, "now_ns": time.time_ns()},
        )
        connection.execute(
            """insert into memory_vectors (project_id, memory_id, purpose, embedder_id, vector)
            select project_id, memory_id, purpose, $embedder, vector
            from rows, (values ('task'), ('content')) t(purpose)""",
            {"embedder": embedder.id},
        )
    return vectors[projects == "p0"]


def serve_echo(port: Any) -> None:
    """Return what is sent, until killed."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    call = grpc.unary_unary_rpc_method_handler(lambda raw, _: raw)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Call": call}),))
    port.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    server.wait_for_termination()


@contextmanager
def echo_server() -> Iterator[int]:
    """A process that echoes, by its port."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe()
    process = context.Process(target=serve_echo, args=(sender,), daemon=True)
    process.start()
    yield receiver.recv()
    process.terminate()
    process.join()


def microseconds(call: Callable[[int], Any], number: int) -> float:
    """How long one call took."""
    started = time.perf_counter_ns()
    call(number)
    return (time.perf_counter_ns() - started) / 1000


def measure(size: int, rounds: int, embedder_name: str) -> dict[str, float]:
    """Medians in microseconds, the ratio, and the recall."""
    embedder: Any = load_plugin("reflect_otel.embedders", embedder_name)()
    tasks = build_tasks()
    queries = np.stack(embedder.embed(tasks))
    with tempfile.TemporaryDirectory() as folder, echo_server() as port:
        own = fill(Path(folder), size, embedder)
        flat = faiss.IndexFlatIP(embedder.dimensions)
        flat.add(own)
        with (
            ServiceProcess(Path(folder), "--embedder", embedder_name) as service,
            grpc.insecure_channel(service.grpc_address) as channel,
            grpc.insecure_channel(f"127.0.0.1:{port}") as echo_channel,
            ReflectClient(service.url, project_id="p0", augment_timeout=30) as client,
        ):
            augment, echo = channel.unary_unary("/reflect.v1.ReflectService/Augment"), echo_channel.unary_unary(ECHO)
            metadata = (("x-reflect-project", "p0"),)
            bodies = [wire.AugmentRequest(task=task).SerializeToString() for task in tasks]
            named = [
                wire.AugmentRequest(task=task, run_id=f"r{at}").SerializeToString() for at, task in enumerate(tasks)
            ]
            parts: dict[str, Callable[[int], Any]] = {
                "echo": lambda number: echo(bodies[number]),
                "search": lambda number: flat.search(queries[number][np.newaxis], POOL),
                "augment": lambda number: augment(bodies[number], metadata=metadata),
                "for a run": lambda number: augment(named[number], metadata=metadata),
            }
            times: dict[str, list[float]] = {name: [] for name in parts}
            for at in range(-2, rounds):
                for name, call in parts.items():
                    taken = [microseconds(call, (at * BURST + turn) % KINDS) for turn in range(BURST)]
                    times[name] += taken if at >= 0 else []
            recall = statistics.mean(
                count_found(client, task, query, own) for task, query in zip(tasks, queries, strict=True)
            )
    row = {name: statistics.median(values) for name, values in times.items()}
    floor = row["echo"] + row["search"]
    return row | {"ratio": row["augment"] / floor, "run ratio": row["for a run"] / floor, "recall": recall}


def count_found(client: ReflectClient, task: str, query: Any, own: Any) -> float:
    """Share of the 10 nearest by brute force that the service finds."""
    nearest = np.argsort(-(own @ query), kind="stable")[:10]
    found = {memory.id for memory in client.query_memories(task, limit=10, lambda_=1.0, similarity_threshold=-1.0)}
    return len(found & {f"m{PROJECTS * index}" for index in nearest.tolist()}) / 10


def main() -> None:
    """Print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--embedder", default="minilm", help="whose vectors: minilm (384 numbers) or hashing (512)")
    arguments = parser.parse_args()
    for number, size in enumerate(arguments.sizes):
        row = measure(size, arguments.rounds, arguments.embedder)
        if number == 0:
            print(f"{'memories':>10}" + "".join(f"{name:>10}" for name in row) + "   (microseconds, medians)")
        print(f"{size:>10}" + "".join(f"{value:>10.{1 if value > 10 else 3}f}" for value in row.values()), flush=True)


if __name__ == "__main__":
    main()
