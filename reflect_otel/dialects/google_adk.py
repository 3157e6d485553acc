"""Google's Agent Development Kit: ``gcp.vertex.agent.*`` beside the GenAI conventions.

Source: google/adk-python, ``src/google/adk/telemetry``.
"""

from reflect_otel.dialects.recorded_calls import Layout, RecordedCallReader, find_value
from reflect_otel.model.reading import Work
from reflect_otel.model.spans import SpanRecord


class GoogleADKReader(RecordedCallReader):
    """Reads ADK's model requests and tool calls."""

    name = "google-adk"
    layout = Layout(
        claimed=frozenset(
            {
                "gcp.vertex.agent.llm_request",
                "gcp.vertex.agent.tool_call_args",
                "gcp.vertex.agent.session_id",
                "gcp.vertex.agent.invocation_id",
                "gcp.vertex.agent.event_id",
            }
        ),
        inputs=("gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args"),
        outputs=("gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_response"),
        models=("gen_ai.request.model",),
        conversations=("gcp.vertex.agent.session_id",),
        agents=("gen_ai.agent.name",),
        tool_names=("gen_ai.tool.name",),
        tool_call_ids=("gen_ai.tool.call.id",),
    )

    def read_work(self, span: SpanRecord) -> Work:
        """Told by which of the recorded values the span has; ADK writes ``{}`` where there is none."""
        if find_value(span.attributes, ("gen_ai.tool.name",)) == "(merged tools)":
            return Work.WRAPPER  # ADK's summary of tools that ran side by side, each of which has its own span.
        for key, work in (
            ("gcp.vertex.agent.llm_request", Work.MODEL_CALL),
            ("gcp.vertex.agent.tool_call_args", Work.TOOL_RUN),
        ):
            if find_value(span.attributes, (key,)) not in (None, "", "{}"):
                return work
        return Work.OTHER
