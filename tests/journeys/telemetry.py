"""OTLP export requests for tests, and the real gRPC calls that send them."""

import itertools
import json

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

_numbers = itertools.count(1)


def new_trace_id() -> bytes:
    return next(_numbers).to_bytes(16, "big")


def pairs(values: dict) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=str(value))


def message(role: str, text: str) -> dict:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def agent_run(task: str, answer: str, *, trace_id: bytes | None = None, root: dict | None = None) -> list[Span]:
    """A chat span, a failed tool and the invoke_agent root, in the order in which they end."""
    trace_id = trace_id or new_trace_id()
    began = 1_800_000_000_000_000_000
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.4-mini",
        "gen_ai.response.id": f"resp-{trace_id.hex()}",
        "gen_ai.input.messages": json.dumps([message("user", task)]),
        "gen_ai.output.messages": json.dumps([message("assistant", answer)]),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
    }
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "lookup_order",
        "gen_ai.tool.call.arguments": '{"order": "A-1"}',
        "error.type": "OrderNotFound",
    }
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support", **(root or {})}
    spans = []
    for number, (name, values, parent) in enumerate(
        [("chat", chat, 3), ("execute_tool lookup_order", tool, 3), ("invoke_agent support", agent, None)], 1
    ):
        spans.append(
            Span(
                trace_id=trace_id,
                span_id=number.to_bytes(8, "big"),
                parent_span_id=parent.to_bytes(8, "big") if parent else b"",
                name=name,
                start_time_unix_nano=began + number,
                end_time_unix_nano=began + 1000 + number,
                attributes=pairs(values),
            )
        )
    spans[1].status.code = 2
    return spans


def trace_request(spans: list[Span], resource: dict | None = None) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(pairs({"service.name": "shop", **(resource or {})}))
    group.scope_spans.add().spans.extend(spans)
    return request


def evaluation_request(values: dict, trace_id: bytes = b"") -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    log = request.resource_logs.add().scope_logs.add().log_records.add()
    log.event_name = "gen_ai.evaluation.result"
    log.trace_id = trace_id
    log.attributes.extend(pairs(values))
    return request


class OtlpSender:
    """Plain OTLP over gRPC, without our client."""

    def __init__(self, address: str, metadata: tuple = ()) -> None:
        self._channel = grpc.insecure_channel(address)
        self._metadata = metadata

    def send(self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        return self._call(TRACES, request.SerializeToString(), ExportTraceServiceResponse)

    def send_logs(self, request: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
        return self._call(LOGS, request.SerializeToString(), ExportLogsServiceResponse)

    def send_bytes(self, method: str, body: bytes) -> bytes:
        return self._channel.unary_unary(method)(body, metadata=self._metadata, timeout=20)

    def close(self) -> None:
        self._channel.close()

    def _call(self, method, body, response_type):
        return response_type.FromString(self.send_bytes(method, body))
