"""The gRPC skin: every RPC of ``reflect.v1.ReflectService`` as a handler of a gRPC server.

Each handler authenticates, parses, calls and answers; errors leave through ``status.abort`` only. Requests are parsed
here and not by gRPC, so that malformed bytes get a proper answer.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from reflect_otel.errors import DeadlineExceeded, InvalidArgument
from reflect_otel.service.auth import Authenticator
from reflect_otel.service.call import Call
from reflect_otel.service.caller_trace import read_trace_id
from reflect_otel.service.memory_rpc_spans import open_memory_span
from reflect_otel.service.operations import Operations
from reflect_otel.service.servicer import SERVICE, SERVICE_NAME, ReflectServicer
from reflect_otel.service.status import abort

_ANSWER_SHARE: Final = 0.95
"""Share of the caller's time that may be waited away, so that the answer still reaches it over the network."""

_SLOW_METHODS: Final = frozenset({"ReviewTrace", "WithdrawReview", "CreateMemory", "QueryMemories"})
"""What may wait for learning or an embedder, as long as the caller does, without a limit to how many call."""

_LONGEST_DEADLINE_SECONDS: Final = 24 * 3600.0


def build_service_handler(
    operations: Operations, authenticator: Authenticator, slow_calls: ThreadPoolExecutor | None = None
) -> grpc.GenericRpcHandler:
    """Every RPC of the descriptor as one handler for ``grpc.Server.add_generic_rpc_handlers``.

    A WaitTrace keeps one handler thread busy, so the server needs more threads than ``RunWatch`` admits waiters.

    Args:
        operations: the use cases.
        authenticator: tells whose call it is.
        slow_calls: runs what may wait for learning or an embedder; ``None`` = the server's own threads.

    Raises:
        KeyError: the descriptor has an RPC without a method.
    """
    methods = ReflectServicer(operations).methods
    handlers = {
        descriptor.name: _build_handler(
            descriptor,
            methods[descriptor.name],
            authenticator,
            slow_calls if descriptor.name in _SLOW_METHODS else None,
        )
        for descriptor in SERVICE.methods
    }
    return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)


def run_in(threads: ThreadPoolExecutor, behaviour: Callable[..., Any]) -> None:
    """Let gRPC run a handler in these threads: those who wait in others cannot keep it waiting.

    By the attribute that grpcio's server looks for, ``experimental_thread_pool``.
    """
    vars(behaviour)["experimental_thread_pool"] = threads


def _build_handler(
    descriptor: MethodDescriptor,
    method: Callable[[Call, Any], Any],
    authenticator: Authenticator,
    threads: ThreadPoolExecutor | None,
) -> "grpc.RpcMethodHandler[Any, Any]":
    build_request = GetMessageClass(descriptor.input_type)

    def answer(body: bytes, context: grpc.ServicerContext) -> Any:
        try:
            call, request = _open_call(context, authenticator), _parse(build_request(), body)
            with open_memory_span(descriptor.name, call, request, lambda: _read_traceparent(context)) as describe:
                return describe(method(call, request))
        except Exception as error:  # noqa: BLE001 - every error leaves as a status, logged there
            abort(context, error)

    def stream(body: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from method(_open_call(context, authenticator), _parse(build_request(), body))
        except Exception as error:  # noqa: BLE001 - every error leaves as a status, logged there
            abort(context, error)

    if descriptor.server_streaming:
        return grpc.unary_stream_rpc_method_handler(stream, response_serializer=_serialize)
    if threads is not None:
        run_in(threads, answer)
    return grpc.unary_unary_rpc_method_handler(answer, response_serializer=_serialize)


def _open_call(context: Any, authenticator: Authenticator) -> Call:
    metadata = [(item.key, item.value) for item in context.invocation_metadata()]
    caller = authenticator.authenticate(metadata)
    remaining_seconds = _read_remaining_seconds(context)
    return Call(
        project_id=caller.project_id,
        trace_id=read_trace_id(_read_traceparent(context)),
        remaining_seconds=remaining_seconds,
        answer_seconds=None if remaining_seconds is None else remaining_seconds * _ANSWER_SHARE,
        is_awaited=lambda: _is_awaited(context),
        on_end=lambda callback: _run_at_end(context, callback),
    )


def _read_traceparent(context: Any) -> str:
    return next((item.value for item in context.invocation_metadata() if item.key == "traceparent"), "")


def _read_remaining_seconds(context: Any) -> float | None:
    remaining = context.time_remaining()
    if remaining is None or remaining > _LONGEST_DEADLINE_SECONDS:
        return None
    if remaining <= 0:
        raise DeadlineExceeded("the call's deadline had passed when it arrived; allow it more time")
    return float(remaining)


def _is_awaited(context: Any) -> bool:
    """Whether the caller has neither hung up nor run out of time; gRPC may notice the latter a little later."""
    remaining = context.time_remaining()
    return bool(context.is_active()) and (remaining is None or remaining > 0.0)


def _run_at_end(context: Any, callback: Callable[[], None]) -> None:
    if not context.add_callback(callback):
        callback()


def _parse(request: Message, body: bytes) -> Message:
    try:
        request.ParseFromString(body)
    except DecodeError:
        raise InvalidArgument(
            f"the request is not a {request.DESCRIPTOR.full_name} message; generate the client from reflect.proto"
        ) from None
    return request


def _serialize(response: Message) -> bytes:
    return response.SerializeToString()
