"""pydantic-ai: what it writes beside the GenAI conventions, in every version of its own format (1 to 6).

Source: pydantic/pydantic-ai, ``models/instrumented.py`` and ``_agent_graph.py``.
"""

from collections.abc import Sequence
from typing import Final

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import find_text
from reflect_otel.dialects.histories import read_history
from reflect_otel.dialects.messages import read_instructions
from reflect_otel.dialects.tool_values import read_tool_values
from reflect_otel.model.reading import SpanReading, Work
from reflect_otel.model.spans import LogRecord, SpanRecord
from reflect_otel.model.trajectory import Role

_MESSAGE_KEYS: Final = ("pydantic_ai.all_messages", "all_messages_events")
_CLAIMED: Final = frozenset(
    {*_MESSAGE_KEYS, "agent_name", "tool_arguments", "final_result", "model_request_parameters"}
)


class PydanticAIReader:
    """Reads pydantic-ai's own attributes; the conventions' reader reads the rest of the span."""

    name = "pydantic-ai"
    rank = 30
    is_last_resort = False

    def claims(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> bool:
        """True when the span carries one of pydantic-ai's own attributes."""
        return not _CLAIMED.isdisjoint(span.attributes)

    def read(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        attributes = span.attributes
        problems: list[str] = []
        is_tool = "tool_arguments" in attributes
        is_agent = not is_tool and "agent_name" in attributes
        messages = next((value for key in _MESSAGE_KEYS if (value := attributes.get(key)) is not None), None)
        history = read_history(messages, Role.USER, problems)
        instructions = read_instructions(attributes.get(keys.GEN_AI_SYSTEM_INSTRUCTIONS)) if history else ()
        return SpanReading(
            work=Work.TOOL_RUN if is_tool else Work.AGENT_RUN if is_agent else Work.OTHER,
            inputs=instructions + history,
            agent=find_text(attributes, "agent_name"),
            request_model=find_text(attributes, "model_name") if is_agent else None,
            tool=read_tool_values(
                find_text(attributes, keys.GEN_AI_TOOL_NAME) or "",
                find_text(attributes, keys.GEN_AI_TOOL_CALL_ID),
                attributes.get("tool_arguments"),
                attributes.get("tool_response"),
            )
            if is_tool
            else None,
            final_response=find_text(attributes, "final_result"),
            cost_usd=_read_cost(attributes.get("operation.cost")),
            problems=tuple(problems),
        )


def _read_cost(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 else None
