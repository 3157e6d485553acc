"""What an exporter cannot deliver: kept on disk, delivered later, once and in order, by whoever comes next."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace.export import SpanExportResult

from reflect_otel import ReflectSpanExporter
from reflect_otel.capture.log_exporter import ReflectLogExporter
from tests.gateway import Gateway, black_hole
from tests.otlp_sink import OtlpSink
from tests.waiting import wait_until

from .receivers import build_spans, free_port, journal_bytes, names_at, spool_files


@pytest.fixture
def sink():
    with OtlpSink() as sink:
        yield sink


def test_a_healthy_service_gets_everything_at_once_and_the_disk_nothing(sink, spool, open_exporter):
    exporter = open_exporter(sink.url)
    for name in "abc":
        assert exporter.export(build_spans(name)) is SpanExportResult.SUCCESS
    assert names_at(sink) == ["a", "b", "c"]
    assert not spool.exists()
    assert (exporter.status.delivered, exporter.status.spooled, exporter.degraded) == (3, 0, False)


def test_what_ends_during_an_outage_arrives_afterwards_once_and_in_order(spool, open_exporter):
    sink = OtlpSink()
    exporter = open_exporter(sink.url)
    exporter.export(build_spans("before"))
    sink.stop()
    names = [f"during {number}" for number in range(200)]
    for name in names:
        assert exporter.export(build_spans(name)) is SpanExportResult.SUCCESS
    assert (exporter.degraded, exporter.status.spooled, exporter.dropped_spans) == (True, 200, 0)
    assert exporter.force_flush(1_000)
    with OtlpSink(sink.port) as back:
        wait_until(lambda: not exporter.degraded)
        exporter.export(build_spans("after"))
        assert names_at(back) == [*names, "after"]
        assert len(back.trace_requests) < 20
    assert spool_files(spool) == []
    assert exporter.status.delivered == 202


def test_log_events_take_the_same_way(spool):
    port = free_port()
    exporter = ReflectLogExporter(f"http://127.0.0.1:{port}")
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("judge").emit(LogRecord(event_name="gen_ai.evaluation.result"))
    assert exporter.status.spooled == 1
    with OtlpSink(port) as back:
        wait_until(lambda: back.log_records)
        assert [record.event_name for record in back.log_records] == ["gen_ai.evaluation.result"]
        provider.shutdown()


def test_the_next_exporter_delivers_what_a_closed_one_left_spans_and_logs_alike(spool):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    first = ReflectSpanExporter(url, project_id="shop", api_key="old")
    provider = LoggerProvider(shutdown_on_exit=False)
    logs = ReflectLogExporter(url, project_id="shop", api_key="old")
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    first.export(build_spans("left"))
    provider.get_logger("judge").emit(LogRecord(event_name="left too"))
    first.shutdown()
    provider.shutdown()
    with OtlpSink(port) as back:
        second = ReflectSpanExporter(url, project_id="shop", api_key="new")
        second.export(build_spans("fresh"))
        wait_until(lambda: len(back.spans) == 2 and back.log_records)
        assert set(names_at(back)) == {"fresh", "left"}
        assert {metadata["authorization"] for _, metadata in back.trace_requests} == {"Bearer new"}
        second.shutdown()
        assert len(back.spans) == 2
    assert spool_files(spool) == []


def test_another_project_or_key_never_delivers_it(spool):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    for identity in ({"project_id": "a"}, {"api_key": "a"}):
        exporter = ReflectSpanExporter(url, **identity)
        exporter.export(build_spans("secret"))
        exporter.shutdown()
    with OtlpSink(port) as back:
        for identity in ({"project_id": "b"}, {"api_key": "b"}, {}):
            exporter = ReflectSpanExporter(url, **identity)
            exporter.export(build_spans("own"))
            exporter.shutdown()
        assert names_at(back) == ["own"] * 3
    assert len(spool_files(spool)) > 0


def test_an_acknowledgement_that_takes_long_holds_up_nobody_and_nothing_is_sent_twice(sink, spool, open_exporter):
    gate = threading.Event()
    sink.answer = lambda request, context: gate.wait(60) and None
    exporter = open_exporter(sink.url)
    began = time.monotonic()
    assert exporter.export(build_spans("slow")) is SpanExportResult.SUCCESS
    assert time.monotonic() - began < 8  # and not the 10 seconds that the call may take
    assert journal_bytes(spool) > 0
    assert exporter.status.delivered == 0
    exporter.export(build_spans("next"))
    gate.set()
    wait_until(lambda: not exporter.degraded)
    assert names_at(sink) == ["slow", "next"]
    assert spool_files(spool) == []


def test_a_receiver_that_takes_connections_and_never_answers_holds_up_nobody(spool, open_exporter):
    before = set(threading.enumerate())
    with black_hole() as url:
        exporter = open_exporter(url, timeout=0.3)
        began = time.monotonic()
        for number in range(50):
            exporter.export(build_spans(str(number)))
        assert time.monotonic() - began < 50 * 0.3  # less than a timeout for each
        ours = {thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("reflect")}
        assert ours == {"reflect-journal", "reflect-otel-delivery"}
    with OtlpSink(int(url.rpartition(":")[2])) as back:
        back.wait_for_spans(50)
        assert names_at(back) == [str(number) for number in range(50)]


def test_a_connection_whose_other_end_fell_silent_is_replaced(sink, spool, open_exporter):
    with Gateway(sink.port) as gateway:
        exporter = open_exporter(gateway.url, timeout=1.5)
        exporter.export(build_spans("before"))
        gateway.freeze()
        for name in ("lost in transit", "queued"):
            exporter.export(build_spans(name))
        sink.wait_for_spans(3)
        assert names_at(sink) == ["before", "lost in transit", "queued"]
        assert gateway.connections == 2


def test_a_receiver_that_speaks_no_tls_is_an_outage_and_no_error(sink, spool, open_exporter):
    exporter = open_exporter(sink.url.replace("http:", "https:"), timeout=1)
    assert exporter.export(build_spans("kept")) is SpanExportResult.SUCCESS
    assert (exporter.status.spooled, exporter.degraded) == (1, True)


def test_shutting_down_takes_two_seconds_at_most_and_leaves_the_rest_on_disk(sink, spool):
    gate = threading.Event()
    sink.answer = lambda request, context: gate.wait(60) and None
    exporter = ReflectSpanExporter(sink.url)
    exporter.export(build_spans("a"))
    began = time.monotonic()
    exporter.shutdown()
    assert time.monotonic() - began < 9  # and not the 10 seconds that the call may take, or the 60 of the receiver
    assert journal_bytes(spool) > 0
    assert exporter.export(build_spans("late")) is SpanExportResult.FAILURE
    gate.set()


# --- several processes

AGENT = """
import os, sys, threading
from opentelemetry.sdk.trace import TracerProvider
from reflect_otel import ReflectSpanExporter, RunSpanProcessor
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(RunSpanProcessor(ReflectSpanExporter(sys.argv[1])))
def work(name):
    for number in range(5):
        provider.get_tracer("agent").start_span(f"{name} {number}").end()
    assert provider.force_flush(20_000)
"""


def start_agent(url, ending):
    command = [sys.executable, "-W", "ignore", "-c", AGENT + ending, url]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_what_is_on_disk_survives_a_kill_of_its_process(spool, open_exporter):
    port = free_port()
    agent = start_agent(f"http://127.0.0.1:{port}", "work('killed'); print('flushed', flush=True); sys.stdin.read()")
    assert agent.stdout.readline() == "flushed\n", agent.stderr.read()
    agent.send_signal(signal.SIGKILL)
    agent.communicate(timeout=20)
    with OtlpSink(port) as back:
        open_exporter(back.url).export(build_spans("heir"))
        back.wait_for_spans(6)
        wait_until(lambda: spool_files(spool) == [])
        assert Counter(names_at(back)) == Counter(["heir", *(f"killed {number}" for number in range(5))])


def test_what_a_process_could_not_send_when_no_thread_can_be_started_any_more_is_kept(spool, open_exporter):
    ending = """
def refuse(self):
    raise RuntimeError("can't start new thread at interpreter shutdown")
provider = TracerProvider(shutdown_on_exit=False)
threading.Thread.start = refuse
provider.add_span_processor(RunSpanProcessor(ReflectSpanExporter(sys.argv[1])))
for number in range(5):
    provider.get_tracer("agent").start_span(f"late {number}").end()
provider.shutdown()
"""
    port = free_port()
    agent = start_agent(f"http://127.0.0.1:{port}", ending)
    _, log = agent.communicate(timeout=30)
    assert "dropped" not in log
    assert "Traceback" not in log
    with OtlpSink(port) as back:
        open_exporter(back.url).export(build_spans("heir"))
        back.wait_for_spans(6)
        assert len(back.spans) == 6


def test_a_living_process_keeps_what_is_its_own(spool, open_exporter):
    port = free_port()
    agent = start_agent(f"http://127.0.0.1:{port}", "work('living'); print('flushed', flush=True); os.read(0, 1)")
    assert agent.stdout.readline() == "flushed\n"
    with OtlpSink(port) as back:
        exporter = open_exporter(back.url)
        exporter.export(build_spans("other"))
        back.wait_for_spans(6)  # the living one sends for itself
        assert Counter(names_at(back)).most_common(1)[0][1] == 1
    agent.kill()
    agent.communicate(timeout=20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_keeps_its_own_and_its_parents_arrive_once(spool, open_exporter):
    ending = """
work('parent before')
for number in range(3):
    if os.fork() == 0:
        work(f'child {number}')
        os._exit(0)
for _ in range(3):
    assert os.wait()[1] == 0
work('parent after')
os._exit(0)
"""
    port = free_port()
    agent = start_agent(f"http://127.0.0.1:{port}", ending)
    _, log = agent.communicate(timeout=60)
    assert agent.returncode == 0, log
    assert len(list(spool.glob("*/*"))) == 4
    with OtlpSink(port) as back:
        open_exporter(back.url).export(build_spans("heir"))
        back.wait_for_spans(26, 20)
        wait_until(lambda: spool_files(spool) == [])
        assert Counter(names_at(back)).most_common(1)[0][1] == 1
        for name in ("parent before", "child 0", "child 1", "child 2", "parent after"):
            assert [each for each in names_at(back) if each.startswith(name)] == [f"{name} {n}" for n in range(5)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_a_batch_is_on_its_way_harms_neither_parent_nor_child(spool, open_exporter):
    ending = """
for round in range(6):
    work(f'parent {round}')  # the receiver never answers, so that a call is nearly always under way
    child = os.fork()
    if child == 0:
        work(f'child {round}')
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, 'the child died of a signal'
os._exit(0)
"""
    with black_hole() as url:
        agent = start_agent(url, ending)
        _, log = agent.communicate(timeout=60)
    assert agent.returncode == 0, log
    with OtlpSink(int(url.rpartition(":")[2])) as back:
        open_exporter(back.url).export(build_spans("heir"))
        back.wait_for_spans(61, 20)
        assert Counter(names_at(back)).most_common(1)[0][1] == 1


def test_many_exporters_at_a_time_share_a_spool_and_every_span_arrives_once(spool):
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def fill(number):
        exporter = ReflectSpanExporter(url)
        for each in range(10):
            exporter.export(build_spans(f"{number}-{each}"))
        exporter.shutdown()

    def run_all(work):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run_all(fill)
    with OtlpSink(port) as back:

        def drain(number):
            exporter = ReflectSpanExporter(url)
            exporter.export(build_spans(f"{number}-fresh"))
            wait_until(lambda: len(back.spans) >= 66)
            exporter.shutdown()

        run_all(drain)
        assert Counter(names_at(back)).most_common(1)[0][1] == 1
        assert len(back.spans) == 66
    assert spool_files(spool) == []
