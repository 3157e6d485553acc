"""What an OTLP trace request is checked for before it is acknowledged: identities, and words nobody will understand.

What is wrong is taken out and told to the sender (partial success); the rest is kept.
"""

from collections.abc import Iterator
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector_plugin.otlp.protobuf import find_span_fault
from reflect_otel import attributes as keys
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.review import ReviewResult

_MAX_REPORTED: Final = 5
_REVIEW_KEY_BYTES: Final = keys.REFLECT_REVIEW_RESULT.encode()


def remove_bad_spans(request: ExportTraceServiceRequest) -> tuple[int, list[str]]:
    """Take out spans that cannot be kept.

    Args:
        request: changed in place.

    Returns:
        How many spans were removed, and a sentence for each of the first few.
    """
    removed, problems = 0, []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = scope_spans.spans
            faults = [(index, fault) for index, span in enumerate(spans) if (fault := find_span_fault(span))]
            problems += [f"span {spans[index].name[:80]!r} rejected: {fault}" for index, fault in faults]
            for index, _ in reversed(faults):
                del spans[index]
            removed += len(faults)
    return removed, problems[:_MAX_REPORTED]


def review_warnings(request: ExportTraceServiceRequest, body: bytes) -> list[str]:
    """Sentences about review attributes whose value is neither pass nor fail; their spans are kept.

    Args:
        request: the parsed request.
        body: its bytes, searched first: most requests carry no review.
    """
    if _REVIEW_KEY_BYTES not in body:
        return []
    return [warning for span in _spans(request) for warning in _span_warnings(span)][:_MAX_REPORTED]


def _span_warnings(span: Span) -> Iterator[str]:
    for attribute in span.attributes:
        if attribute.key == keys.REFLECT_REVIEW_RESULT:
            try:
                ReviewResult.parse(attribute.value.string_value, field=keys.REFLECT_REVIEW_RESULT)
            except InvalidArgument as error:
                yield f"review on span {span.name[:80]!r} ignored: {error}"


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    return (span for group in request.resource_spans for scoped in group.scope_spans for span in scoped.spans)
