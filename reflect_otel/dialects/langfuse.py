"""Langfuse's SDK from version 3 on: ``langfuse.observation.*`` with input and output, whatever the model's client is.

Source: langfuse/langfuse-python, ``langfuse/_client/attributes.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import decode, find_number, find_text, read_number
from reflect_otel.dialects.recorded_calls import OBSERVATION_KINDS, Layout, RecordedCallReader
from reflect_otel.dialects.token_counts import read_token_counts
from reflect_otel.dialects.tool_values import unquote
from reflect_otel.model.reading import SpanReading, TokenUsage, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord

_METADATA: Final = ("langfuse.observation.metadata.", "langfuse.trace.metadata.")
_CACHED: Final = ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens")


class LangfuseReader(RecordedCallReader):
    """Reads Langfuse observations."""

    name = "langfuse"
    layout = Layout(
        claimed=frozenset({"langfuse.observation.type", "langfuse.observation.input", "langfuse.observation.output"}),
        inputs=("langfuse.observation.input",),
        outputs=("langfuse.observation.output",),
        kind_keys=("langfuse.observation.type",),
        kinds=OBSERVATION_KINDS,
        usage_keys=("langfuse.observation.usage_details",),
        conversations=(keys.SESSION_ID, "langfuse.session.id"),
    )

    def read(self, span: SpanRecord, logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span; LangChain's own facts are in the metadata."""
        attributes = span.attributes
        reading = super().read(span, logs)
        return replace(
            reading,
            conversation_id=reading.conversation_id or _find_metadata(attributes, "thread_id"),
            request_model=_find_metadata(attributes, "ls_model_name") or reading.request_model,
            response_model=find_text(attributes, "langfuse.observation.model.name") or reading.response_model,
            cost_usd=_read_cost(attributes),
        )

    def read_agent(self, span: SpanRecord, work: Work) -> str | None:
        """LangChain's agent name, else the name of an agent's span."""
        return _find_metadata(span.attributes, "lc_agent_name") or super().read_agent(span, work)

    def read_usage(self, attributes: Attributes) -> TokenUsage | None:
        """The provider's own counts as they were, or Langfuse's normalised ones."""
        details = decode(attributes.get("langfuse.observation.usage_details"))
        if not isinstance(details, Mapping):
            return None
        return _read_normalised(details) if "input" in details or "output" in details else read_token_counts(details)


def _find_metadata(attributes: Attributes, name: str) -> str | None:
    """A metadata value, which the SDK writes as JSON text."""
    value = next((value for prefix in _METADATA if (value := attributes.get(prefix + name)) is not None), None)
    text = unquote(value)
    return text if isinstance(text, str) and text else None


def _read_normalised(details: Mapping[str, Any]) -> TokenUsage:
    """Langfuse's own counts: cached and reasoning tokens beside the rest, unless ``total`` says they are within."""
    entered, left = find_number(details, "input"), find_number(details, "output")
    total = find_number(details, "total")
    if total is None or total != (entered or 0) + (left or 0):
        entered, left = _add_up(details, "input"), _add_up(details, "output")
    return TokenUsage(
        input_tokens=entered,
        output_tokens=left,
        cached_input_tokens=find_number(
            details, "input_cache_read", "input_cached_tokens", "cache_read_input_tokens"
        ),
        reasoning_output_tokens=find_number(details, "output_reasoning", "output_reasoning_tokens"),
    )


def _add_up(details: Mapping[str, Any], side: str) -> int | None:
    counts = [read_number(value) for key, value in details.items() if key == side or key.startswith(side + "_")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _read_cost(attributes: Attributes) -> float | None:
    costs = decode(attributes.get("langfuse.observation.cost_details"))
    total = costs.get("total") if isinstance(costs, Mapping) else None
    return float(total) if isinstance(total, (int, float)) and not isinstance(total, bool) and total >= 0 else None
