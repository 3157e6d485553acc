"""An application that calls ``configure()`` twice, traces one run, reviews it, and reports an evaluation."""

import sys

from opentelemetry import _logs, trace
from opentelemetry._logs import LogRecord

import reflect_otel

for _ in range(2):
    reflect_otel.configure(sys.argv[1], api_key="rf_key", project_id="shop", service_name="returns")

with (
    reflect_otel.run("run-7", task="Return order A-1", agent="returns"),
    trace.get_tracer("agent").start_as_current_span("invoke_agent returns"),
):
    print(reflect_otel.review("fail", "The order was already sent back."))
    _logs.get_logger("judge").emit(
        LogRecord(event_name="gen_ai.evaluation.result", attributes={"gen_ai.evaluation.name": "correct"})
    )
