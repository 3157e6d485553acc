"""A minimal OTLP gRPC receiver for tests: acknowledges everything and keeps it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Self

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from tests.waiting import wait_until

_EXPORTS = {
    "opentelemetry.proto.collector.trace.v1.TraceService": (
        traces.ExportTraceServiceRequest,
        traces.ExportTraceServiceResponse,
    ),
    "opentelemetry.proto.collector.logs.v1.LogsService": (
        logs.ExportLogsServiceRequest,
        logs.ExportLogsServiceResponse,
    ),
}


class OtlpSink:
    """``trace_requests`` and ``log_requests`` as (request, metadata) pairs, in order of arrival."""

    def __init__(self, port: int = 0):
        self.trace_requests: list[tuple[traces.ExportTraceServiceRequest, dict]] = []
        self.log_requests: list[tuple[logs.ExportLogsServiceRequest, dict]] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        for (name, types), kept in zip(_EXPORTS.items(), (self.trace_requests, self.log_requests), strict=True):
            handler = {"Export": _keep_in(kept, *types)}
            self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, handler)])
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list:
        return [
            span
            for request, _ in tuple(self.trace_requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def log_records(self) -> list:
        return [
            record
            for request, _ in tuple(self.log_requests)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def wait_for_spans(self, count: int, seconds: float = 10.0) -> list:
        wait_until(lambda: len(self.spans) >= count, seconds)
        return self.spans

    def stop(self) -> None:
        self._server.stop(0).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.stop()


def _keep_in(kept, request_type, response_type):
    def export(request, context):
        kept.append((request, dict(context.invocation_metadata())))
        return response_type()

    return grpc.unary_unary_rpc_method_handler(
        export, request_deserializer=request_type.FromString, response_serializer=response_type.SerializeToString
    )


def attributes_of(span) -> dict:
    """A span's attributes as plain values; lists and maps stay protobuf."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}
