"""Haystack's own tracing: ``haystack.component.*`` with every component's input and output, ``haystack.agent.*``.

Source: deepset-ai/haystack, ``haystack/core/pipeline`` and ``haystack/components/agents``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from reflect_otel.dialects.decoding import decode, find_text
from reflect_otel.dialects.parts import find_mapping
from reflect_otel.dialects.recorded_calls import Layout, RecordedCallReader
from reflect_otel.dialects.token_counts import read_provider_usage
from reflect_otel.model.reading import SpanReading, TokenUsage, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord

COMPONENT: Final = "haystack.component.type"
_REPLIES: Final = "haystack.component.output"


class HaystackReader(RecordedCallReader):
    """Reads Haystack's components and agents."""

    name = "haystack"
    layout = Layout(
        claimed=frozenset(
            {COMPONENT, "haystack.agent.max_steps", "haystack.agent.input", "haystack.pipeline.input_data"}
        ),
        inputs=("haystack.component.input", "haystack.agent.input"),
        outputs=(_REPLIES, "haystack.agent.output"),
    )

    def read(self, span: SpanRecord, logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span; what the model's provider said is beside each reply."""
        reading = super().read(span, logs)
        told = _find_meta(span.attributes)
        model = told.get("model")
        return replace(reading, response_model=model if isinstance(model, str) else reading.response_model)

    def read_work(self, span: SpanRecord) -> Work:
        """Told by the component's class."""
        component = find_text(span.attributes, COMPONENT) or ""
        if component.endswith("Generator"):
            return Work.MODEL_CALL
        if "Embedder" in component:
            return Work.EMBEDDING
        if component.endswith("Retriever"):
            return Work.RETRIEVAL
        is_agent = component == "Agent" or (not component and "haystack.agent.max_steps" in span.attributes)
        return Work.AGENT_RUN if is_agent else Work.WRAPPER

    def read_agent(self, span: SpanRecord, work: Work) -> str | None:
        """An agent is called what its component is called."""
        return find_text(span.attributes, "haystack.component.name") if work is Work.AGENT_RUN else None

    def read_usage(self, attributes: Attributes) -> TokenUsage | None:
        """The provider's counts beside the first reply."""
        usage = read_provider_usage(_find_meta(attributes))
        return usage if usage != TokenUsage() else None


def _find_meta(attributes: Attributes) -> Mapping[str, Any]:
    left = decode(attributes.get(_REPLIES)) if COMPONENT in attributes else None
    replies = left.get("replies") if isinstance(left, Mapping) else None
    first = replies[0] if isinstance(replies, list) and replies else None
    meta = left.get("meta") if isinstance(left, Mapping) else None
    if isinstance(first, Mapping):
        return find_mapping(first, "meta") or find_mapping(first, "_meta")
    return meta[0] if isinstance(meta, list) and meta and isinstance(meta[0], Mapping) else {}
