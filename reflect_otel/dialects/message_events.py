"""One event per message: ``gen_ai.{system,user,assistant,tool}.message`` and ``gen_ai.choice``, as log or span event.

The form of the OpenTelemetry GenAI conventions 1.30 to 1.36, still the default of openai-v2 and of OpenLLMetry in
events mode; Azure AI, Strands and Semantic Kernel put the same events on the span; Logfire and pydantic-ai 1
write them as JSON under ``events``. Also the older
``gen_ai.content.prompt`` and ``gen_ai.content.completion`` span events.

Source: open-telemetry/semantic-conventions v1.36.0, ``docs/gen-ai/gen-ai-events.md``; v1.27.0 for the content events.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reflect_otel.dialects.decoding import decode
from reflect_otel.dialects.messages import join_turns, read_finish_reason, read_messages
from reflect_otel.model.reading import SpanReading
from reflect_otel.model.spans import LogRecord, SpanRecord
from reflect_otel.model.trajectory import Message, Role

_INPUT_EVENTS: Final = {
    "gen_ai.system.message": Role.SYSTEM,
    "gen_ai.user.message": Role.USER,
    "gen_ai.assistant.message": Role.ASSISTANT,
    "gen_ai.tool.message": Role.TOOL,
    "gen_ai.content.prompt": Role.USER,
}
_OUTPUT_EVENTS: Final = frozenset({"gen_ai.choice", "gen_ai.content.completion"})
_EVENTS: Final = _INPUT_EVENTS.keys() | _OUTPUT_EVENTS
_EVENTS_KEY: Final = "events"
_BODY_KEYS: Final = ("gen_ai.event.content", "event_body", "gen_ai.prompt", "gen_ai.completion")


class MessageEventsReader:
    """Reads the message events that belong to a span."""

    name = "otel-genai-events"
    rank = 60
    is_last_resort = False

    def claims(self, span: SpanRecord, logs: Sequence[LogRecord]) -> bool:
        """True when a log record or an event of the span carries a message."""
        if logs and any(log.event_name in _EVENTS for log in logs):
            return True
        if span.events and any(event.name in _EVENTS for event in span.events):
            return True
        return _EVENTS_KEY in span.attributes and '"event.name"' in str(span.attributes[_EVENTS_KEY])

    def read(self, span: SpanRecord, logs: Sequence[LogRecord]) -> SpanReading:
        """The span's messages, in the order of their events."""
        problems: list[str] = []
        events = list(_events(span, logs, problems))
        inputs: list[Message] = []
        outputs: list[Message] = []
        finish_reason = None
        for name, body in events:
            if name in _OUTPUT_EVENTS:
                outputs += read_messages(body, Role.ASSISTANT, problems)
                finish_reason = finish_reason or _finish_reason(body)
            else:
                inputs += read_messages(body, _INPUT_EVENTS[name], problems)
        joined = join_turns((), inputs)
        if not outputs and _EVENTS_KEY in span.attributes and joined and joined[-1].role is Role.ASSISTANT:
            # Logfire's list tells the answer as one more message.
            joined, outputs = joined[:-1], [joined[-1]]
        return SpanReading(
            inputs=joined,
            outputs=tuple(outputs),
            finish_reason=finish_reason,
            problems=tuple(problems),
        )


def _events(span: SpanRecord, logs: Sequence[LogRecord], problems: list[str]) -> Iterator[tuple[str, Any]]:
    for log in logs:
        if log.event_name in _EVENTS:
            yield log.event_name, _body(log.body if log.body is not None else log.attributes)
    for event in span.events:
        if event.name in _EVENTS:
            yield event.name, _body(event.attributes)
    told = decode(span.attributes.get(_EVENTS_KEY), problems)
    for entry in told if isinstance(told, list) else ():
        if isinstance(entry, Mapping) and str(entry.get("event.name")) in _EVENTS:
            yield entry["event.name"], _body(entry)


def _body(value: Any) -> Any:
    """The message in the event: its body, or the attribute that holds it as JSON, or the attributes themselves."""
    body = decode(value)
    if not isinstance(body, dict):
        return body
    for key in _BODY_KEYS:
        if key in body:
            return decode(body[key])
    return {key: _decode_field(key, item) for key, item in body.items()}


def _decode_field(key: str, value: Any) -> Any:
    return decode(value) if key in ("content", "message", "tool_calls", "parts", "toolResult") else value


def _finish_reason(body: Any) -> str | None:
    return read_finish_reason(body.get("finish_reason")) if isinstance(body, dict) else None
