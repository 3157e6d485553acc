"""The ports by which an agent's side reaches the service, over a network or within the process."""

from collections.abc import Iterator
from typing import Any, Protocol


class Transport(Protocol):
    """A client's way to the use cases, over a network or within the process: messages of ``reflect.v1`` in and out.

    Both carry the current span's trace along, so that the use cases know which run asked. Errors are those of
    ``reflect_otel.errors`` that a caller sees, whatever the way: InvalidArgument, NotFound, FailedPrecondition,
    IngestFailed and the TransportErrors.
    """

    def call(self, method: str, request: Any, timeout_seconds: float) -> Any:
        """The response of the RPC of that name. Raises ReflectError; DeadlineExceeded when time ran out."""

    def stream(self, method: str, request: Any, timeout_seconds: float) -> Iterator[Any]:
        """The responses of a streaming RPC as they come. Raises as ``call`` does."""

    def close(self) -> None:
        """Give the way up; harmless when repeated. Later calls raise FailedPrecondition."""


class OtlpSink(Protocol):
    """Takes OTLP export requests within the process; what is accepted is durable when the call returns."""

    def export_traces(self, body: bytes) -> str:
        """Accept a serialised ``ExportTraceServiceRequest``; what was left out of it and why. Raises ReflectError."""

    def export_logs(self, body: bytes) -> str:
        """Accept a serialised ``ExportLogsServiceRequest``; as ``export_traces``."""

    def close(self) -> None:
        """Give the sink up; harmless when repeated."""
