"""The service's real parts in one process, behind a front door that commits on command or at once."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from reflect_otel.learning.governance import Governance
from reflect_otel.learning.harm_guard import HarmGuard
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.model.memory import Served
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord, TraceDraft
from reflect_otel.model.trajectory import Message, Role, Task, Trajectory
from reflect_otel.ports import Reflector, Settings, Store, TelemetryBatch, VectorIndex
from reflect_otel.providers.hashing import HashingEmbedder
from reflect_otel.providers.offline import OfflineReflector
from reflect_otel.service.auth import Authenticator
from reflect_otel.service.grpc_handler import build_service_handler
from reflect_otel.service.operations import Operations
from reflect_otel.service.servicer import SERVICE, SERVICE_NAME
from reflect_otel.service.watch import RunWatch
from reflect_otel.testing.fakes import CountingIds, FixedClock
from reflect_otel.wire.v1 import reflect_pb2 as wire

KEYS = {"shop": "rf_live_shop_0123456789", "bank": "rf_live_bank_0123456789"}
"""API key of each project."""

TASK = "Refund order 1017 for the customer, the parcel arrived broken"
CHAT = (
    Message(role=Role.USER, content=TASK),
    Message(role=Role.ASSISTANT, content="I refunded the order to the card it was paid with."),
)


class DirectIntake:
    """An ``Intake`` without journal: commits at once, or, while ``held``, only when someone waits for it.

    While it is ``behind`` nobody waits long enough.
    """

    def __init__(self, store: Store, clock: FixedClock, on_changed: Callable[..., None]):
        self.store, self.clock, self.on_changed = store, clock, on_changed
        self.held = False
        self.behind = False
        self.served: list[tuple[str, Served]] = []
        self.loop: LearningLoop | None = None
        self._waiting: list[Callable[[], None]] = []
        self._offsets = itertools.count(1)

    def submit_trace(self, project_id: str, draft: TraceDraft) -> None:
        self._accept(lambda: self._write_draft(project_id, draft))

    def submit_served(self, project_id: str, served: Sequence[Served]) -> None:
        self.served += [(project_id, item) for item in served]
        self._accept(lambda: self._write(served=[(project_id, item) for item in served]))

    def wait_committed(self, timeout_seconds: float) -> bool:
        if self.behind:
            return False
        waiting, self._waiting = self._waiting, []
        for write in waiting:
            write()
        return True

    def close_run(self, project_id: str, run_id: str) -> None:
        record = self.store.find_run(project_id, run_id).record
        if record.state is not RunState.CLOSED:
            closed = replace(record, state=RunState.CLOSED, closed_by=ClosedBy.EXPLICIT_END)
            self.store.write_runs([(closed, _trajectory(run_id, record.task, CHAT))])

    def forget_runs(self, project_id: str, run_ids: Sequence[str]) -> None:
        pass  # nothing is kept in memory

    def open_run(self, project_id: str, run_id: str, trace_id: bytes = b"\x01" * 16, task: str = TASK) -> None:
        """A run whose spans are still arriving."""
        now = self.clock()
        record = RunRecord(
            project_id=project_id,
            run_id=run_id,
            trace_ids=(trace_id.hex(),),
            task=task,
            first_seen_ns=now,
            last_seen_ns=now,
        )
        self._write(runs=[record], joined=[(project_id, trace_id, run_id)])
        self.on_changed(project_id, run_id, record.trace_ids)

    def _accept(self, write: Callable[[], None]) -> None:
        self._waiting.append(write)
        if not self.held:
            self.wait_committed(0)

    def _write(self, **parts: Any) -> None:
        self.store.write_telemetry(
            TelemetryBatch(journal_offset=next(self._offsets), received_ns=self.clock(), **parts)
        )

    def _write_draft(self, project_id: str, draft: TraceDraft) -> None:
        if self.store.find_run(project_id, draft.run_id) is None:
            record = RunRecord(
                project_id=project_id,
                run_id=draft.run_id,
                state=RunState.CLOSED,
                closed_by=ClosedBy.EXPLICIT_END,
                task=draft.task,
                model=draft.model,
                metadata=draft.metadata,
                session_id=draft.session_id,
                agent=draft.agent,
                final_response=draft.final_response,
                served_memory_ids=draft.retrieved_memory_ids,
                first_seen_ns=self.clock(),
                started_ns=self.clock(),
                ended_ns=self.clock(),
            )
            self.store.write_runs([(record, _trajectory(draft.run_id, draft.task, draft.messages))])
        if draft.review is not None:
            self.store.write_review(project_id, draft.run_id, draft.review)
        self.on_changed(project_id, draft.run_id)
        self.loop.wake()


def _trajectory(run_id: str, task: str, messages: Sequence[Message]) -> Trajectory:
    return Trajectory(run_id=run_id, task=Task(text=task), messages=tuple(messages))


class Backend:
    """Operations over a store, with everything they need."""

    def __init__(
        self,
        store: Store,
        build_index: Callable[[int], VectorIndex],
        reflector: Reflector | None = None,
        max_waiters: int = 4,
        ids: Callable[[], str] | None = None,
    ):
        self.clock = FixedClock()
        self.store = store
        self.settings = Settings()
        self.watch = RunWatch(max_waiters)
        embedder = HashingEmbedder()
        self.table = MemoryTable(build_index)
        self.project_settings = ProjectSettingsTable(store)
        guard = HarmGuard(store, self.project_settings, self.clock)
        self.loop = LearningLoop(
            store,
            self.table,
            embedder,
            reflector or OfflineReflector(),
            self.clock,
            self.watch.publish,
            guard.note_learned,
            find_settings=self.project_settings.find,
        )
        self.intake = DirectIntake(store, self.clock, self.watch.publish)
        self.intake.loop = self.loop
        self.operations = Operations(
            store=store,
            retriever=Retriever(self.table, embedder, self.settings),
            loop=self.loop,
            intake=self.intake,
            watch=self.watch,
            settings=self.settings,
            clock=self.clock,
            ids=ids or CountingIds(),
            project_settings=self.project_settings,
            governance=Governance(
                store,
                self.table,
                self.clock,
                CountingIds("quarantine"),
                self.loop.committing,
                lambda: embedder.id,
            ),
        )

    def create_run(self, project_id: str = "shop", run_id: str = "run-1", **draft: Any) -> str:
        self.clock.advance(1)
        draft = {"task": TASK, "messages": CHAT, **draft}
        return self.operations.create_trace(project_id, TraceDraft(run_id=run_id, **draft)).id


class Api:
    """A channel to the service, one method per RPC name."""

    def __init__(self, address: str, key: str = ""):
        self.channel = grpc.insecure_channel(address)
        self.metadata = (("authorization", f"Bearer {key}"),) if key else ()

    def call(self, name: str, request: Any, timeout: float = 10.0, metadata: tuple = ()) -> Any:
        """The response; an iterator of them for a stream. Bytes are sent as they are."""
        method = SERVICE.methods_by_name[name]
        build = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        send = build(
            f"/{SERVICE_NAME}/{name}",
            request_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return send(request, timeout=timeout, metadata=(*self.metadata, *metadata))

    def failure(self, name: str, request: Any, **options: Any) -> "Failure":
        """The error a call ends with."""
        try:
            answer = self.call(name, request, **options)
            received = list(answer) if SERVICE.methods_by_name[name].server_streaming else answer
        except grpc.RpcError as error:
            return Failure(error)
        raise AssertionError(f"{name} answered {received}")


class Failure:
    """A status with its google.rpc details, by their type name."""

    def __init__(self, error: grpc.RpcError):
        self.code, self.text = error.code(), error.details()
        self.details: dict[str, Any] = {}
        for packed in getattr(rpc_status.from_call(error), "details", ()):
            detail = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])()
            packed.Unpack(detail)
            self.details[type(detail).__name__] = detail

    @property
    def reason(self) -> str:
        return self.details["ErrorInfo"].reason

    @property
    def field(self) -> str:
        return self.details["BadRequest"].field_violations[0].field


@contextmanager
def serving(backend: Backend, authenticator: Authenticator, threads: int = 12) -> Iterator[str]:
    """The address of a server on a free port."""
    server = grpc.server(ThreadPoolExecutor(threads), options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)])
    server.add_generic_rpc_handlers((build_service_handler(backend.operations, authenticator),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    backend.loop.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        backend.watch.close()
        server.stop(5).wait()
        backend.loop.stop(5)


def chat(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]


def trace_request(run_id: str = "", **fields: Any) -> wire.CreateTraceRequest:
    """A small run, as a client sends it."""
    fields.setdefault("task", TASK)
    request = wire.CreateTraceRequest(trace_id=run_id, **fields)
    for message in chat(("user", TASK), ("assistant", "I refunded the order to the card it was paid with.")):
        request.trajectory.add().update(message)
    return request
