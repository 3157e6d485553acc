"""The exception tree. Every message names the remedy; ``reason`` is the stable, machine-readable code.

::

    ReflectError
    ├── ConfigError            a setting is missing or wrong
    ├── PluginError            no plugin of that name is installed
    ├── InvalidArgument        a value the caller passed is wrong (also a ValueError)
    ├── NotFound               no such object in this project (also a LookupError)
    ├── FailedPrecondition     the object exists but is not in the state the call needs
    ├── TransportError         the call did not get an answer it could use
    │   ├── AuthError          missing, unknown or insufficient credential
    │   ├── RateLimited        the service asks to slow down
    │   ├── Unavailable        no service answers at the address
    │   └── DeadlineExceeded   no answer in time (also a TimeoutError)
    ├── BudgetSpent            a spending limit does not allow the call
    ├── IngestFailed           the run arrived but could not be read (also a RuntimeError)
    └── StoreError             the data folder or database cannot be used
        ├── StoreLocked        another process holds the data folder
        ├── StoreRefused       the store can never hold this value
        ├── JournalFull        the journal holds as many unread bytes as it may
        └── SchemaMismatch     the database was written by a newer release
"""

from typing import ClassVar


class ReflectError(Exception):
    """Base of everything reflect-otel raises on purpose.

    Attributes:
        reason: stable upper-case code, the ``ErrorInfo.reason`` of the gRPC API.
        field: the argument at fault as a dotted path, or an empty string.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ConfigError(ReflectError):
    """A setting is missing or wrong."""

    reason = "CONFIG"


class PluginError(ReflectError):
    """No plugin of that name is installed in the entry-point group."""

    reason = "PLUGIN"


class InvalidArgument(ReflectError, ValueError):
    """A value the caller passed is wrong; ``field`` tells which."""

    reason = "INVALID_ARGUMENT"


class NotFound(ReflectError, LookupError):
    """No such object in this project.

    Attributes:
        resource_type: what was looked for, such as ``run`` or ``memory``; empty when the raiser did not say.
        resource_name: the id it was looked for by.
    """

    reason = "NOT_FOUND"

    def __init__(self, message: str, *, field: str = "", resource_type: str = "", resource_name: str = "") -> None:
        super().__init__(message, field=field)
        self.resource_type = resource_type
        self.resource_name = resource_name


class FailedPrecondition(ReflectError):
    """The object exists but is not in the state the call needs."""

    reason = "FAILED_PRECONDITION"


class TransportError(ReflectError):
    """The call did not get an answer it could use.

    Attributes:
        retry_after_seconds: when the service asks to try again, or ``None`` when it did not say.
    """

    reason = "TRANSPORT"

    def __init__(self, message: str, *, field: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after_seconds = retry_after_seconds


class AuthError(TransportError):
    """The credential is missing, unknown or not sufficient."""

    reason = "UNAUTHENTICATED"


class RateLimited(TransportError):
    """The service asks to slow down."""

    reason = "RATE_LIMITED"


class Unavailable(TransportError):
    """No service answers at the address."""

    reason = "UNAVAILABLE"


class DeadlineExceeded(TransportError, TimeoutError):
    """No answer in time."""

    reason = "DEADLINE_EXCEEDED"


class BudgetSpent(ReflectError):
    """A spending limit does not allow the call; nothing was spent."""

    reason = "BUDGET_SPENT"


class IngestFailed(ReflectError, RuntimeError):
    """The run arrived but could not be read."""

    reason = "INGEST_FAILED"


class StoreError(ReflectError):
    """The data folder or database cannot be used."""

    reason = "STORE"


class StoreLocked(StoreError):
    """Another process holds the data folder."""

    reason = "STORE_LOCKED"


class StoreRefused(StoreError):
    """The store can never hold this value; another try brings the same."""

    reason = "STORE_REFUSED"


class JournalFull(StoreError):
    """The journal holds as many unread bytes as it may; the sender should try again later."""

    reason = "JOURNAL_FULL"


class SchemaMismatch(StoreError):
    """The database was written by a newer release."""

    reason = "SCHEMA_MISMATCH"
