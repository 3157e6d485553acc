"""An application with a tracer provider of its own, to which ``configure()`` is added."""

import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import reflect_otel

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: f"apm: {span.name}\n")))
trace.set_tracer_provider(provider)
reflect_otel.configure(sys.argv[1])
reflect_otel.configure(sys.argv[1])
assert trace.get_tracer_provider() is provider
trace.get_tracer("agent").start_span("root").end()
