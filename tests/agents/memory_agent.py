"""An agent that calls for memories in spans of its own. Arguments: the service's address, where its spans go."""

import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from reflect_otel import ReflectClient

TASK = "Refund the damaged coffee order of a customer"

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(sys.argv[2], insecure=True)))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("the.agent")

with ReflectClient(sys.argv[1], augment_timeout=10) as client:
    client.augment_with_memories("outside of any span")
    with tracer.start_as_current_span("handle request"):
        client.create_memory(TASK, "Ask which order is meant before refunding.")
        assert client.augment_with_memories(TASK, lambda_=0.25).memories
        client.query_memories(TASK)
    with tracer.start_as_current_span("later"), ReflectClient("http://127.0.0.1:1", augment_timeout=0.2) as away:
        assert away.augment_with_memories(TASK).degraded
provider.shutdown()
