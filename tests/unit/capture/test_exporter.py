"""ReflectSpanExporter against a real OTLP receiver."""

import os
import time

import grpc
import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

import reflect_otel
from reflect_otel import ReflectSpanExporter, RunSpanProcessor
from reflect_otel.capture.run_stamp import RunStampProcessor
from tests.otlp_sink import OtlpSink, attributes_of

from .receivers import build_spans


@pytest.fixture
def sink():
    with OtlpSink() as sink:
        yield sink


def send_one(build_tracer, exporter, name="root"):
    build_tracer(SimpleSpanProcessor(exporter)).start_span(name).end()


def test_it_is_a_span_exporter_that_needs_no_arguments():
    assert issubclass(ReflectSpanExporter, SpanExporter)
    ReflectSpanExporter().shutdown()


def test_arguments_come_before_reflect_variables_before_otel_variables(build_tracer, monkeypatch, sink):
    nowhere = "http://127.0.0.1:1"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-apm-key=secret")
    send_one(build_tracer, ReflectSpanExporter(), "otel")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", sink.url)
    send_one(build_tracer, ReflectSpanExporter(), "otel traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", nowhere)
    monkeypatch.setenv("REFLECT_ENDPOINT", sink.url)
    monkeypatch.setenv("REFLECT_API_KEY", "rf_env")
    send_one(build_tracer, ReflectSpanExporter(), "reflect")
    monkeypatch.setenv("REFLECT_ENDPOINT", nowhere)
    send_one(build_tracer, ReflectSpanExporter(sink.url, "rf_arg", "shop", {"X-Team": "a"}), "arguments")
    assert [span.name for span in sink.spans] == ["otel", "otel traces", "reflect", "arguments"]
    headers = [metadata for _, metadata in sink.trace_requests]
    assert [h.get("authorization") for h in headers] == [None, None, "Bearer rf_env", "Bearer rf_arg"]
    assert [h.get("x-apm-key") for h in headers] == ["secret", "secret", None, None]
    assert (headers[3]["x-reflect-project"], headers[3]["x-team"]) == ("shop", "a")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REFLECT_API_KEY", "k\u00e9y"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "x"),
    ],
)
def test_a_wrong_setting_is_logged_and_never_raised(build_tracer, monkeypatch, caplog, variable, value):
    monkeypatch.setenv(variable, value)
    send_one(build_tracer, ReflectSpanExporter("http://127.0.0.1:1"))
    assert "correct the setting" in caplog.text


def test_a_span_that_cannot_be_encoded_costs_only_itself(build_tracer, sink):
    exporter = ReflectSpanExporter(sink.url)
    processor = RunSpanProcessor(exporter)
    tracer = build_tracer(processor)
    with tracer.start_as_current_span("root"):
        for name in ("good", "no unicode \ud800", "fine"):
            tracer.start_span(name).end()
    assert processor.force_flush(5_000)
    assert [span.name for span in sink.spans] == ["good", "fine", "root"]


@pytest.mark.parametrize("stock", [False, True], ids=["our processor", "stock batch processor and the stamp"])
def test_the_run_id_survives_the_attribute_limit(build_tracer, sink, stock):
    exporter = ReflectSpanExporter(sink.url)
    processor = BatchSpanProcessor(exporter) if stock else RunSpanProcessor(exporter)
    tracer = build_tracer(processor, span_limits=SpanLimits(max_span_attributes=8))
    if stock:
        trace_provider = tracer.span_processor
        trace_provider.add_span_processor(RunStampProcessor())
    with reflect_otel.run("run-7"), tracer.start_as_current_span("root") as span:
        span.set_attributes({f"gen_ai.prompt.{number}": number for number in range(20)})
    assert processor.force_flush(5_000)
    (sent,) = sink.spans
    assert attributes_of(sent)["reflect.run.id"] == "run-7"
    assert len(sent.attributes) == 9
    assert sent.dropped_attributes_count == 13


def test_a_trace_of_two_runs_gives_no_span_the_wrong_one(build_tracer, sink):
    processor = RunSpanProcessor(ReflectSpanExporter(sink.url))
    tracer = build_tracer(processor, span_limits=SpanLimits(max_span_attributes=2))
    with tracer.start_as_current_span("root"):
        for run_id in ("a", "b"):
            with reflect_otel.run(run_id), tracer.start_as_current_span(f"agent {run_id}") as span:
                span.set_attributes({"x": 1, "y": 2})
    assert processor.force_flush(5_000)
    assert all("reflect.run.id" not in attributes_of(span) for span in sink.spans)


class SeenCalls(grpc.UnaryUnaryClientInterceptor):
    """What an instrumentation of gRPC would see: one entry for each call, whether it was asked to look away."""

    def __init__(self):
        self.suppressed = []

    def intercept_unary_unary(self, continuation, details, request):
        self.suppressed.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
        return continuation(details, request)


def test_exports_are_not_traced(build_tracer, sink, monkeypatch):
    seen, build_channel = SeenCalls(), grpc.insecure_channel
    monkeypatch.setattr(
        grpc,
        "insecure_channel",
        lambda *args, **options: grpc.intercept_channel(build_channel(*args, **options), seen),
    )
    send_one(build_tracer, ReflectSpanExporter(sink.url))
    assert seen.suppressed == [True]
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


def test_a_closed_exporter_refuses_and_without_a_spool_a_dead_receiver_costs_no_more_than_the_timeout(build_tracer):
    exporter = ReflectSpanExporter("http://127.0.0.1:1", timeout=0.2, spool_bytes=0)
    began = time.monotonic()
    send_one(build_tracer, exporter)
    assert time.monotonic() - began < 8  # and not the 10 seconds of an exporter that is given no timeout
    assert (exporter.dropped_spans, exporter.degraded) == (1, True)
    exporter.shutdown()
    assert exporter.export([]) is SpanExportResult.FAILURE
    assert exporter.dropped_spans == 1


def test_what_comes_after_the_shutdown_counts_as_dropped(sink):
    exporter = ReflectSpanExporter(sink.url)
    assert exporter.export(build_spans("in time")) is SpanExportResult.SUCCESS
    exporter.shutdown()
    assert exporter.export(build_spans("late", "later")) is SpanExportResult.FAILURE
    assert (exporter.status.delivered, exporter.status.dropped) == (1, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_before_the_first_export_sends_for_itself(build_tracer, sink):
    processor = RunSpanProcessor(ReflectSpanExporter(sink.url))
    tracer = build_tracer(processor)
    child = os.fork()
    if child == 0:
        tracer.start_span("child").end()
        os._exit(0 if processor.force_flush(10_000) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [span.name for span in sink.wait_for_spans(1)] == ["child"]
