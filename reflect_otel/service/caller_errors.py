"""What a caller sees of an error without a network: as if ``status`` had sent it and the gRPC client had read it."""

import logging
from collections.abc import Mapping
from typing import Final

from reflect_otel import errors
from reflect_otel.errors import ReflectError, TransportError

_SEEN_AS: Final[Mapping[type[ReflectError], tuple[type[ReflectError], float | None]]] = {
    ReflectError: (TransportError, None),
    errors.ConfigError: (errors.FailedPrecondition, None),
    errors.PluginError: (errors.FailedPrecondition, None),
    errors.InvalidArgument: (errors.InvalidArgument, None),
    errors.NotFound: (errors.NotFound, None),
    errors.FailedPrecondition: (errors.FailedPrecondition, None),
    TransportError: (errors.Unavailable, 1.0),
    errors.AuthError: (errors.AuthError, None),
    errors.RateLimited: (errors.RateLimited, 1.0),
    errors.DeadlineExceeded: (errors.DeadlineExceeded, None),
    errors.BudgetSpent: (errors.RateLimited, None),
    errors.IngestFailed: (errors.IngestFailed, None),
    errors.StoreError: (errors.Unavailable, 5.0),
    errors.StoreRefused: (errors.FailedPrecondition, None),
    errors.JournalFull: (errors.RateLimited, 5.0),
    errors.SchemaMismatch: (errors.FailedPrecondition, None),
}
"""Class and seconds to wait before the next try, by the error's class or the nearest above it."""

_log: Final = logging.getLogger(__name__)


def build_caller_error(error: Exception) -> ReflectError:
    """The error itself where callers know it, else the one that stands for it.

    An error that is not a ``ReflectError`` is ours: it is logged with its traceback.
    """
    if not isinstance(error, ReflectError):
        _log.error("unexpected error", exc_info=error)
        return TransportError(f"unexpected {type(error).__name__} inside reflect-otel; the log has its cause")
    seen, retry_seconds = next(_SEEN_AS[kind] for kind in type(error).__mro__ if kind in _SEEN_AS)
    if isinstance(error, TransportError) and error.retry_after_seconds is not None:
        retry_seconds = error.retry_after_seconds
    if issubclass(seen, TransportError):
        return seen(str(error), field=error.field, retry_after_seconds=retry_seconds)
    return error if isinstance(error, seen) else seen(str(error), field=error.field)
