"""OTLP over gRPC: TraceService, LogsService and MetricsService as handlers that hand raw bytes to the receiver.

An unreadable request is INVALID_ARGUMENT and not retried, a full disk is UNAVAILABLE and is (OTLP 1.11).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from collector_plugin.otlp_receiver import OtlpReceiver
from reflect_otel.service.auth import Authenticator, Caller
from reflect_otel.service.grpc_handler import run_in
from reflect_otel.service.status import abort

TRACE_SERVICE: Final = "opentelemetry.proto.collector.trace.v1.TraceService"
LOGS_SERVICE: Final = "opentelemetry.proto.collector.logs.v1.LogsService"
METRICS_SERVICE: Final = "opentelemetry.proto.collector.metrics.v1.MetricsService"


class OtlpHandler(grpc.GenericRpcHandler):
    """The three OTLP services as a gRPC handler that hands over raw bytes.

    Args:
        receiver: takes what arrives.
        authenticator: tells whose it is.
        threads: where exports are taken in.
    """

    def __init__(self, receiver: OtlpReceiver, authenticator: Authenticator, threads: ThreadPoolExecutor) -> None:
        exports: dict[str, Callable[[bytes, Caller], Message]] = {
            TRACE_SERVICE: receiver.export_traces,
            LOGS_SERVICE: receiver.export_logs,
            METRICS_SERVICE: receiver.export_metrics,
        }
        self._methods = {
            f"/{name}/Export": _build_method(export, authenticator, threads) for name, export in exports.items()
        }

    def service(self, handler_call_details: Any) -> Any:
        """The method for a call's path, or ``None``."""
        return self._methods.get(handler_call_details.method)


def _build_method(
    export: Callable[[bytes, Caller], Message], authenticator: Authenticator, threads: ThreadPoolExecutor
) -> Any:
    def handle(body: bytes, context: Any) -> Message:
        try:
            return export(body, authenticator.authenticate(context.invocation_metadata()))
        except Exception as error:  # noqa: BLE001 - every error leaves as a status, logged there
            abort(context, error)

    run_in(threads, handle)
    return grpc.unary_unary_rpc_method_handler(
        handle, response_serializer=lambda message: message.SerializeToString()
    )
