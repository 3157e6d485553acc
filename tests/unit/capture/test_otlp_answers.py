"""What each answer of a receiver does to the spans in it (OTLP 1.11, "OTLP/gRPC Response")."""

import email.utils
import threading
import time

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace.export import SpanExportResult

from reflect_otel.capture.backoff import LONGEST_SECONDS, choose_rest_seconds
from tests.otlp_sink import OtlpSink
from tests.waiting import wait_until

from .receivers import build_spans, free_port, names_at, names_in, refuse, spool_files

Code = grpc.StatusCode


@pytest.mark.parametrize(
    "code",
    [Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.OUT_OF_RANGE, Code.UNAVAILABLE, Code.DATA_LOSS],
    ids=lambda code: code.name,
)
def test_a_passing_failure_is_sent_again_until_it_is_taken(spool, open_exporter, code):
    with OtlpSink(answer=refuse(code, times=1)) as sink:
        exporter = open_exporter(sink.url)
        assert exporter.export(build_spans("a")) is SpanExportResult.SUCCESS
        wait_until(lambda: names_at(sink) == ["a"])
        wait_until(lambda: not exporter.degraded)
        assert (len(sink.attempts), exporter.dropped_spans, exporter.status.delivered) == (2, 0, 1)


@pytest.mark.parametrize(
    "code",
    [
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.FAILED_PRECONDITION,
        Code.UNIMPLEMENTED,
        Code.INTERNAL,
        Code.UNKNOWN,
        Code.RESOURCE_EXHAUSTED,
    ],
    ids=lambda code: code.name,
)
def test_a_refusal_is_final_dropped_counted_and_never_sent_again(spool, open_exporter, caplog, code):
    with OtlpSink(answer=refuse(code, times=1)) as sink:
        exporter = open_exporter(sink.url)
        for name in ("refused", "next"):
            exporter.export(build_spans(name))
        assert names_at(sink) == ["next"]
        assert len(sink.attempts) == 2
    assert (exporter.dropped_spans, exporter.status.delivered, exporter.status.spooled) == (1, 1, 0)
    assert code.name in caplog.text
    assert spool_files(spool) == []


@pytest.mark.parametrize("code", [Code.UNAUTHENTICATED, Code.PERMISSION_DENIED], ids=lambda code: code.name)
def test_a_refused_key_costs_one_warning_and_everything_arrives_when_it_is_taken(spool, open_exporter, caplog, code):
    with OtlpSink(answer=refuse(code)) as sink:
        exporter = open_exporter(sink.url)
        for name in "abc":
            assert exporter.export(build_spans(name)) is SpanExportResult.SUCCESS
        assert (exporter.degraded, exporter.status.spooled, exporter.dropped_spans) == (True, 3, 0)
        assert len(sink.attempts) <= 3  # one with each new batch; nothing is retried
        sink.answer = None
        exporter.export(build_spans("d"))
        wait_until(lambda: sorted(names_at(sink)) == ["a", "b", "c", "d"])
    assert caplog.text.count("REFLECT_API_KEY") == 1


def test_refused_requests_do_not_take_their_neighbours_with_them(spool, open_exporter):
    port = free_port()
    exporter = open_exporter(f"http://127.0.0.1:{port}")
    for name in ("a", "bad", "b", "c"):
        exporter.export(build_spans(name))
    invalid = refuse(Code.INVALID_ARGUMENT)

    def answer(request, context):
        if "bad" in names_in(request):
            invalid(request, context)

    with OtlpSink(port, answer) as back:
        wait_until(lambda: not exporter.status.waiting_bytes)
        assert names_at(back) == ["a", "b", "c"]
    assert (exporter.status.delivered, exporter.dropped_spans) == (3, 1)


@pytest.mark.parametrize("settings", [{}, {"spool_bytes": 0}], ids=["with a disk", "without"])
def test_what_is_under_way_counts_as_waiting_from_the_first_moment_until_it_is_taken(open_exporter, settings):
    gate = threading.Event()
    with OtlpSink(answer=lambda request, context: gate.wait(20) and None) as sink:
        exporter = open_exporter(sink.url, **settings)
        seen = []
        sending = threading.Thread(target=lambda: exporter.export(build_spans("a")))
        sending.start()
        wait_until(lambda: sink.attempts)
        while exporter.status.spooled == 0 and len(seen) < 50:
            seen.append(exporter.status.waiting_bytes)
            time.sleep(0.005)  # between samples of a value that must never be 0: there is nothing to wait for
        assert all(seen)
        gate.set()
        sending.join()
        wait_until(lambda: not exporter.status.waiting_bytes)
        assert names_at(sink) == ["a"]
        assert exporter.status.delivered == 1


def test_what_a_partial_success_rejects_is_logged_and_counted_and_nothing_sent_again(spool, open_exporter, caplog):
    def take_all_but_one(request, context):
        return ExportTraceServiceResponse(
            partial_success=ExportTracePartialSuccess(rejected_spans=1, error_message="span 2 has no trace id")
        )

    with OtlpSink(answer=take_all_but_one) as sink:
        exporter = open_exporter(sink.url)
        assert exporter.export(build_spans("a", "b", "c")) is SpanExportResult.SUCCESS
        sink.answer = None
        exporter.export(build_spans("d"))
        assert names_at(sink) == ["a", "b", "c", "d"]
    assert (exporter.status.delivered, exporter.status.rejected, exporter.dropped_spans) == (3, 1, 0)
    assert "span 2 has no trace id" in caplog.text


def test_a_warning_of_an_accepting_receiver_is_logged(spool, open_exporter, caplog):
    def take_and_warn(request, context):
        return ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(error_message="slow down a bit"))

    with OtlpSink(answer=take_and_warn) as sink:
        exporter = open_exporter(sink.url)
        exporter.export(build_spans("a"))
    assert (exporter.status.delivered, exporter.status.rejected) == (1, 0)
    assert "slow down a bit" in caplog.text


def in_seconds(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("told", "at_least", "at_most"),
    [
        (lambda: refuse(Code.UNAVAILABLE, 1.2, times=1), 1.2, 1.32),
        (lambda: refuse(Code.RESOURCE_EXHAUSTED, 1.2, times=1), 1.2, 1.32),
        (lambda: refuse(Code.UNAVAILABLE, header="1.2", times=1), 1.2, 1.32),
        (lambda: refuse(Code.RESOURCE_EXHAUSTED, header="1.2", times=1), 1.2, 1.32),
        (lambda: refuse(Code.UNAVAILABLE, header=in_seconds(3), times=1), 1.8, 3.3),
    ],
    ids=["RetryInfo", "RetryInfo of a full receiver", "Retry-After", "Retry-After of a full receiver", "as a date"],
)
def test_a_receiver_is_not_asked_again_before_it_says(spool, open_exporter, told, at_least, at_most):
    with OtlpSink(answer=told()) as sink:
        exporter = open_exporter(sink.url)
        for name in "ab":
            exporter.export(build_spans(name))
        sink.wait_for_spans(2)
        first, second = sink.attempts[:2]
        assert at_least <= second - first < at_most + 0.5  # a busy machine may be late, never early
        assert names_at(sink) == ["a", "b"]


@given(failures=st.integers(1, 10_000))
def test_back_off_doubles_to_fifteen_seconds_and_is_spread(failures):
    expected = min(0.5 * 2 ** (failures - 1) if failures < 20 else LONGEST_SECONDS, LONGEST_SECONDS)
    rests = [choose_rest_seconds(failures, None) for _ in range(20)]
    assert all(0.8 * expected <= rest <= 1.2 * expected for rest in rests)
    assert len(set(rests)) > 1


@given(told=st.floats(0, 3600))
def test_what_a_receiver_asks_for_is_never_cut_short_and_kept_within_a_twentieth(told):
    assert told <= choose_rest_seconds(1, told) <= 1.05 * told
