"""The same agent inside a span of its own, as an application with manual OpenTelemetry tracing has it."""

from openai_agent import main
from opentelemetry import trace

with trace.get_tracer("shop").start_as_current_span(
    "handle return", attributes={"gen_ai.operation.name": "invoke_agent"}
):
    main()
