"""What a caller sees of an error, without a network: the classes that ``status`` and the gRPC client agree on."""

import logging

from reflect_otel.errors import (
    ConfigError,
    FailedPrecondition,
    IngestFailed,
    InvalidArgument,
    JournalFull,
    NotFound,
    PluginError,
    RateLimited,
    ReflectError,
    SchemaMismatch,
    StoreError,
    TransportError,
    Unavailable,
)

_RETRY_SECONDS = 5.0

_log = logging.getLogger(__name__)


def build_caller_error(error: Exception) -> ReflectError:
    """The error itself where callers know it, else the one that stands for it.

    An error that is not a ``ReflectError`` is ours: it is logged with its traceback.
    """
    match error:
        case InvalidArgument() | NotFound() | FailedPrecondition() | IngestFailed() | TransportError():
            return error
        case JournalFull():
            return RateLimited(str(error), retry_after_seconds=_RETRY_SECONDS)
        case ConfigError() | PluginError() | SchemaMismatch():
            return FailedPrecondition(str(error))
        case StoreError():
            return Unavailable(str(error), retry_after_seconds=_RETRY_SECONDS)
        case ReflectError():
            return TransportError(str(error))
        case _:
            _log.error("unexpected error", exc_info=error)
            return TransportError(f"unexpected {type(error).__name__} inside reflect-otel; the log has its cause")
