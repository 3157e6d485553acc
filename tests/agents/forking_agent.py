"""A pre-forking server: the parent traces and asks, forks, and every child does too."""

import os
import sys

from opentelemetry import trace

import reflect_otel

reflect_otel.configure(sys.argv[1])
client = reflect_otel.ReflectClient(sys.argv[2])
tracer = trace.get_tracer("server")


def work(name: str) -> None:
    with tracer.start_as_current_span(name):
        client.get_memory(name)
    assert trace.get_tracer_provider().force_flush(10_000)


work("parent before")
children = []
for number in range(2):
    child = os.fork()
    if child == 0:
        work(f"child {number}")
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
work("parent after")
