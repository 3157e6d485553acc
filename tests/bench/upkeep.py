"""What the upkeep of a large project costs, and what Augment and ingest feel of it.

    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/bench/upkeep.py [--memories 50000] [--only WORD ...] [--statements]

A real service process owns 50,000 memories of one project and 10,000 of others, drawn from 20,000 runs that were
served three memories each. While it does one thing after the other, agents go on: an Augment, one for a named run,
and an OTLP export of a run, one after another. Each is timed with nothing else going on (*quiet*, before and after)
and while it is done (*during*), so that a busy machine weighs on both alike. Milliseconds; *seconds* and *statements*
are those of the upkeep itself. ``--statements`` tells which statements they were.
"""

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import grpc
import numpy as np

from collector_plugin.app import Service
from collector_plugin.interpreter import shared_out
from collector_plugin.settings import EngineOptions, ServeOptions
from reflect_otel.model.governance import ANY_MEMORY, GovernanceChange
from reflect_otel.plugins import load_plugin
from reflect_otel.store.session import Session
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.bench.upkeep_data import PROJECT, Island, build_islands, build_tasks, fill
from tests.journeys.telemetry import TRACES, agent_run, trace_request

EMBEDDER = "hashing"
QUIET_SECONDS = 1.5
PAUSE_SECONDS = 0.003
"""Between an agent's calls: agents that ask without a pause would be the load themselves."""
SURPLUS = 5000
REACHES = (10, 1000, 10_000)
METADATA = (("x-reflect-project", PROJECT),)
KINDS = ("augment", "for a run", "export")
BACKGROUND = ("reflect-pipeline", "reflect-learning", "reflect-checkpoint", "reflect-judge")


# --- the service process ------------------------------------------------------------------------------


class StatementLog:
    """How often each statement was run, and for how long, except by the threads that serve the agents."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}
        for name in ("fetch", "execute", "insert"):
            setattr(Session, name, self._watch(getattr(Session, name)))

    def _watch(self, call: Any) -> Any:
        def run(session: Session, name: str, /, *arguments: Any, **parameters: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(session, name, *arguments, **parameters)
            finally:
                if not threading.current_thread().name.startswith(BACKGROUND):
                    self.taken.setdefault(name, []).append(time.perf_counter() - began)

        return run


def serve(folder: Path, pipe: Any) -> None:
    """A service that tells its address, and then does what it is told until it is told to stop."""
    log = StatementLog()
    began = time.perf_counter()
    options = EngineOptions(data_dir=folder, embedder=EMBEDDER)
    service = Service(ServeOptions(engine=options, grpc_address="127.0.0.1:0", http_address="127.0.0.1:0"))
    service.start()
    pipe.send((service.grpc_address, time.perf_counter() - began))
    engine: Any = service._engine
    commands: dict[str, Callable[[], Any]] = {
        "round": engine._maintenance.run_round,
        "spoil": lambda: spoil(engine._store),
        "checkpoint": engine._store._store._database._checkpoint,
        "active": lambda: engine._store.count_active_by_project()[PROJECT],
        "statements": lambda: take(log.taken),
    }
    with shared_out():
        while (command := pipe.recv()) != "stop":
            pipe.send(commands[command]())
        service.stop()
    pipe.send(None)


def spoil(store: Any) -> int:
    """Let ``SURPLUS`` memories of the project fail."""
    found = store.find_memories(PROJECT, before=None, limit=100_000, only=ANY_MEMORY)
    failing = [memory for memory in found if memory.status == "active" and not memory.uses][:SURPLUS]
    changed = [replace(memory, utility=0.1, uses=6) for memory in failing]
    store.write_change(PROJECT, GovernanceChange(memories=changed))
    return len(changed)


def take(taken: dict[str, list[float]]) -> dict[str, list[float]]:
    """What was noted since the last time."""
    found = {name: list(seconds) for name, seconds in taken.items()}
    taken.clear()
    return found


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, float, Callable[[str], Any]]]:
    """A service process: its address, how many seconds it took to start, and what asks it to do something."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=serve, args=(folder, other), daemon=True)
    began = time.perf_counter()
    process.start()
    address, _ = pipe.recv()
    started = time.perf_counter() - began

    def ask(command: str) -> Any:
        pipe.send(command)
        return pipe.recv()

    yield address, started, ask
    ask("stop")
    process.join()


# --- the agents ---------------------------------------------------------------------------------------


class Agents:
    """Augment, Augment for a run and an export in turns, over one connection."""

    def __init__(self, channel: Any) -> None:
        augment, self._export = channel.unary_unary("/reflect.v1.ReflectService/Augment"), channel.unary_unary(TRACES)
        self._augment = lambda body: augment(body, metadata=METADATA, timeout=60)
        self._tasks = build_tasks()
        self._number = 0

    def work(self, is_over: Callable[[], bool]) -> dict[str, list[float]]:
        """Milliseconds of each call, until it is over."""
        taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
        while not is_over():
            for kind, body in zip(KINDS, self._build_bodies(), strict=True):
                began = time.perf_counter()
                if kind == "export":
                    self._export(body, metadata=METADATA, timeout=60)
                else:
                    self._augment(body)
                taken[kind].append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE_SECONDS)
        return taken

    def work_for(self, seconds: float) -> dict[str, list[float]]:
        """The same for so long."""
        end = time.monotonic() + seconds
        return self.work(lambda: time.monotonic() > end)

    def _build_bodies(self) -> tuple[bytes, bytes, bytes]:
        self._number += 1
        task = self._tasks[self._number % len(self._tasks)]
        named = wire.AugmentRequest(task=task, run_id=f"agent-{self._number}")
        run = trace_request(agent_run(task, "It is done.", trace_id=os.urandom(16)))
        return wire.AugmentRequest(task=task).SerializeToString(), named.SerializeToString(), run.SerializeToString()


@dataclass
class Felt:
    """What the agents felt: milliseconds of each kind of call, quiet and during."""

    seconds: list[float] = field(default_factory=list)
    statements: dict[str, list[float]] = field(default_factory=dict)
    quiet: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    during: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


def extend(kept: dict[str, list[float]], more: dict[str, list[float]]) -> None:
    """Add what was measured."""
    for name, values in more.items():
        kept.setdefault(name, []).extend(values)


def feel(agents: Agents, ask: Callable[[str], Any], do: Callable[[], Any], felt: Felt) -> Any:
    """Do it while the agents go on, after and before they had their quiet."""
    extend(felt.quiet, agents.work_for(QUIET_SECONDS))
    ask("statements")
    answer: list[Any] = []
    began = time.perf_counter()

    def act() -> None:
        answer.append(do())
        felt.seconds.append(time.perf_counter() - began)

    acting = threading.Thread(target=act)
    acting.start()
    extend(felt.during, agents.work(lambda: not acting.is_alive()))
    acting.join()
    extend(felt.statements, ask("statements"))
    extend(felt.quiet, agents.work_for(QUIET_SECONDS))
    return answer[0]


# --- the upkeep ---------------------------------------------------------------------------------------


class Upkeep:
    """Everything that is measured, by name."""

    def __init__(self, channel: Any, ask: Callable[[str], Any], islands: list[Island]) -> None:
        self._channel = channel
        self._ask = ask
        self._islands = islands
        self._agents = Agents(channel)
        self.felt: dict[str, Felt] = {}

    def measure(self, only: list[str]) -> Iterator[str]:
        """Do all whose name holds one of the words, and tell the name of each when it is done."""
        for name, do in self._iter_acts():
            if not only or any(word in name for word in only):
                do(name)
                yield from [known for known in dict.fromkeys((name, _release_of(name))) if known in self.felt]

    def _iter_acts(self) -> Iterator[tuple[str, Callable[[str], Any]]]:
        yield "nothing to archive", lambda name: self._feel(name, lambda: self._ask("round"))
        for island in self._islands[:-1]:
            for how, origin in origins(island).items():
                yield f"blast radius of {island.memories} by {how}", lambda name, o=origin: self._radius(name, o)
        for island in self._islands[:-1]:
            for how, origin in origins(island).items():
                yield f"quarantine of {island.memories} by {how}", lambda name, o=origin: self._quarantine(name, o)
        yield "adding 1000 memories", lambda name: self._feel(name, self._add)
        yield "checkpoint after that", lambda name: self._feel(name, lambda: self._ask("checkpoint"))
        yield f"{SURPLUS} fail", self._archive_failing
        yield f"{SURPLUS} over the quota", self._archive_surplus

    def _feel(self, name: str, do: Callable[[], Any]) -> Any:
        return feel(self._agents, self._ask, do, self.felt.setdefault(name, Felt()))

    def _call(self, method: str, request: Any, answer: Any) -> Any:
        call = self._channel.unary_unary(f"/reflect.v1.ReflectService/{method}")
        return answer.FromString(call(request.SerializeToString(), metadata=METADATA, timeout=300))

    def _radius(self, name: str, origin: wire.Origin) -> None:
        request = wire.FindBlastRadiusRequest(origin=origin)
        self._feel(name, lambda: self._call("FindBlastRadius", request, wire.FindBlastRadiusResponse))

    def _quarantine(self, name: str, origin: wire.Origin) -> None:
        request = wire.CreateQuarantineRequest(origin=origin)
        made = self._feel(name, lambda: self._call("CreateQuarantine", request, wire.CreateQuarantineResponse))
        freeing = wire.ReleaseQuarantineRequest(quarantine_id=made.quarantine.id)
        self._feel(
            _release_of(name), lambda: self._call("ReleaseQuarantine", freeing, wire.ReleaseQuarantineResponse)
        )

    def _add(self) -> None:
        for number in range(1000):
            request = wire.CreateMemoryRequest(task=f"Sort shelf {number}", reflection=f"Begin with row {number}.")
            self._call("CreateMemory", request, wire.CreateMemoryResponse)

    def _archive_failing(self, name: str) -> None:
        self._ask("spoil")
        print(f"    archived {self._feel(name, lambda: self._ask('round'))}")

    def _archive_surplus(self, name: str) -> None:
        listed = self._ask("active")
        settings = wire.ProjectSettings(memory_quota=listed - SURPLUS)
        request = wire.UpdateProjectSettingsRequest(settings=settings)
        self._call("UpdateProjectSettings", request, wire.UpdateProjectSettingsResponse)
        print(f"    archived {self._feel(name, lambda: self._ask('round'))}")


def _release_of(name: str) -> str:
    return name.replace("quarantine", "release")


def origins(island: Island) -> dict[str, wire.Origin]:
    """What reaches exactly the memories of the island."""
    timed = wire.Origin()
    timed.since.FromNanoseconds(island.since_ns)
    timed.until.FromNanoseconds(island.until_ns)
    return {
        "run": wire.Origin(run_ids=[f"r{island.first_run}"]),
        "author": wire.Origin(author=island.name),
        "time": timed,
    }


# --- the report ---------------------------------------------------------------------------------------


def print_felt(name: str, felt: Felt, *, with_statements: bool) -> None:
    """One line of the table; p50, p99 and maximum of each kind of call."""
    count = sum(len(seconds) for seconds in felt.statements.values()) / len(felt.seconds)
    seconds = sum(felt.seconds) / len(felt.seconds)
    print(f"{name:34}{seconds:>8.3f} s{count:>8.0f}", end="")
    for kind in KINDS:
        quiet, during = tell(felt.quiet[kind]), tell(felt.during[kind])
        print(f" | {quiet} -> {during}", end="")
    print(f" | {len(felt.during['augment'])}", flush=True)
    if with_statements:
        spent = Counter({key: sum(values) for key, values in felt.statements.items()})
        for key, total in spent.most_common(8):
            print(f"    {key:32}{len(felt.statements[key]):>6} x {total * 1000:>8.0f} ms")


def tell(values: list[float]) -> str:
    """p50, p99 and maximum."""
    if not values:
        return "     -      -      -"
    return "".join(f"{value:>7.1f}" for value in (*np.percentile(values, [50, 99]), max(values)))


def main() -> None:
    """Print one line for everything that is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memories", type=int, default=50_000)
    parser.add_argument("--only", nargs="*", default=[], help="words; only what has one of them in its name")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--statements", action="store_true")
    parser.add_argument("--start", type=int, nargs="*", default=[], help="only the start, with so many memories")
    arguments = parser.parse_args()
    embedder: Any = load_plugin("reflect_otel.embedders", EMBEDDER)()
    for size in arguments.start or [arguments.memories]:
        islands = build_islands([*REACHES, size - sum(REACHES)])
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder) / "reflect.duckdb", islands, size // 5, embedder)
            with service(Path(folder)) as (address, started, ask), grpc.insecure_channel(address) as channel:
                print(f"start with {size} memories and {size // 5} of other projects: {started:.1f} s", flush=True)
                if not arguments.start:
                    run(Upkeep(channel, ask, islands), arguments)


def run(upkeep: Upkeep, arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print(f"{'':34}{'seconds':>10}{'stmts':>8}" + "".join(f" | {kind + ': p50, p99, max':^46}" for kind in KINDS))
    upkeep._agents.work_for(6)  # past the service's own first round
    for _ in range(arguments.repeats):
        for name in upkeep.measure(arguments.only):
            print_felt(name, upkeep.felt[name], with_statements=arguments.statements)


if __name__ == "__main__":
    main()
