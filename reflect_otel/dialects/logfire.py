"""Logfire's OpenAI, Anthropic and OpenAI Agents instrumentation.

Clients write ``request_data`` and ``response_data`` as JSON. Agents' tools have ``input`` and ``output`` beside
``mcp_data``; their model calls hold message events under ``events``, which are read there.

A stream is told in two: the call's own span, and afterwards a log span with the text that came.

Source: pydantic/logfire, ``logfire/_internal/integrations/llm_providers``.
"""

from reflect_otel.dialects.decoding import decode
from reflect_otel.dialects.recorded_calls import Layout, RecordedCallReader
from reflect_otel.model.reading import Work
from reflect_otel.model.spans import SpanRecord


class LogfireReader(RecordedCallReader):
    """Reads Logfire's model calls."""

    name = "logfire"
    layout = Layout(
        claimed=frozenset({"request_data", "response_data", "mcp_data", "group_id"}),
        inputs=("request_data", "input"),
        outputs=("response_data", "output"),
        conversations=("group_id",),
        tool_names=("name",),
        models=("gen_ai.request.model",),
        usage_keys=("gen_ai.usage.raw",),
    )

    def read_work(self, span: SpanRecord) -> Work:
        """A model call when the request holds a conversation; the log span of a stream speaks for its agent."""
        if "mcp_data" in span.attributes:
            return Work.TOOL_RUN
        request = decode(span.attributes.get("request_data"))
        if not isinstance(request, dict) or not {"messages", "input", "prompt", "contents"} & request.keys():
            return Work.OTHER
        if "embedding" in str(request.get("model")):
            return Work.EMBEDDING
        is_echo = span.attributes.get("logfire.span_type") == "log"
        return Work.AGENT_RUN if is_echo else Work.MODEL_CALL

    def read_agent(self, _span: SpanRecord, _work: Work) -> None:
        """Logfire's client spans name no agent."""
