"""One OTLP request over gRPC, and what its answer means for the data in it (OTLP 1.11, "OTLP/gRPC Response")."""

import contextlib
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from reflect_otel.capture.fork_gate import fork_gate
from reflect_otel.capture.otlp_target import OtlpTarget

_RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_KEY_REFUSALS: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_CONNECTION_FAILURES: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
)
_MAX_RETRY_AFTER_SECONDS: Final = 3600.0
_OPTIONS: Final = (
    ("grpc.primary_user_agent", "reflect-otel-python"),
    # A connection of our own: after a failure a new channel then really connects anew.
    ("grpc.use_local_subchannel_pool", 1),
)


class Signal(Enum):
    """What an OTLP request carries. The value is stored in the spool: never renumber."""

    TRACES = 1
    LOGS = 2


_METHODS: Final = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


class Fate(Enum):
    """What becomes of the data of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    KEY_REFUSED = "key refused"

    @property
    def is_final(self) -> bool:
        """Whether the data is no longer ours to keep."""
        return self in {Fate.DELIVERED, Fate.REFUSED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one attempt.

    Attributes:
        fate: what becomes of the data.
        reason: the receiver's words, for the log.
        retry_after_seconds: when it asks to try again.
        rejected: items that an accepting receiver says it left out.
    """

    fate: Fate
    reason: str = ""
    retry_after_seconds: float | None = None
    rejected: int = 0


class OtlpCall:
    """The connection to one receiver. One thread sends; another may close, which ends an attempt under way."""

    def __init__(self, target: OtlpTarget) -> None:
        self._target = target
        self._metadata = tuple(target.headers.items())
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._closed = False
        self._interrupted = False
        fork_gate.let_interrupt(self)

    @property
    def address(self) -> str:
        """The receiver, for messages."""
        return self._target.address

    @property
    def timeout_seconds(self) -> float:
        """The most that one attempt takes."""
        return self._target.timeout_seconds

    def send(self, signal: Signal, body: bytes) -> Outcome:
        """Try once to have ``body``, a serialised export request, accepted. Never raises."""
        try:
            with fork_gate.call():
                self._interrupted = False
                export: Any = self._connect().unary_unary(_METHODS[signal])
                answer = export(body, timeout=self._target.timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            if self._interrupted:
                return Outcome(Fate.RETRY, "interrupted by a fork of this process", retry_after_seconds=0.0)
            outcome = _read_failure(error)
            if error.code() in _CONNECTION_FAILURES:
                # The connection may be half open, and gRPC would wait longer than we do before it tries again.
                self._disconnect()
            return outcome
        except Exception as error:  # noqa: BLE001 - closed meanwhile, or metadata that gRPC refuses
            return Outcome(Fate.RETRY, f"{type(error).__name__}: {error}")
        return _read_answer(signal, answer)

    def interrupt(self) -> None:
        """End the attempt that is under way, if any; the data stays ours."""
        self._interrupted = True
        self._disconnect()

    def close(self) -> None:
        """Close the connection for good."""
        with self._lock:
            self._closed = True
        self._disconnect()

    def _connect(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise RuntimeError("the exporter is shut down")
            if self._channel is None:
                self._channel = _build_channel(self._target)
            return self._channel

    def _disconnect(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


def _build_channel(target: OtlpTarget) -> grpc.Channel:
    if target.tls is None:
        return grpc.insecure_channel(target.address, options=_OPTIONS, compression=target.compression)
    credentials = grpc.ssl_channel_credentials(target.tls.roots, target.tls.client_key, target.tls.client_chain)
    return grpc.secure_channel(target.address, credentials, options=_OPTIONS, compression=target.compression)


def _read_answer(signal: Signal, answer: bytes) -> Outcome:
    response: Message = ExportTraceServiceResponse() if signal is Signal.TRACES else ExportLogsServiceResponse()
    try:
        response.ParseFromString(answer)
    except DecodeError:
        return Outcome(Fate.DELIVERED)
    partial: Any = response.partial_success  # type: ignore[attr-defined] # both answers have it
    rejected = partial.rejected_spans if signal is Signal.TRACES else partial.rejected_log_records
    return Outcome(Fate.DELIVERED, partial.error_message, rejected=max(0, rejected))


def _read_failure(error: grpc.RpcError) -> Outcome:
    code = error.code()
    reason = f"{code.name}: {(error.details() or 'no details')[:300]}"
    retry_after_seconds = _read_retry_after_seconds(error)
    if code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and retry_after_seconds is not None):
        return Outcome(Fate.RETRY, reason, retry_after_seconds)
    return Outcome(Fate.KEY_REFUSED if code in _KEY_REFUSALS else Fate.REFUSED, reason)


def _read_retry_after_seconds(error: grpc.RpcError) -> float | None:
    """``RetryInfo`` in the status details, or the ``Retry-After`` header of a proxy; at most an hour."""
    for seconds in (_find_retry_info(error), _find_retry_header(error)):
        if seconds is not None:
            return min(max(0.0, seconds), _MAX_RETRY_AFTER_SECONDS)
    return None


def _find_retry_info(error: grpc.RpcError) -> float | None:
    with contextlib.suppress(ValueError, DecodeError):  # the details contradict the status line, or are none
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else ():
            info = RetryInfo()
            if detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(info):
                return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None


def _find_retry_header(error: grpc.RpcError) -> float | None:
    call: Any = error
    for key, value in (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())):
        if key != "retry-after":
            continue
        with contextlib.suppress(ValueError):
            return float(value)
        with contextlib.suppress(ValueError):
            return parsedate_to_datetime(value).timestamp() - time.time()
    return None
