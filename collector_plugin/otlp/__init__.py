"""OTLP at the edge: export requests to span and log records.

Called by the receivers, the pipeline and the ``read`` command.
May import protobuf, orjson and ``reflect_otel.model``; knows no store, no server.
"""

from collector_plugin.otlp.protobuf import (
    Rejected,
    parse_logs_request,
    parse_trace_request,
    read_logs,
    read_spans,
)

__all__ = [
    "Rejected",
    "parse_logs_request",
    "parse_trace_request",
    "read_logs",
    "read_spans",
]
