"""What is taken out of a trace request before it is acknowledged, and how little room that takes."""

import tracemalloc

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collector_plugin.otlp_check import remove_bad_spans, review_warnings
from reflect_otel.attributes import REFLECT_REVIEW_RESULT


def test_bad_spans_are_taken_out_from_between_good_ones_which_stay_in_order() -> None:
    request = ExportTraceServiceRequest()
    for _ in range(2):
        spans = request.resource_spans.add().scope_spans.add().spans
        for number in range(7):
            good = number % 2 == 0
            spans.add(name=f"s{number}", trace_id=b"t" * 16 if good else b"", span_id=b"s" * 8)
    removed, problems = remove_bad_spans(request)
    kept = [[span.name for span in group.scope_spans[0].spans] for group in request.resource_spans]
    assert kept == [["s0", "s2", "s4", "s6"]] * 2
    assert removed == 6
    assert [problem.split(" rejected: ")[0] for problem in problems] == [f"span 's{n}'" for n in (1, 3, 5, 1, 3)]


def test_a_flood_of_bad_spans_is_counted_and_only_the_first_few_are_described() -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for _ in range(50_000):
        spans.add(name="n" * 80)
    tracemalloc.start()
    removed, problems = remove_bad_spans(request)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (removed, len(problems), len(spans)) == (50_000, 5, 0)
    assert peak_bytes < 10 * 1024**2  # a sentence for each took twice as much


def test_only_the_first_few_reviews_that_say_nothing_are_told() -> None:
    request = ExportTraceServiceRequest()
    bad = KeyValue(key=REFLECT_REVIEW_RESULT, value=AnyValue(string_value="perhaps"))
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(9):
        spans.add(name=f"s{number}", attributes=[bad])
    warnings = review_warnings(request, request.SerializeToString())
    assert [warning.split(" ignored: ")[0] for warning in warnings] == [f"review on span 's{n}'" for n in range(5)]
