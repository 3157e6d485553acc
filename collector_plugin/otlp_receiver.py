"""OTLP export requests, whoever carries them: checked, made durable, answered.

The OTLP 1.11 rules that matter here: one bad span never costs the rest (partial success), and a signal we do not keep
gets a warning.
"""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector_plugin.arrivals import RecordKind
from collector_plugin.observation.loop_telemetry import LoopTelemetry
from collector_plugin.observation.own_records import remove_own_events, remove_own_spans
from collector_plugin.otlp import parse_logs_request, parse_trace_request
from collector_plugin.otlp_check import remove_bad_spans, review_warnings
from collector_plugin.pipeline import Pipeline
from reflect_otel.service.auth import Caller


class OtlpReceiver:
    """Takes OTLP export requests into the pipeline.

    Args:
        pipeline: where accepted bytes go.
        telemetry: told how many spans were accepted and refused.
    """

    def __init__(self, pipeline: Pipeline, telemetry: LoopTelemetry) -> None:
        self._pipeline = pipeline
        self._telemetry = telemetry

    def export_traces(self, body: bytes, caller: Caller) -> ExportTraceServiceResponse:
        """Accept one trace export request; durable when it returns.

        Args:
            body: a serialised ``ExportTraceServiceRequest``.
            caller: whom it comes from.

        Raises:
            InvalidArgument: when the bytes are no such request.
            StoreError: when the disk does not take them.
        """
        request = parse_trace_request(body)
        is_shortened = remove_own_spans(request, body)
        rejected, warnings = remove_bad_spans(request)
        warnings += review_warnings(request, body)
        if request.resource_spans:
            kept = request.SerializeToString() if rejected or is_shortened else body
            self._pipeline.accept(RecordKind.TRACES, _fixed_project(caller), kept)
        self._telemetry.note_spans(_count_spans(request), rejected)
        response = ExportTraceServiceResponse()
        if warnings:
            response.partial_success.rejected_spans = rejected
            response.partial_success.error_message = "; ".join(warnings)
        return response

    def export_logs(self, body: bytes, caller: Caller) -> ExportLogsServiceResponse:
        """Accept one log export request; parameters and errors as for traces."""
        request = parse_logs_request(body)
        kept = request.SerializeToString() if remove_own_events(request, body) else body
        if request.resource_logs:
            self._pipeline.accept(RecordKind.LOGS, _fixed_project(caller), kept)
        return ExportLogsServiceResponse()

    @staticmethod
    def export_metrics(_body: bytes, _caller: Caller) -> ExportMetricsServiceResponse:
        """Acknowledge metrics and say that they are not kept, so that a shared pipeline goes on."""
        response = ExportMetricsServiceResponse()
        response.partial_success.error_message = "reflect-otel keeps no metrics; route only traces and logs here"
        return response


def _count_spans(request: ExportTraceServiceRequest) -> int:
    return sum(len(scoped.spans) for group in request.resource_spans for scoped in group.scope_spans)


def _fixed_project(caller: Caller) -> str:
    """The project that the credential or header decides; empty: each resource may name its own."""
    return caller.project_id if caller.bound else ""
