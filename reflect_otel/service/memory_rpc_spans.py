"""The service's spans of calls about memories, under the caller's span.

They stand at the network's edge: within one process the client's own span tells the same.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from reflect_otel import attributes as keys
from reflect_otel.capture import memory_spans
from reflect_otel.client import codec
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.memory import RetrievalOptions
from reflect_otel.release import VERSION
from reflect_otel.service.call import Call
from reflect_otel.service.codec import read_options

Describe: TypeAlias = Callable[[Any], Any]
"""Takes the response, tells the span about it, and gives it back."""

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_OPERATIONS: Final[Mapping[str, str]] = {
    "Augment": memory_spans.SEARCH_MEMORY,
    "QueryMemories": memory_spans.SEARCH_MEMORY,
    "CreateMemory": memory_spans.CREATE_MEMORY,
}


@contextmanager
def open_memory_span(rpc: str, call: Call, request: Any, read_traceparent: Callable[[], str]) -> Iterator[Describe]:
    """The span of this RPC while it is answered; other RPCs have none.

    Args:
        rpc: its name in the descriptor.
        call: names the project.
        request: as parsed.
        read_traceparent: the caller's span, W3C; empty without one.
    """
    operation = _OPERATIONS.get(rpc)
    if operation is None or not _is_exported():
        yield lambda response: response
        return
    span = trace.get_tracer(keys.SERVICE_SCOPE, VERSION).start_span(
        operation,
        context=_PROPAGATOR.extract({"traceparent": read_traceparent()}),
        kind=SpanKind.SERVER,
        attributes={**memory_spans.build_operation(operation), keys.GEN_AI_MEMORY_STORE_ID: call.project_id},
    )
    with memory_spans.entered(span, lambda error: not isinstance(error, InvalidArgument)):
        yield lambda response: _describe(span, rpc, request, response)


def _is_exported() -> bool:
    """Whether an SDK is at work: asked first, so that a service without one does nothing at all."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def _describe(span: Span, rpc: str, request: Any, response: Any) -> Any:
    if not span.is_recording():
        return response
    if rpc == "CreateMemory":
        memory_spans.describe_created(span, codec.read_memory(response.memory))
        return response
    options: RetrievalOptions = read_options(request.options)
    memory_spans.describe_search(span, request.task, options)
    memories = [codec.read_memory(memory) for memory in response.memories]
    memory_spans.describe_found(span, memories, served=rpc == "Augment")
    if rpc == "Augment":
        memory_spans.describe_choice(span, response.policy, response.embedder_id, control=response.control)
    return response
