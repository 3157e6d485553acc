"""An agent that ends spans at a steady rate, whether anyone receives them or not.

Arguments: URL, exporter (``stock`` or ``reflect``), spans a second, seconds. It prints a line for each span: its id,
and the milliseconds that starting and ending it took the agent. Its last line is what its process grew by, in MiB.
"""

import os
import sys
import time

import psutil
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from reflect_otel import ReflectSpanExporter, RunSpanProcessor

url, exporter, rate, seconds = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:5])

provider = TracerProvider(shutdown_on_exit=False)
if exporter == "stock":
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, insecure=True)))
else:
    provider.add_span_processor(RunSpanProcessor(ReflectSpanExporter(url)))
tracer = provider.get_tracer("agent")
process = psutil.Process()
rss_before = 0
began = time.monotonic()
for number in range(int(rate * seconds)):
    time.sleep(max(0.0, began + number / rate - time.monotonic()))
    started = time.perf_counter()
    with tracer.start_as_current_span("invoke_agent", attributes={"number": number, "text": "x" * 1000}) as span:
        pass
    taken_ms = 1000 * (time.perf_counter() - started)
    os.write(1, f"{span.get_span_context().span_id:016x} {taken_ms:.3f}\n".encode())
    rss_before = rss_before or process.memory_info().rss
provider.shutdown()
os.write(1, f"{(process.memory_info().rss - rss_before) / 2**20:.1f}\n".encode())
