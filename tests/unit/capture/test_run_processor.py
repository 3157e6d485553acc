"""RunSpanProcessor: what it sends when, what it holds, and that the host never notices."""

import os
import threading
import time

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import reflect_otel
from reflect_otel import InvalidArgument, RunSpanProcessor
from reflect_otel.capture.span_buffer import SpanBuffer
from tests.waiting import wait_until

from .conftest import CollectingExporter

NEVER_MS = 60_000


def started(tracer, name, parent=None, **attributes):
    context = trace.set_span_in_context(parent) if parent is not None else None
    return tracer.start_span(name, context=context, attributes=attributes)


def test_a_run_is_sent_whole_as_soon_as_its_root_ends(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS))
    first, second = started(tracer, "first"), started(tracer, "second")
    for root in (first, second):
        started(tracer, f"{root.name}.child", root).end()
    first.end()
    assert exporter.wait_for(2) == ["first.child", "first"]
    second.end()
    assert exporter.wait_for(4)[2:] == ["second.child", "second"]


def test_a_span_under_a_remote_parent_is_the_local_root(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS))
    remote = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
    started(tracer, "server", remote).end()
    assert exporter.wait_for(1) == ["server"]


def test_a_long_run_is_sent_piece_by_piece_by_timer(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter, schedule_delay_ms=20))
    root = started(tracer, "root")
    started(tracer, "step", root).end()
    assert exporter.wait_for(1) == ["step"]
    root.end()
    assert exporter.wait_for(2) == ["step", "root"]


def test_a_full_batch_is_sent_before_the_root_ends(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS, max_export_batch_size=8))
    root = started(tracer, "root")
    for _ in range(8):
        started(tracer, "step", root).end()
    assert exporter.wait_for(8) == ["step"] * 8
    assert max(map(len, exporter.batches)) <= 8
    root.end()


def test_a_batch_stays_under_the_message_size_that_receivers_take(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS))
    root = started(tracer, "root")
    for _ in range(5):
        started(tracer, "big", root, text="x" * 1_500_000).end()
    root.end()
    exporter.wait_for(6)
    assert list(map(len, exporter.batches)) == [1, 1, 1, 1, 1, 1]


def test_what_is_held_is_bounded_in_spans_and_the_oldest_go_first(build_tracer):
    gate = threading.Event()
    exporter = CollectingExporter(gate)
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS, max_spans=10, max_export_batch_size=1)
    tracer = build_tracer(processor)
    started(tracer, "stuck").end()
    wait_until(lambda: exporter.called)
    for number in range(30):
        started(tracer, str(number)).end()
    assert processor.dropped_spans == 21
    gate.set()
    assert exporter.wait_for(10) == ["stuck", *map(str, range(21, 30))]


def test_what_is_held_is_bounded_in_bytes(build_tracer):
    gate = threading.Event()
    exporter = CollectingExporter(gate)
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS, max_bytes=1_000_000, max_export_batch_size=1)
    tracer = build_tracer(processor)
    started(tracer, "stuck").end()
    wait_until(lambda: exporter.called)
    for number in range(30):
        started(tracer, str(number), text="x" * 100_000).end()
    assert processor.dropped_spans >= 20
    gate.set()
    assert exporter.wait_for(2)[-1] != "0"


@pytest.mark.parametrize(
    "value", ["x" * 50_000, ["x" * 10_000] * 5, b"x" * 50_000], ids=["text", "list of texts", "bytes"]
)
def test_the_bytes_of_every_kind_of_attribute_and_event_count(value, build_tracer, exporter):
    from reflect_otel.capture.span_buffer import estimate_bytes

    tracer = build_tracer(RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS))
    in_attribute, in_event = started(tracer, "a"), started(tracer, "b")
    in_attribute.set_attribute("value", value)
    in_event.add_event("e", {"value": value})
    for span in (in_attribute, in_event):
        span.end()
        assert 50_000 <= estimate_bytes(span._readable_span()) <= 60_000


def test_an_exporter_that_raises_or_fails_is_counted_and_the_next_batch_still_goes(build_tracer, caplog):
    class Failing(CollectingExporter):
        def export(self, spans):
            super().export(spans)
            if len(self.batches) == 1:
                raise OSError("disk on fire")
            return SpanExportResult.FAILURE if len(self.batches) == 2 else SpanExportResult.SUCCESS

    exporter = Failing()
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS)
    tracer = build_tracer(processor)
    for number in range(3):
        started(tracer, str(number)).end()
        exporter.wait_for(number + 1)
    assert processor.force_flush(5_000)
    assert processor.lost_spans == 2
    assert "disk on fire" in caplog.text


def test_flush_sends_unfinished_runs_and_gives_up_at_its_deadline(build_tracer):
    gate = threading.Event()
    gate.set()
    exporter = CollectingExporter(gate)
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS)
    tracer = build_tracer(processor)
    root = started(tracer, "root")
    started(tracer, "step", root).end()
    assert processor.force_flush(5_000)
    assert exporter.names == ["step"]
    gate.clear()
    root.end()
    began = time.monotonic()
    assert not processor.force_flush(50)
    assert time.monotonic() - began < 2
    gate.set()


def test_shutdown_sends_what_is_held_once_and_refuses_the_rest(exporter, build_tracer):
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS)
    tracer = build_tracer(processor)
    root = started(tracer, "root")
    started(tracer, "step", root).end()
    processor.shutdown()
    processor.shutdown()
    assert exporter.names == ["step"]
    assert exporter.closed
    root.end()
    assert processor.dropped_spans == 1
    assert not processor.force_flush()


def test_shutdown_keeps_its_deadline_when_the_exporter_hangs(build_tracer, caplog):
    gate = threading.Event()
    processor = RunSpanProcessor(CollectingExporter(gate), schedule_delay_ms=NEVER_MS)
    tracer = build_tracer(processor)
    started(tracer, "stuck").end()
    began = time.monotonic()
    processor.shutdown(timeout_millis=100)
    assert time.monotonic() - began < 2
    assert "not sent" in caplog.text
    gate.set()


def test_what_shutdown_leaves_behind_is_counted_once(build_tracer):
    counted_before = reflect_otel.delivery_status().spans.dropped
    gate = threading.Event()
    exporter = CollectingExporter(gate)
    of_others = set(threading.enumerate())
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS)
    started(build_tracer(processor), "stuck").end()
    wait_until(lambda: exporter.called)
    (exporting,) = (one for one in set(threading.enumerate()) - of_others if one.name == "reflect-otel-export")
    processor.shutdown(timeout_millis=10)
    gate.set()
    exporting.join(20)
    assert reflect_otel.delivery_status().spans.dropped - counted_before == processor.dropped_spans == 1


def test_who_waits_for_a_flush_hears_of_it_although_another_thread_shuts_down(build_tracer):
    gate = threading.Event()
    exporter = CollectingExporter(gate)
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS)
    tracer = build_tracer(processor)
    started(tracer, "under way").end()
    wait_until(lambda: exporter.called)
    answers = []
    flushing = threading.Thread(target=lambda: answers.append(processor.force_flush(60_000)))
    flushing.start()
    wait_until(lambda: not processor._wakeups.empty())
    closing = threading.Thread(target=processor.shutdown)
    closing.start()
    wait_until(lambda: processor._stopped)
    gate.set()
    flushing.join(20)
    closing.join(20)
    assert (answers, exporter.names) == ([True], ["under way"])


def test_unsampled_spans_are_not_kept(exporter, build_tracer):
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS)
    started(build_tracer(processor, sampler=ALWAYS_OFF), "quiet").end()
    assert processor.force_flush(5_000)
    assert exporter.names == []


def test_threads_lose_nothing(exporter, build_tracer):
    processor = RunSpanProcessor(exporter, max_spans=10_000)
    tracer = build_tracer(processor)

    def work():
        for _ in range(200):
            with tracer.start_as_current_span("root"), tracer.start_as_current_span("step"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert processor.force_flush(10_000)
    assert sorted(exporter.names) == ["root"] * 1600 + ["step"] * 1600
    assert processor.dropped_spans == 0


def test_a_span_that_ends_while_another_is_being_taken_in_does_not_deadlock(exporter, build_tracer):
    """As a garbage collection does that finalises a streaming response in the middle of ``on_end``."""
    processor = RunSpanProcessor(exporter, schedule_delay_ms=NEVER_MS, max_export_batch_size=1)
    tracer = build_tracer(processor)
    late = started(tracer, "late")

    class EndsAnotherSpan(str):
        __slots__ = ()

        def __len__(self):
            late.end()
            return 0

    class Attributes(dict):
        def copy(self):
            return {"value": [EndsAnotherSpan()]}

    span = started(tracer, "root")
    readable = span._readable_span()
    readable._attributes = Attributes(a=1)
    done = threading.Thread(target=processor.on_end, args=(readable,), daemon=True)
    done.start()
    done.join(5)
    assert not done.is_alive()
    assert processor.force_flush(5_000)
    assert sorted(exporter.names) == ["late", "root"]


def test_a_processor_given_nonsense_bounds_names_the_argument():
    with pytest.raises(InvalidArgument) as refused:
        RunSpanProcessor(CollectingExporter(), max_spans=0)
    assert refused.value.field == "max_spans"


def test_bounds_come_from_the_environment_and_a_wrong_one_is_passed_over(monkeypatch, exporter, build_tracer, caplog):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")
    tracer = build_tracer(RunSpanProcessor(exporter))
    assert "OTEL_BSP_MAX_QUEUE_SIZE" in caplog.text
    root = started(tracer, "root")
    started(tracer, "step", root).end()
    assert exporter.wait_for(1) == ["step"]
    root.end()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_sends_its_own_spans_and_not_its_parents(build_tracer, tmp_path):
    class ToFile(CollectingExporter):
        def export(self, spans):
            with (tmp_path / str(os.getpid())).open("a") as file:
                file.writelines(f"{span.name}\n" for span in spans)
            return SpanExportResult.SUCCESS

    processor = RunSpanProcessor(ToFile(), schedule_delay_ms=NEVER_MS)
    tracer = build_tracer(processor)
    root = started(tracer, "parent root")
    started(tracer, "parent step", root).end()
    child = os.fork()
    if child == 0:
        started(tracer, "child root").end()
        os._exit(0 if processor.force_flush(5_000) else 1)
    assert os.waitpid(child, 0)[1] == 0
    root.end()
    assert processor.force_flush(5_000)
    assert (tmp_path / str(child)).read_text() == "child root\n"
    assert (tmp_path / str(os.getpid())).read_text() == "parent step\nparent root\n"


def test_a_buffer_whose_spans_are_all_on_their_way_drops_the_newcomer():
    buffer = SpanBuffer(max_spans=2, max_bytes=10**9, max_batch_spans=2)
    for trace_id in (1, 2):
        buffer.add(ReadableSpan("s"), trace_id, is_root=True)
    on_their_way = buffer.take(everything=False)
    for trace_id in (3, 4):
        buffer.add(ReadableSpan("s"), trace_id, is_root=False)
    assert (len(on_their_way.spans), buffer.held_spans, buffer.dropped_spans) == (2, 2, 2)
    buffer.release(on_their_way)
    assert (buffer.held_spans, buffer.held_bytes) == (0, 0)


def test_no_baggage_but_the_run_id_is_copied(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter))
    outside = baggage.set_baggage("customer.email", "a@example.org")
    with reflect_otel.run("run-7"):
        span = tracer.start_span("root", context=baggage.set_baggage("reflect.run.id", "run-7", outside))
    span.end()
    exporter.wait_for(1)
    assert dict(exporter.batches[0][0].attributes) == {"reflect.run.id": "run-7"}


def test_an_outsized_run_id_from_outside_is_not_copied(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter))
    tracer.start_span("root", context=baggage.set_baggage("reflect.run.id", "x" * 201)).end()
    exporter.wait_for(1)
    assert dict(exporter.batches[0][0].attributes) == {}


def test_the_limit_that_evicts_the_run_id_does_not_evict_the_root(exporter, build_tracer):
    tracer = build_tracer(RunSpanProcessor(exporter), span_limits=SpanLimits(max_span_attributes=4))
    with reflect_otel.run("run-7"):
        span = tracer.start_span("root")
        span.set_attributes({str(number): number for number in range(9)})
        assert reflect_otel.review("pass")
        span.end()
    exporter.wait_for(1)
    assert exporter.batches[0][0].attributes["reflect.review.result"] == "pass"
