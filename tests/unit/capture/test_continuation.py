"""Model calls of an agent without a span of its own, seen as one run."""

import json

import pytest

from reflect_otel import ReflectSpanExporter, RunSpanProcessor
from tests.otlp_sink import OtlpSink, attributes_of

KEY = "gen_ai.input.messages"


def messages(*texts):
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts])


def call(tracer, *texts, **more):
    span = tracer.start_span("chat", attributes={KEY: messages(*texts), **more})
    span.end()
    return f"{span.get_span_context().trace_id:032x}"


@pytest.fixture
def sink():
    with OtlpSink() as sink:
        yield sink


@pytest.fixture
def tracer(sink, build_tracer):
    return build_tracer(RunSpanProcessor(ReflectSpanExporter(sink.url)))


def sent_runs(sink, count):
    return [attributes_of(span).get("reflect.run.id") for span in sink.wait_for_spans(count)]


def test_a_call_that_goes_on_from_an_earlier_one_joins_its_run(sink, tracer):
    first = call(tracer, "a")
    call(tracer, "a", "b")
    call(tracer, "a", "b", "c", "d")
    assert sent_runs(sink, 3) == [None, first, first]


def test_calls_that_only_begin_alike_or_are_equal_stay_apart(sink, tracer):
    call(tracer, "system", "task one")
    call(tracer, "system", "task two")
    call(tracer, "system", "task two")
    call(tracer, "system", "task")
    assert sent_runs(sink, 4) == [None] * 4


def test_two_conversations_side_by_side_stay_apart(sink, tracer):
    one, two = call(tracer, "s", "1"), call(tracer, "s", "2")
    call(tracer, "s", "2", "x")
    call(tracer, "s", "1", "x")
    assert sent_runs(sink, 4) == [None, None, two, one]


def test_calls_inside_a_trace_or_with_a_run_id_are_left_alone(sink, tracer):
    call(tracer, "a")
    call(tracer, "a", "b", **{"reflect.run.id": "mine"})
    with tracer.start_as_current_span("agent"):
        call(tracer, "a", "b", "c")
    assert sent_runs(sink, 4) == [None, "mine", None, None]


def test_input_that_was_cut_off_or_is_no_list_joins_nothing(sink, tracer):
    for text in ("", "[", "[]", '[{"role": "us', "{}", "[],"):
        tracer.start_span("chat", attributes={KEY: text}).end()
    tracer.start_span("chat", attributes={KEY: ["a", "b"]}).end()
    assert sent_runs(sink, 7) == [None] * 7


def test_old_conversations_are_forgotten(sink, tracer):
    call(tracer, "first")
    for number in range(64):
        call(tracer, str(number))
    call(tracer, "first", "next")
    assert sent_runs(sink, 66) == [None] * 66
