"""gRPC failures as typed errors: status code, ``google.rpc`` details, and the remedy in words."""

from collections.abc import Iterable
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as PackedDetail
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from reflect_otel.errors import (
    AuthError,
    DeadlineExceeded,
    FailedPrecondition,
    IngestFailed,
    InvalidArgument,
    NotFound,
    RateLimited,
    ReflectError,
    TransportError,
    Unavailable,
)

_TRANSPORT_ERRORS: Final[dict[grpc.StatusCode, type[TransportError]]] = {
    grpc.StatusCode.UNAUTHENTICATED: AuthError,
    grpc.StatusCode.PERMISSION_DENIED: AuthError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RateLimited,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_REQUEST_ERRORS: Final[dict[grpc.StatusCode, type[ReflectError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
}


def read_error(error: grpc.RpcError, target: str, *, secure: bool = False) -> ReflectError:
    """The typed error for a failed call to ``target``; the service's own message where it sent one."""
    code, text = error.code(), error.details() or ""
    info, field, retry_after_seconds = _read_details(error)
    if code in _REQUEST_ERRORS:
        kind = IngestFailed if info == IngestFailed.reason else _REQUEST_ERRORS[code]
        return kind(text or code.name, field=field)
    kind_of_transport = _TRANSPORT_ERRORS.get(code, TransportError)
    message = _with_remedy(code, text, target, from_service=bool(info), secure=secure)
    return kind_of_transport(message, field=field, retry_after_seconds=retry_after_seconds)


def _with_remedy(code: grpc.StatusCode, text: str, target: str, *, from_service: bool, secure: bool) -> str:
    if from_service and text:
        return text
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            plaintext = "; it has no TLS of its own: write http:// unless a proxy adds it" if secure else ""
            return (
                f"no reflect-otel service answers at {target}; start one with `reflect-otel serve` "
                f"or set REFLECT_ENDPOINT{plaintext} ({text})"
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"{target} did not answer in time; see `reflect-otel doctor`, and raise the timeout if it is up"
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return (
                f"{target} refuses the credential; set api_key or REFLECT_API_KEY to a key of this project ({text})"
            )
        case grpc.StatusCode.UNIMPLEMENTED:
            return (
                f"{target} does not serve reflect.v1: it may be an OpenTelemetry Collector, or an older release; "
                f"point base_url or REFLECT_ENDPOINT at a reflect-otel service ({text})"
            )
        case _:
            return f"{target} failed with {code.name}: {text or 'no details'}"


def _read_details(error: grpc.RpcError) -> tuple[str, str, float | None]:
    reason, field, retry_after_seconds = "", "", None
    for detail in _unpack(error):
        match detail:
            case error_details_pb2.ErrorInfo():
                reason = detail.reason
            case error_details_pb2.BadRequest() if detail.field_violations:
                field = detail.field_violations[0].field
            case error_details_pb2.RetryInfo():
                retry_after_seconds = detail.retry_delay.seconds + detail.retry_delay.nanos / 1e9
    return reason, field, retry_after_seconds


def _unpack(error: grpc.RpcError) -> Iterable[Any]:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the details contradict the status line: a proxy changed one of them
        return
    packed: Iterable[PackedDetail] = status.details if status is not None else ()
    for detail in packed:
        for known in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            message = known()
            if detail.Is(known.DESCRIPTOR) and detail.Unpack(message):
                yield message
