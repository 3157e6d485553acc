"""Calls of ``reflect.v1`` over one gRPC channel per address and process.

Stubs are built from the descriptor at run time, so that no generated gRPC code ties us to one grpcio release.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from reflect_otel.capture.connection import Address
from reflect_otel.capture.fork_gate import fork_gate
from reflect_otel.capture.suppression import suppressed_instrumentation
from reflect_otel.client.answer_stream import AnswerStream
from reflect_otel.client.status import read_error
from reflect_otel.errors import FailedPrecondition
from reflect_otel.wire.v1 import reflect_pb2

_SERVICE: Final = reflect_pb2.DESCRIPTOR.services_by_name["ReflectService"]
_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024

_LASTING: Final = frozenset({"WaitTrace"})
"""Streams as long as a run. Each answer replaces the one before, so they can begin again behind a fork."""

_SHARE_TO_RETURN: Final = 0.025
_LONGEST_RETURN_SECONDS: Final = 0.01
"""What is kept of a caller's time: gRPC's timers are late by 2 to 3 ms, by more on a busy machine (measured)."""

_RETRIES: Final = {
    "methodConfig": [
        {
            "name": [{"service": _SERVICE.full_name}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.2s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
        # The one call without a key of its own: repeating it would store the memory twice.
        {"name": [{"service": _SERVICE.full_name, "method": "CreateMemory"}]},
    ]
}
_OPTIONS: Final = (
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    # gRPC servers hang up on clients that ping more often than every five minutes.
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # The defaults would leave a service that comes back unnoticed for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.service_config", json.dumps(_RETRIES)),
)


class _SharedChannels:
    """The process's open gRPC channels, counted by users. A forked child starts without its parent's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[Address, int] = {}
        self._open: dict[Address, grpc.Channel] = {}
        self._inherited: list[grpc.Channel] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget_parents)

    def _forget_parents(self) -> None:
        # Kept referenced: closing a channel in the child would act on connections the parent still uses.
        self._inherited.extend(self._open.values())
        self._open = {}
        self._lock = threading.Lock()

    def join(self, address: Address) -> None:
        with self._lock:
            self._users[address] = self._users.get(address, 0) + 1

    def leave(self, address: Address) -> None:
        with self._lock:
            self._users[address] -= 1
            channel = self._open.pop(address, None) if self._users[address] == 0 else None
        if channel is not None:
            channel.close()

    def get(self, address: Address) -> grpc.Channel:
        with self._lock:
            channel = self._open.get(address)
            if channel is None:
                channel = self._open[address] = _build_channel(address)
            return channel


def _build_channel(address: Address) -> grpc.Channel:
    if address.secure:
        return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(), options=_OPTIONS)
    return grpc.insecure_channel(address.target, options=_OPTIONS)


def _answer_seconds(timeout_seconds: float) -> float:
    """How long an answer may take, so that whoever waits for it goes on within ``timeout_seconds``."""
    return timeout_seconds - min(_SHARE_TO_RETURN * timeout_seconds, _LONGEST_RETURN_SECONDS)


_shared: Final = _SharedChannels()


class ServiceChannel:
    """One caller's way to one service: the shared connection plus the caller's headers.

    Every call carries the current span's W3C ``traceparent``, so that the service knows which run asked.
    Thread-safe, also across ``os.fork``.
    """

    def __init__(self, address: Address, headers: dict[str, str]) -> None:
        self._address = address
        self._headers = headers
        self._closed = False
        _shared.join(address)

    def call(self, method: str, request: Any, timeout_seconds: float) -> Any:
        """One answer to one request, or the reason why there is none, within ``timeout_seconds``.

        Raises:
            ReflectError: the typed form of whatever the service or the network said.
        """
        invoke = self._stub(method, streaming=False)
        with suppressed_instrumentation(), fork_gate.call():
            try:
                return invoke(request, timeout=_answer_seconds(timeout_seconds), metadata=self._metadata())
            except grpc.RpcError as error:
                raise read_error(error, self._address.target, secure=self._address.secure) from error

    def stream(self, method: str, request: Any, timeout_seconds: float) -> Iterator[Any]:
        """The answers of a server stream, as they come. Raises as ``call`` does."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            answers = self._open_stream(method, request, deadline - time.monotonic())
            try:
                yield from answers
            except grpc.RpcError as error:
                if not answers.interrupted:
                    raise read_error(error, self._address.target, secure=self._address.secure) from error
            else:
                return
            finally:
                answers.cancel()

    def close(self) -> None:
        """Give the connection up; it closes with its last user. Harmless when repeated."""
        if not self._closed:
            self._closed = True
            _shared.leave(self._address)

    def _open_stream(self, method: str, request: Any, timeout_seconds: float) -> AnswerStream:
        invoke = self._stub(method, streaming=True)
        with suppressed_instrumentation():
            return AnswerStream(
                lambda: invoke(request, timeout=max(0.0, timeout_seconds), metadata=self._metadata()),
                is_interruptible=method in _LASTING,
            )

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        carrier = dict(self._headers)
        TraceContextTextMapPropagator().inject(carrier)
        return tuple(carrier.items())

    def _stub(self, method: str, *, streaming: bool) -> Callable[..., Any]:
        if self._closed:
            raise FailedPrecondition("this ReflectClient is closed; make a new one")
        descriptor = _SERVICE.methods_by_name[method]
        channel = _shared.get(self._address)
        build = channel.unary_stream if streaming else channel.unary_unary
        stub: Callable[..., Any] = build(
            f"/{_SERVICE.full_name}/{method}",
            request_serializer=getattr(reflect_pb2, descriptor.input_type.name).SerializeToString,
            response_deserializer=getattr(reflect_pb2, descriptor.output_type.name).FromString,
        )
        return stub
