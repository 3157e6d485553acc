"""A minimal OTLP gRPC receiver for tests: acknowledges everything and keeps it, unless told to answer otherwise."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
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
    "opentelemetry.proto.collector.metrics.v1.MetricsService": (
        metrics.ExportMetricsServiceRequest,
        metrics.ExportMetricsServiceResponse,
    ),
}


class OtlpInbox:
    """``trace_requests``, ``log_requests`` and ``metric_requests`` as (request, metadata) pairs, as they arrived.

    ``answer``, when set, is called with (request, context) before a request is kept: it may end the call, wait, or
    return the response. ``attempts`` holds the time of every request, kept or not; ``arrivals`` that of those kept.
    """

    def __init__(self, answer=None):
        self.trace_requests: list[tuple[traces.ExportTraceServiceRequest, dict]] = []
        self.log_requests: list[tuple[logs.ExportLogsServiceRequest, dict]] = []
        self.metric_requests: list[tuple[metrics.ExportMetricsServiceRequest, dict]] = []
        self.answer = answer
        self.attempts: list[float] = []
        self.arrivals: list[float] = []

    def build_handlers(self) -> list[grpc.GenericRpcHandler]:
        kept = (self.trace_requests, self.log_requests, self.metric_requests)
        return [
            grpc.method_handlers_generic_handler(name, {"Export": self._keep_in(requests, *types)})
            for (name, types), requests in zip(_EXPORTS.items(), kept, strict=True)
        ]

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

    @property
    def metric_names(self) -> set[str]:
        return {
            metric.name
            for request, _ in tuple(self.metric_requests)
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def wait_for_spans(self, count: int, seconds: float = 10.0) -> list:
        wait_until(lambda: len(self.spans) >= count, seconds)
        return self.spans

    def _keep_in(self, kept, request_type, response_type):
        def export(request, context):
            self.attempts.append(time.monotonic())
            response = self.answer(request, context) if self.answer is not None else None
            kept.append((request, dict(context.invocation_metadata())))
            self.arrivals.append(time.monotonic())
            return response or response_type()

        return grpc.unary_unary_rpc_method_handler(
            export, request_deserializer=request_type.FromString, response_serializer=response_type.SerializeToString
        )


class OtlpSink(OtlpInbox):
    """The inbox behind a port of its own."""

    def __init__(self, port: int = 0, answer=None):
        super().__init__(answer)
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers(self.build_handlers())
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(0).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.stop()


def attributes_of(span) -> dict:
    """A span's attributes as plain values; lists and maps stay protobuf."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}
