"""A process that forks while one of its threads waits for a run."""

import os
import subprocess
import sys
import threading
import weakref

import pytest

from reflect_otel.capture.fork_gate import fork_gate
from reflect_otel.wire.v1 import reflect_pb2 as wire

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORKS = 10
AGENT = f"""
import os, sys, threading
from reflect_otel import ReflectClient

client = ReflectClient(sys.argv[1])
client.get_memory("parent before")
waited = []
waiter = threading.Thread(target=lambda: waited.append(client.wait_for_trace("run-1", wait_timeout=50)))
waiter.start()
client.get_memory("is waiting")
for number in range({FORKS}):
    child = os.fork()
    if child == 0:
        client.get_memory(f"child {{number}}")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, number
client.get_memory("parent after")
waiter.join(50)
print(waited[0].id, waited[0].ingest_status)
"""


def test_a_fork_does_not_catch_a_thread_that_waits_for_a_run_and_the_wait_goes_on(service):
    waiting, completed = threading.Event(), threading.Event()

    def get_memory(request, context):
        if request.memory_id == "is waiting":
            waiting.wait(20)
        if request.memory_id == "parent after":
            completed.set()
        return wire.GetMemoryResponse(memory=wire.Memory(id=request.memory_id))

    def wait_trace(request, context):
        yield wire.WaitTraceResponse(trace=build_trace(request, wire.INGEST_STATUS_QUEUED))
        waiting.set()
        while context.is_active() and not completed.wait(0.01):
            pass
        yield wire.WaitTraceResponse(trace=build_trace(request, wire.INGEST_STATUS_COMPLETED))

    service.answers.update(GetMemory=get_memory, WaitTrace=wait_trace)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AGENT, service.url], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.returncode) == ("run-1 completed", 0), done.stderr
    assert "skipping fork() handlers" not in done.stderr  # what gRPC says when it is caught
    asked = [request.memory_id for request in service.requests("GetMemory")]
    assert asked == ["parent before", "is waiting", *(f"child {number}" for number in range(FORKS)), "parent after"]
    assert len(service.requests("WaitTrace")) > 1


def build_trace(request, ingest_status):
    return wire.Trace(id=request.trace_id, ingest_status=ingest_status)


def test_a_stream_that_has_ended_is_not_held():
    class Stream:
        pass

    stream = Stream()
    held = weakref.ref(stream)
    fork_gate.enter(stream)
    fork_gate.leave(stream)
    del stream
    assert held() is None


class Caller:
    """Inside gRPC until a fork interrupts it."""

    def __init__(self, then=lambda: None):
        self.interrupted = 0
        self.then = then
        fork_gate.enter(self)

    def interrupt(self):
        self.interrupted += 1
        if self.interrupted == 1:
            fork_gate.leave(self)
            self.then()


def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_who_can_be_interrupted_only_after_the_fork_began_is_interrupted_too():
    late = Caller()
    early = Caller(then=lambda: fork_gate.let_interrupt(late))
    fork_gate.let_interrupt(early)
    fork()
    assert early.interrupted
    assert late.interrupted


def test_a_fork_waits_for_the_end_of_the_thread_in_which_a_stream_ended():
    left, may_end = threading.Event(), threading.Event()

    def end():
        fork_gate.leave("stream", ending=threading.current_thread())
        left.set()
        may_end.wait(20)

    fork_gate.enter("stream")
    thread = threading.Thread(target=end)
    thread.start()
    assert left.wait(20)
    caller = Caller(then=may_end.set)
    fork_gate.let_interrupt(caller)
    fork()
    assert not thread.is_alive()
