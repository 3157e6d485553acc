"""The Anthropic SDK's own spans: the GenAI conventions plus what only the client itself knows.

The SDK emits them whenever opentelemetry-api is installed, beside any instrumentation, so most calls are seen twice.

Source: anthropic-sdk-python 2.x, scope ``com.anthropic.sdk.python``.
"""

from collections.abc import Sequence
from typing import Final

from reflect_otel.dialects.decoding import find_number
from reflect_otel.dialects.messages import read_finish_reason
from reflect_otel.model.reading import SpanReading, Work
from reflect_otel.model.spans import LogRecord, SpanRecord

SCOPE_PREFIX: Final = "com.anthropic.sdk"


class AnthropicSDKReader:
    """Reads the retries and the stop reason; the conventions' reader reads the rest of the span."""

    name = "anthropic-sdk"
    rank = 30
    is_last_resort = False

    def claims(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> bool:
        """True for spans of the SDK's own scope."""
        return span.scope_name.startswith(SCOPE_PREFIX)

    def read(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        attributes = span.attributes
        return SpanReading(
            work=Work.MODEL_CALL,
            finish_reason=read_finish_reason(attributes.get("anthropic.message.stop_reason")),
            failed_attempts=find_number(attributes, "http.request.resend_count") or 0,
            from_client=True,
        )
