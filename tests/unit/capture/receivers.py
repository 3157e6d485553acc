"""Receivers that misbehave, spans to send them, and ways of looking at a spool."""

from pathlib import Path

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, status_pb2
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.disk import file_bytes, find_files
from tests.otlp_sink import OtlpInbox, OtlpSink
from tests.unit.capture.conftest import CollectingExporter

DEAD_URL = "http://127.0.0.1:1"


def build_spans(*names: str, text: str = "") -> list[ReadableSpan]:
    """Ended spans, apart from any exporter."""
    collected = CollectingExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(collected))
    for name in names:
        provider.get_tracer("test").start_span(name, attributes={"text": text}).end()
    return [span for batch in collected.batches for span in batch]


def names_at(inbox: OtlpInbox) -> list[str]:
    return [span.name for span in inbox.spans]


def names_in(request: ExportTraceServiceRequest) -> list[str]:
    """The names of its spans. Its text would do by chance only: a resource holds a random id."""
    return [
        span.name for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
    ]


def free_port() -> int:
    """A port at which nobody listens, and a receiver may later."""
    sink = OtlpSink()
    sink.stop()
    return sink.port


def refuse(
    code: grpc.StatusCode, retry_after_seconds: float | None = None, *, header: str = "", times: int = 1 << 30
):
    """An answer that ends the first ``times`` calls with a status, with ``RetryInfo`` or a ``retry-after`` header."""
    left = [times]

    def answer(request, context):
        if left[0] <= 0:
            return
        left[0] -= 1
        if header:
            context.set_trailing_metadata((("retry-after", header),))
            context.abort(code, "scripted")
        status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message="scripted")
        if retry_after_seconds is not None:
            whole, rest = divmod(retry_after_seconds, 1)
            status.details.append(Any())
            status.details[0].Pack(RetryInfo(retry_delay=Duration(seconds=int(whole), nanos=int(rest * 1e9))))
        context.abort_with_status(rpc_status.to_status(status))

    return answer


def spool_files(root: Path) -> list[Path]:
    return find_files(root)


def journals(root: Path) -> list[Path]:
    return find_files(root, ".journal")


def journal_bytes(root: Path) -> int:
    return sum(map(file_bytes, journals(root)))
