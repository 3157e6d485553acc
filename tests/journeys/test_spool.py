"""What the service does not take goes to disk and arrives later, once, also from a process that is gone."""

import os
import socket
import subprocess
import sys

from reflect_otel import ReflectClient
from tests.disk import find_files

from .service_process import wait_for

AGENT = """
import sys, reflect_otel
from opentelemetry import trace
reflect_otel.configure(service_name="shop")
span = {"gen_ai.operation.name": "invoke_agent", "reflect.task": sys.argv[1]}
with trace.get_tracer("shop").start_as_current_span("invoke_agent shop", attributes=span):
    reflect_otel.review("fail", "asked nobody")
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def run_agent(task, address, spool):
    environment = {**os.environ, "REFLECT_ENDPOINT": f"http://{address}", "REFLECT_SPOOL_DIR": str(spool)}
    subprocess.run([sys.executable, "-c", AGENT, task], env=environment, timeout=60, check=True, capture_output=True)


def test_runs_of_dead_processes_arrive_once_when_the_service_is_back(start_service, tmp_path):
    address, spool = f"127.0.0.1:{free_port()}", tmp_path / "spool"
    for number in range(2):
        run_agent(f"Refund order {number} while nobody listens", address, spool)
    assert find_files(spool, ".journal")
    service = start_service(tmp_path / "data", "--settle-seconds", "0.1", "--grpc-address", address)
    run_agent("Refund an order when the service is back", address, spool)
    with ReflectClient(base_url=service.url) as client:
        reviewed = wait_for(lambda: client.list_traces(review_status="reviewed"), lambda found: len(found) == 3)
    assert len({trace.task for trace in reviewed}) == 3
    assert wait_for(lambda: find_files(spool, ".journal"), lambda left: not left) == []
    assert service.status()["spans"] == 3
