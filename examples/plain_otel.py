"""An agent that is traced with the stock OpenTelemetry SDK and exporter, and reviewed by span attributes.

No line of reflect-otel: run it against a service started with ``reflect-otel serve``, or against any Collector that
forwards to one. The memory drawn from the run is then served to similar tasks:

    pip install opentelemetry-sdk opentelemetry-exporter-otlp
    python examples/plain_otel.py
    reflect-otel augment "Return an order that came damaged"
"""

import json

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TASK = "Return order A-1, which arrived damaged."
ANSWER = "The order was refunded to the card."


def message(role: str, text: str) -> dict:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def answer(tracer: trace.Tracer) -> None:
    """One run: a tool that is looked up, a model call, and what a reviewer said of the outcome."""
    with tracer.start_as_current_span(
        "invoke_agent returns",
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "returns",
            "reflect.task": TASK,
        },
    ) as run:
        with tracer.start_as_current_span(
            "execute_tool find_order",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "find_order",
                "gen_ai.tool.call.id": "call_1",
                "gen_ai.tool.call.arguments": json.dumps({"order": "A-1"}),
                "gen_ai.tool.call.result": json.dumps({"state": "delivered", "paid_with": "voucher"}),
            },
        ):
            pass
        with tracer.start_as_current_span(
            "chat gpt-5.4-mini",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-5.4-mini",
                "gen_ai.input.messages": json.dumps([message("user", TASK)]),
                "gen_ai.output.messages": json.dumps([message("assistant", ANSWER)]),
                "gen_ai.usage.input_tokens": 212,
                "gen_ai.usage.output_tokens": 9,
            },
        ):
            pass
        run.set_attribute("reflect.review.result", "fail")
        run.set_attribute("reflect.review.feedback", "The order was paid with a voucher: refund the voucher.")


def main() -> None:
    # Where to send follows OTEL_EXPORTER_OTLP_ENDPOINT; the default is http://localhost:4317.
    provider = TracerProvider(resource=Resource.create({"service.name": "plain-otel-example"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    answer(provider.get_tracer("plain_otel"))
    provider.shutdown()
    print("One reviewed run was sent.")


if __name__ == "__main__":
    main()
