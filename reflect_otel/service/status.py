"""Errors as gRPC statuses with google.rpc details: the one table of which error is which status."""

import logging
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from reflect_otel import errors
from reflect_otel.errors import InvalidArgument, NotFound, ReflectError, TransportError

logger = logging.getLogger(__name__)

ERROR_DOMAIN: Final = "reflect-otel"
"""``ErrorInfo.domain`` of every error."""

_MAX_TEXT_CHARACTERS: Final = 1000
"""Statuses travel as HTTP/2 headers, of which gRPC accepts 8 KiB in all."""


@dataclass(frozen=True, slots=True)
class Row:
    """How a kind of error is answered.

    Attributes:
        retry_seconds: pause to recommend before the next try; ``None`` when a retry alone will not help.
        operator: True when the service's operator has to know, not only the caller.
    """

    code: grpc.StatusCode
    retry_seconds: float | None = None
    operator: bool = False


TABLE: Final[Mapping[type[ReflectError], Row]] = {
    ReflectError: Row(grpc.StatusCode.INTERNAL, operator=True),
    errors.ConfigError: Row(grpc.StatusCode.FAILED_PRECONDITION, operator=True),
    errors.PluginError: Row(grpc.StatusCode.FAILED_PRECONDITION, operator=True),
    errors.InvalidArgument: Row(grpc.StatusCode.INVALID_ARGUMENT),
    errors.NotFound: Row(grpc.StatusCode.NOT_FOUND),
    errors.FailedPrecondition: Row(grpc.StatusCode.FAILED_PRECONDITION),
    errors.TransportError: Row(grpc.StatusCode.UNAVAILABLE, retry_seconds=1.0, operator=True),
    errors.AuthError: Row(grpc.StatusCode.UNAUTHENTICATED),
    errors.RateLimited: Row(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_seconds=1.0),
    errors.Unavailable: Row(grpc.StatusCode.UNAVAILABLE, retry_seconds=1.0),
    errors.DeadlineExceeded: Row(grpc.StatusCode.DEADLINE_EXCEEDED),
    errors.BudgetSpent: Row(grpc.StatusCode.RESOURCE_EXHAUSTED),
    errors.IngestFailed: Row(grpc.StatusCode.FAILED_PRECONDITION),
    errors.StoreError: Row(grpc.StatusCode.UNAVAILABLE, retry_seconds=5.0, operator=True),
    errors.StoreLocked: Row(grpc.StatusCode.UNAVAILABLE, retry_seconds=5.0, operator=True),
    errors.StoreRefused: Row(grpc.StatusCode.FAILED_PRECONDITION, operator=True),
    errors.JournalFull: Row(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_seconds=5.0),
    errors.SchemaMismatch: Row(grpc.StatusCode.FAILED_PRECONDITION, operator=True),
}


def find_row(error: ReflectError) -> Row:
    """The row of the error's class, or of the nearest class above it."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


def build_status(error: ReflectError) -> status_pb2.Status:
    """The status of an error with its details: ErrorInfo always; field, resource and retry where they apply."""
    return _status(find_row(error).code, str(error), _details(error))


def abort(context: Any, error: Exception) -> NoReturn:
    """End the call with the error's status.

    An error that is not a ``ReflectError`` is ours: it is logged with its traceback under an id, and the caller gets
    the id only.

    Args:
        context: the call's ``grpc.ServicerContext``.
        error: what went wrong.
    """
    if isinstance(error, ReflectError):
        if find_row(error).operator:
            logger.error("%s: %r", error.reason, str(error))
        status = build_status(error)
    else:
        error_id = secrets.token_hex(8)
        logger.error("unexpected error %s", error_id, exc_info=error)
        status = _unexpected_status(error_id)
    context.abort_with_status(rpc_status.to_status(status))
    raise error  # abort_with_status has raised


def _unexpected_status(error_id: str) -> status_pb2.Status:
    text = f"unexpected error in the service; its log has the cause under error id {error_id}"
    return _status(grpc.StatusCode.INTERNAL, text, [_error_info(ReflectError.reason, error_id=error_id)])


def _status(code: grpc.StatusCode, text: str, details: "Iterator[Message] | list[Message]") -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=_short(text))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _details(error: ReflectError) -> Iterator[Message]:
    yield _error_info(error.reason)
    if isinstance(error, InvalidArgument) and error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_short(error.field), description=_short(str(error))
        )
        yield error_details_pb2.BadRequest(field_violations=[violation])
    if isinstance(error, NotFound) and error.resource_name:
        yield error_details_pb2.ResourceInfo(
            resource_type=error.resource_type, resource_name=_short(error.resource_name)
        )
    retry_seconds = _retry_seconds(error)
    if retry_seconds is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(round(retry_seconds * 1000))
        yield info


def _retry_seconds(error: ReflectError) -> float | None:
    if isinstance(error, TransportError) and error.retry_after_seconds is not None:
        return error.retry_after_seconds
    return find_row(error).retry_seconds


def _error_info(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=metadata)


def _short(text: str) -> str:
    return text[:_MAX_TEXT_CHARACTERS].encode("utf-8", "replace").decode()
