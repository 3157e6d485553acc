"""A service never reads itself: what it says about itself is left out of what it receives.

Its spans and events may come back by a Collector that copies GenAI telemetry here, or in embedded mode by the host's
own exporter. Read as runs, they would make runs about the making of runs.
"""

from collections.abc import Callable
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from reflect_otel.attributes import SERVICE_SCOPE

_SCOPE_BYTES: Final = SERVICE_SCOPE.encode()


def remove_own_spans(request: ExportTraceServiceRequest, body: bytes) -> bool:
    """Take out what services have said about themselves; whether there was any.

    Args:
        request: changed in place.
        body: its bytes, searched first: most requests hold nothing of ours.
    """
    return _SCOPE_BYTES in body and _remove(request.resource_spans, lambda group: group.scope_spans)


def remove_own_events(request: ExportLogsServiceRequest, body: bytes) -> bool:
    """As ``remove_own_spans``, for log records."""
    return _SCOPE_BYTES in body and _remove(request.resource_logs, lambda group: group.scope_logs)


def _remove(groups: Any, scopes_of: Callable[[Any], Any]) -> bool:
    removed = False
    for index in reversed(range(len(groups))):
        scopes = scopes_of(groups[index])
        own = [at for at, scoped in enumerate(scopes) if scoped.scope.name == SERVICE_SCOPE]
        for at in reversed(own):
            del scopes[at]
        removed = removed or bool(own)
        if own and not scopes:
            del groups[index]
    return removed
