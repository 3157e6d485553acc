"""The answer to Augment, or what stands in for it, with the span of the search told about it."""

from opentelemetry.trace import Span

from reflect_otel import attributes as keys
from reflect_otel.capture import memory_spans
from reflect_otel.client import codec
from reflect_otel.errors import ReflectError
from reflect_otel.model.memory import AugmentedTask
from reflect_otel.wire.v1 import reflect_pb2 as wire


def read_served(span: Span, answer: wire.AugmentResponse) -> AugmentedTask:
    """The task with what was served."""
    augmented = codec.read_augmented(answer)
    memory_spans.describe_found(span, augmented.memories, served=True)
    memory_spans.describe_choice(span, augmented.policy, augmented.embedder_id, control=augmented.control)
    return augmented


def read_degraded(span: Span, task: str, error: ReflectError) -> AugmentedTask:
    """The task as it is: the service did not answer in time, and the agent goes on."""
    memory_spans.mark_failed(span, error)
    span.set_attribute(keys.REFLECT_DEGRADED, True)
    return AugmentedTask(augmented_task=task, degraded=True)
