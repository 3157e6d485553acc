"""The gRPC skin: ``reflect.v1.ReflectService`` over ``Operations``.

Each RPC of the descriptor gets a handler that authenticates, parses, calls and answers; errors leave through
``status.abort`` only. Requests are parsed here and not by gRPC, so that malformed bytes get a proper answer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from reflect_otel.errors import DeadlineExceeded, InvalidArgument
from reflect_otel.service import codec
from reflect_otel.service.auth import Authenticator
from reflect_otel.service.caller_trace import read_trace_id
from reflect_otel.service.operations import Operations
from reflect_otel.service.status import abort
from reflect_otel.wire.v1 import reflect_pb2 as wire

SERVICE: Final = wire.DESCRIPTOR.services_by_name["ReflectService"]
SERVICE_NAME: Final = SERVICE.full_name
"""Name for gRPC health and server reflection."""

_LONGEST_DEADLINE_SECONDS: Final = 24 * 3600.0
_ANSWER_SHARE: Final = 0.95
"""Share of the caller's time that may be waited away, so that the answer still reaches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a method knows of the call besides the request.

    Attributes:
        project_id: decided by the credential.
        trace_id: 16 bytes of the caller's W3C trace, or ``None``.
        remaining_seconds: until the caller's deadline, ``None`` when it set none.
        on_end: registers what to do when the call ends in any way; runs it at once when it has ended already.
    """

    project_id: str
    trace_id: bytes | None
    remaining_seconds: float | None
    on_end: Callable[[Callable[[], None]], None]


class ReflectServicer:
    """One method per RPC: request in, response out; a stream yields responses.

    Args:
        operations: the use cases.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    @property
    def methods(self) -> Mapping[str, Callable[[Call, Any], Any]]:
        """The method of each RPC, by its name in the descriptor."""
        return {
            "Augment": self.augment,
            "QueryMemories": self.query_memories,
            "CreateTrace": self.create_trace,
            "GetTrace": self.get_trace,
            "ListTraces": self.list_traces,
            "ReviewTrace": self.review_trace,
            "WaitTrace": self.wait_trace,
            "DeleteTraces": self.delete_traces,
            "CreateMemory": self.create_memory,
            "GetMemory": self.get_memory,
            "ListMemories": self.list_memories,
        }

    def augment(self, call: Call, request: wire.AugmentRequest) -> wire.AugmentResponse:
        """The task with memories."""
        augmented = self._operations.augment(
            call.project_id,
            request.task,
            codec.read_options(request.options),
            run_id=request.run_id,
            trace_id=call.trace_id,
        )
        return wire.AugmentResponse(
            augmented_task=augmented.augmented_task, memories=codec.build_memories(augmented.memories)
        )

    def query_memories(self, call: Call, request: wire.QueryMemoriesRequest) -> wire.QueryMemoriesResponse:
        """The memories alone."""
        memories = self._operations.query_memories(call.project_id, request.task, codec.read_options(request.options))
        return wire.QueryMemoriesResponse(memories=codec.build_memories(memories))

    def create_trace(self, call: Call, request: wire.CreateTraceRequest) -> wire.CreateTraceResponse:
        """Store a run in one piece."""
        receipt = self._operations.create_trace(call.project_id, codec.read_draft(request, call.trace_id))
        return wire.CreateTraceResponse(
            trace_id=receipt.id, ingest_status=codec.build_ingest_status(receipt.ingest_status)
        )

    def get_trace(self, call: Call, request: wire.GetTraceRequest) -> wire.GetTraceResponse:
        """One run."""
        return wire.GetTraceResponse(
            trace=codec.build_trace(self._operations.get_trace(call.project_id, request.trace_id))
        )

    def list_traces(self, call: Call, request: wire.ListTracesRequest) -> wire.ListTracesResponse:
        """A page of runs."""
        page = self._operations.list_traces(
            call.project_id,
            review_status=codec.read_review_status(request.review_status),
            agent=request.agent or None,
            session_id=request.session_id or None,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return wire.ListTracesResponse(
            traces=[codec.build_trace(trace) for trace in page.items], next_page_token=page.next_page_token
        )

    def review_trace(self, call: Call, request: wire.ReviewTraceRequest) -> wire.ReviewTraceResponse:
        """Review a run and learn from it."""
        trace = self._operations.review_trace(
            call.project_id,
            request.trace_id,
            codec.read_review(request.review),
            timeout_seconds=None if call.remaining_seconds is None else call.remaining_seconds * _ANSWER_SHARE,
        )
        return wire.ReviewTraceResponse(trace=codec.build_trace(trace))

    def wait_trace(self, call: Call, request: wire.WaitTraceRequest) -> Iterator[wire.WaitTraceResponse]:
        """The run each time its status changes; gRPC itself ends the stream at the caller's deadline."""
        changes = self._operations.watch_trace(
            call.project_id, request.trace_id, require_reviewed=request.require_reviewed
        )
        call.on_end(changes.cancel)
        for trace in changes:
            yield wire.WaitTraceResponse(trace=codec.build_trace(trace))

    def delete_traces(self, call: Call, request: wire.DeleteTracesRequest) -> wire.DeleteTracesResponse:
        """Delete runs."""
        return wire.DeleteTracesResponse(
            deleted_count=self._operations.delete_traces(call.project_id, request.trace_ids)
        )

    def create_memory(self, call: Call, request: wire.CreateMemoryRequest) -> wire.CreateMemoryResponse:
        """Store a memory written by hand."""
        memory = self._operations.create_memory(
            call.project_id,
            task=request.task,
            reflection=request.reflection,
            kind=codec.read_kind(request.kind),
            success=request.success if request.HasField("success") else None,
            metadata=dict(request.metadata),
        )
        return wire.CreateMemoryResponse(memory=codec.build_memory(memory))

    def get_memory(self, call: Call, request: wire.GetMemoryRequest) -> wire.GetMemoryResponse:
        """One memory."""
        return wire.GetMemoryResponse(
            memory=codec.build_memory(self._operations.get_memory(call.project_id, request.memory_id))
        )

    def list_memories(self, call: Call, request: wire.ListMemoriesRequest) -> wire.ListMemoriesResponse:
        """A page of memories."""
        page = self._operations.list_memories(
            call.project_id, page_size=request.page_size, page_token=request.page_token
        )
        return wire.ListMemoriesResponse(
            memories=codec.build_memories(page.items), next_page_token=page.next_page_token
        )


def build_service_handler(operations: Operations, authenticator: Authenticator) -> grpc.GenericRpcHandler:
    """Every RPC of the descriptor as one handler for ``grpc.Server.add_generic_rpc_handlers``.

    A WaitTrace keeps one handler thread busy, so the server needs more threads than ``RunWatch`` admits waiters.

    Raises:
        KeyError: the descriptor has an RPC without a method.
    """
    methods = ReflectServicer(operations).methods
    handlers = {
        descriptor.name: _build_handler(descriptor, methods[descriptor.name], authenticator)
        for descriptor in SERVICE.methods
    }
    return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)


def _build_handler(
    descriptor: MethodDescriptor, method: Callable[[Call, Any], Any], authenticator: Authenticator
) -> grpc.RpcMethodHandler:
    def answer(body: bytes, context: grpc.ServicerContext) -> Any:
        try:
            return method(_open_call(context, authenticator), _parse(descriptor, body))
        except Exception as error:  # noqa: BLE001 - every error leaves as a status, logged there
            abort(context, error)

    def stream(body: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from method(_open_call(context, authenticator), _parse(descriptor, body))
        except Exception as error:  # noqa: BLE001 - every error leaves as a status, logged there
            abort(context, error)

    if descriptor.server_streaming:
        return grpc.unary_stream_rpc_method_handler(stream, response_serializer=_serialize)
    return grpc.unary_unary_rpc_method_handler(answer, response_serializer=_serialize)


def _open_call(context: Any, authenticator: Authenticator) -> Call:
    metadata = [(item.key, item.value) for item in context.invocation_metadata()]
    caller = authenticator.authenticate(metadata)
    traceparent = next((value for key, value in metadata if key == "traceparent"), "")
    return Call(
        project_id=caller.project_id,
        trace_id=read_trace_id(traceparent),
        remaining_seconds=_read_remaining_seconds(context),
        on_end=lambda callback: _run_at_end(context, callback),
    )


def _read_remaining_seconds(context: Any) -> float | None:
    remaining = context.time_remaining()
    if remaining is None or remaining > _LONGEST_DEADLINE_SECONDS:
        return None
    if remaining <= 0:
        raise DeadlineExceeded("the call's deadline had passed when it arrived; allow it more time")
    return float(remaining)


def _run_at_end(context: Any, callback: Callable[[], None]) -> None:
    if not context.add_callback(callback):
        callback()


def _parse(descriptor: MethodDescriptor, body: bytes) -> Message:
    request = GetMessageClass(descriptor.input_type)()
    try:
        request.ParseFromString(body)
    except DecodeError:
        raise InvalidArgument(
            f"the request is not a {descriptor.input_type.full_name} message; generate the client from reflect.proto"
        ) from None
    return request


def _serialize(response: Message) -> bytes:
    return response.SerializeToString()
