"""An agent that ends spans at a steady rate, whether anyone receives them or not, and prints each span id.

URL, exporter (``stock`` or ``reflect``), spans a second, seconds, and how many children to fork.
"""

import os
import sys
import time

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from reflect_otel import ReflectSpanExporter, RunSpanProcessor

url, exporter, rate, seconds, children = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:6])

provider = TracerProvider()
if exporter == "stock":
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, insecure=True)))
else:
    provider.add_span_processor(RunSpanProcessor(ReflectSpanExporter(url)))
tracer = provider.get_tracer("agent")


def work() -> None:
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        with tracer.start_as_current_span("invoke_agent", attributes={"number": number}) as span:
            pass
        os.write(1, f"{span.get_span_context().span_id:016x}\n".encode())


forked = 0
for _ in range(int(children)):
    forked = os.fork()
    if forked == 0:
        break
work()
if int(children) and forked == 0:
    provider.force_flush()
    os.kill(os.getpid(), 9)
