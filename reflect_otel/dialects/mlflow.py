"""MLflow Tracing over OTLP: ``mlflow.spanType``, ``mlflow.spanInputs`` and ``mlflow.spanOutputs``, all JSON text.

Source: mlflow/mlflow, ``mlflow/tracing/constant.py`` and ``mlflow/entities/span.py``.
"""

from collections.abc import Sequence
from dataclasses import replace

from reflect_otel.dialects.decoding import decode, find_number
from reflect_otel.dialects.recorded_calls import OBSERVATION_KINDS, Layout, RecordedCallReader
from reflect_otel.dialects.tool_values import unquote
from reflect_otel.model.reading import SpanReading, TokenUsage
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord


class MLflowReader(RecordedCallReader):
    """Reads MLflow spans."""

    name = "mlflow"
    layout = Layout(
        claimed=frozenset({"mlflow.spanType", "mlflow.traceRequestId"}),
        inputs=("mlflow.spanInputs",),
        outputs=("mlflow.spanOutputs",),
        kind_keys=("mlflow.spanType",),
        kinds=OBSERVATION_KINDS,
    )

    def read(self, span: SpanRecord, logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        reading = super().read(span, logs)
        answered = _find_word(span.attributes, "mlflow.llm.model")
        return replace(
            reading,
            conversation_id=_find_word(span.attributes, "mlflow.trace.session"),
            response_model=reading.response_model or answered,
        )

    def read_usage(self, attributes: Attributes) -> TokenUsage | None:
        """MLflow's own counts; cached tokens are within the input as far as the provider's were."""
        counts = decode(attributes.get("mlflow.chat.tokenUsage"))
        if not isinstance(counts, dict):
            return None
        return TokenUsage(
            input_tokens=find_number(counts, "input_tokens"),
            output_tokens=find_number(counts, "output_tokens"),
            cached_input_tokens=find_number(counts, "cache_read_input_tokens"),
        )


def _find_word(attributes: Attributes, name: str) -> str | None:
    word = unquote(attributes.get(name))
    return word if isinstance(word, str) and word else None
