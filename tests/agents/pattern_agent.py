"""An agent under ``client.trace`` with a model call and a tool call in spans of their own.

Arguments: where its spans go (``none``, ``ours``, ``stock``, ``apm``, ``unsampled``), what it does (``output``,
``spans``, ``error``, ``review``), the service's address, and a file that takes what an APM would get.
"""

import contextlib
import json
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import reflect_otel

TASK = "Refund the damaged coffee order of a customer"
ANSWER = "The order was refunded to the card."


class FileExporter(SpanExporter):
    """The team's APM: one JSON object a span."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def export(self, spans):
        with self._path.open("a") as file:
            file.writelines(span.to_json(indent=None) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


def set_up(spans_go_to: str, url: str, apm_file: str) -> None:
    if spans_go_to == "none":
        return
    provider = TracerProvider(sampler=ALWAYS_OFF) if spans_go_to == "unsampled" else TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileExporter(apm_file)))
    trace.set_tracer_provider(provider)
    if spans_go_to == "ours":
        reflect_otel.configure(url)
    elif spans_go_to == "stock":
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, insecure=True)))


def message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def work(task: str) -> None:
    tracer = trace.get_tracer("an.instrumentation")
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "refund_order",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"order": "A-1"}',
        "gen_ai.tool.call.result": '{"refunded": true}',
    }
    with tracer.start_as_current_span("execute_tool refund_order", attributes=tool):
        pass
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.4-mini",
        "gen_ai.response.id": "resp-1",
        "gen_ai.input.messages": message("user", task),
        "gen_ai.output.messages": message("assistant", ANSWER),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 12,
    }
    with tracer.start_as_current_span("chat gpt-5.4-mini", attributes=chat):
        pass


def main(spans_go_to: str, doing: str, url: str, apm_file: str) -> None:
    set_up(spans_go_to, url, apm_file)
    conversation = [{"role": "user", "content": TASK}, {"role": "assistant", "content": ANSWER}]
    client = reflect_otel.ReflectClient(url, augment_timeout=10)
    with contextlib.suppress(ConnectionError), client.trace(TASK, agent="support") as ctx:
        work(ctx.task)
        if doing == "output":
            ctx.set_output(trajectory=conversation)
        elif doing == "inline":
            ctx.set_output(trajectory=conversation, result="fail", feedback_text="no refund was issued")
        elif doing == "review":
            reflect_otel.review("fail", "no refund was issued")
        elif doing == "error":
            raise ConnectionError("the model is away")
    print(json.dumps({"run_id": ctx.trace_id, "otel_trace_id": ctx.otel_trace_id}))


main(*sys.argv[1:])
