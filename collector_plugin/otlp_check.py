"""What an OTLP trace request is checked for before it is acknowledged: identities, and words nobody will understand.

What is wrong is taken out and told to the sender (partial success); the rest is kept.
"""

from collections.abc import Iterator
from itertools import islice
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
    removed = 0
    problems: list[str] = []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            faults = [find_span_fault(span) for span in scope_spans.spans]
            if not any(faults):
                continue
            bad = ((span, fault) for span, fault in zip(scope_spans.spans, faults, strict=True) if fault)
            reported = islice(bad, _MAX_REPORTED - len(problems))
            problems += [f"span {span.name[:80]!r} rejected: {fault}" for span, fault in reported]
            kept = [span for span, fault in zip(scope_spans.spans, faults, strict=True) if not fault]
            removed += len(faults) - len(kept)
            del scope_spans.spans[:]
            scope_spans.spans.extend(kept)
    return removed, problems


def review_warnings(request: ExportTraceServiceRequest, body: bytes) -> list[str]:
    """Sentences about review attributes whose value is neither pass nor fail; their spans are kept.

    Args:
        request: the parsed request.
        body: its bytes, searched first: most requests carry no review.
    """
    if _REVIEW_KEY_BYTES not in body:
        return []
    warnings = (warning for span in _spans(request) for warning in _span_warnings(span))
    return list(islice(warnings, _MAX_REPORTED))


def _span_warnings(span: Span) -> Iterator[str]:
    for attribute in span.attributes:
        if attribute.key == keys.REFLECT_REVIEW_RESULT:
            try:
                ReviewResult.parse(attribute.value.string_value, field=keys.REFLECT_REVIEW_RESULT)
            except InvalidArgument as error:
                yield f"review on span {span.name[:80]!r} ignored: {error}"


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    return (span for group in request.resource_spans for scoped in group.scope_spans for span in scoped.spans)
