"""LangSmith's OpenTelemetry export: ``langsmith.*`` beside ``gen_ai.prompt`` and ``gen_ai.completion`` as JSON.

Model names and tokens follow the GenAI conventions and are read there.

Source: langchain-ai/langsmith-sdk, ``python/langsmith/_internal/otel/_otel_exporter.py``.
"""

from reflect_otel.dialects.recorded_calls import OBSERVATION_KINDS, Layout, RecordedCallReader
from reflect_otel.model.reading import Work
from reflect_otel.model.spans import SpanRecord


class LangSmithReader(RecordedCallReader):
    """Reads LangSmith runs."""

    name = "langsmith"
    layout = Layout(
        claimed=frozenset({"langsmith.span.kind", "langsmith.trace.name"}),
        inputs=("gen_ai.prompt",),
        outputs=("gen_ai.completion",),
        kind_keys=("langsmith.span.kind",),
        kinds=OBSERVATION_KINDS,
        models=("langsmith.metadata.ls_model_name",),
        usage_keys=("langsmith.metadata.usage_metadata",),
        conversations=(
            "langsmith.metadata.session_id",
            "langsmith.metadata.conversation_id",
            "langsmith.metadata.thread_id",
        ),
        agents=("langsmith.metadata.lc_agent_name",),
        tool_names=("gen_ai.tool.name",),
        tool_call_ids=("langsmith.metadata.tool_call_id",),
    )

    def read_work(self, span: SpanRecord) -> Work:
        """The run's kind; a chain that nothing stands above is the agent."""
        work = super().read_work(span)
        return Work.AGENT_RUN if work is Work.WRAPPER and span.parent_span_id is None else work
