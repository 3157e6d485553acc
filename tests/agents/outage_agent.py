"""An agent that ends spans at a steady rate, whether anyone receives them or not, and prints each span id.

Arguments: URL, exporter (``stock`` or ``reflect``), spans a second, seconds. Its last line is a JSON object: how long
the slowest of a hundred spans took the agent, and what its process grew by.
"""

import json
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
taken = []
began = time.monotonic()
for number in range(int(rate * seconds)):
    time.sleep(max(0.0, began + number / rate - time.monotonic()))
    started = time.perf_counter()
    with tracer.start_as_current_span("invoke_agent", attributes={"number": number, "text": "x" * 1000}) as span:
        pass
    taken.append(time.perf_counter() - started)
    os.write(1, f"{span.get_span_context().span_id:016x}\n".encode())
    rss_before = rss_before or process.memory_info().rss
provider.shutdown()
told = {
    "p99_ms": round(1000 * sorted(taken)[int(len(taken) * 0.99)], 3),
    "grown_mib": round((process.memory_info().rss - rss_before) / 2**20, 1),
}
os.write(1, f"{json.dumps(told)}\n".encode())
