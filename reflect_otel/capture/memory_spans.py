"""Spans of calls about memories: ``search_memory`` and ``create_memory`` of the GenAI conventions.

Names and scores only. What a memory says, and the task it was searched with, stand on a span only where
``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` asks for content on spans. Without an SDK nothing is built.

Source: OpenTelemetry GenAI conventions, span ``gen_ai.memory.client`` (status Development).
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from reflect_otel import attributes as keys
from reflect_otel.model.memory import Memory, RetrievalOptions
from reflect_otel.release import VERSION

SEARCH_MEMORY: Final = "search_memory"
CREATE_MEMORY: Final = "create_memory"
PROVIDER_NAME: Final = "reflect-otel"

_CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CONTENT_ON_SPANS: Final = frozenset({"true", "span_only", "span_and_event"})


def captures_content() -> bool:
    """Whether texts may stand on spans."""
    return os.environ.get(_CONTENT_VARIABLE, "").strip().lower() in _CONTENT_ON_SPANS


@contextmanager
def open_client_span(operation: str) -> Iterator[Span]:
    """The span of a call that an agent makes, under its current span.

    Where no recorded span is current there is none: a trace of its own would be nobody's, and what is served in it
    could not be credited to the run.
    """
    if not trace.get_current_span().is_recording():
        yield trace.INVALID_SPAN
        return
    span = trace.get_tracer(keys.CLIENT_SCOPE, VERSION).start_span(
        operation, kind=SpanKind.CLIENT, attributes=build_operation(operation)
    )
    with entered(span):
        yield span


@contextmanager
def entered(span: Span, is_failure: Callable[[BaseException], bool] = lambda _: True) -> Iterator[None]:
    """The block is the span; an exception that leaves it is the span's error.

    Where it is no ``is_failure``, as a server's answer to a wrong request, the span names it and keeps its status.
    """
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except BaseException as error:
            if is_failure(error):
                mark_failed(span, error)
            else:
                span.set_attribute(keys.ERROR_TYPE, type(error).__name__)
            raise


def mark_failed(span: Span, error: BaseException) -> None:
    """The operation did not succeed. The message stays out: it may quote a text."""
    span.set_attribute(keys.ERROR_TYPE, type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))


def build_operation(operation: str) -> dict[str, str]:
    """What a span of this operation has from its start."""
    return {keys.GEN_AI_OPERATION_NAME: operation, keys.GEN_AI_PROVIDER_NAME: PROVIDER_NAME}


def describe_search(span: Span, task: str, options: RetrievalOptions) -> None:
    """What was asked for."""
    if not span.is_recording():
        return
    span.set_attribute(keys.REFLECT_RETRIEVAL_LAMBDA, options.lambda_)
    if captures_content():
        span.set_attribute(keys.GEN_AI_MEMORY_QUERY_TEXT, task)


def describe_found(span: Span, memories: Sequence[Memory], *, served: bool) -> None:
    """What was found, best first.

    Args:
        span: of the search.
        memories: as they were handed out.
        served: to a run, which a review will credit them with; else their ids stay out.
    """
    if not span.is_recording():
        return
    span.set_attribute(keys.GEN_AI_MEMORY_RECORD_COUNT, len(memories))
    if served and memories:
        span.set_attribute(keys.REFLECT_MEMORY_IDS, [memory.id for memory in memories])
    if memories:
        span.set_attribute(keys.REFLECT_MEMORY_SIMILARITIES, [memory.similarity for memory in memories])
        span.set_attribute(keys.REFLECT_MEMORY_UTILITIES, [memory.utility for memory in memories])
        span.set_attribute(keys.REFLECT_MEMORY_SCORES, [memory.score for memory in memories])
    _describe_content(span, memories)


def describe_choice(span: Span, policy: str, embedder_id: str, *, control: bool = False) -> None:
    """What chose, and whether its choice was withheld; nothing where nothing was looked for."""
    if control:
        span.set_attribute(keys.REFLECT_MEMORY_CONTROL, value=True)
    if policy and span.is_recording():
        span.set_attribute(keys.REFLECT_RETRIEVAL_POLICY, policy)
        span.set_attribute(keys.REFLECT_RETRIEVAL_EMBEDDER, embedder_id)


def describe_created(span: Span, memory: Memory) -> None:
    """What was stored."""
    if not span.is_recording():
        return
    span.set_attribute(keys.GEN_AI_MEMORY_RECORD_COUNT, 1)
    span.set_attribute(keys.GEN_AI_MEMORY_RECORD_ID, memory.id)
    span.set_attribute(keys.REFLECT_MEMORY_KIND, memory.kind.value)
    _describe_content(span, (memory,))


def _describe_content(span: Span, memories: Sequence[Memory]) -> None:
    if memories and captures_content():
        records = [{"id": memory.id, "content": memory.reflection, "score": memory.score} for memory in memories]
        span.set_attribute(keys.GEN_AI_MEMORY_RECORDS, json.dumps(records))
