"""Hand-made spans and log records for the dialect tests."""

from typing import Any

from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.model.spans import LogRecord, Run, SpanEvent, SpanRecord
from reflect_otel.model.trajectory import Trajectory

TRACE_ID = bytes(range(1, 17))


def span(number: int, attributes: dict[str, Any], *, parent: int | None = None, **facts: Any) -> SpanRecord:
    """Span ``number`` of one trace; it runs from ``number`` to ``number + 1`` seconds unless told otherwise."""
    return SpanRecord(
        **{
            "trace_id": TRACE_ID,
            "span_id": number.to_bytes(8, "big"),
            "parent_span_id": parent.to_bytes(8, "big") if parent is not None else None,
            "name": "work",
            "start_ns": number * 1_000_000_000,
            "end_ns": (number + 1) * 1_000_000_000,
            "attributes": attributes,
            **facts,
        }
    )


def chat(number: int, **facts: Any) -> SpanRecord:
    """A model call after the GenAI conventions; ``inputs`` and ``outputs`` are its messages."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.input.messages": facts.pop("inputs", None),
        "gen_ai.output.messages": facts.pop("outputs", None),
        **facts.pop("attributes", {}),
    }
    return span(number, {key: value for key, value in attributes.items() if value is not None}, **facts)


def log(number: int, event_name: str, body: Any, **facts: Any) -> LogRecord:
    """A log record written in span ``number``."""
    return LogRecord(trace_id=TRACE_ID, span_id=number.to_bytes(8, "big"), event_name=event_name, body=body, **facts)


def event(name: str, **attributes: Any) -> SpanEvent:
    """A span event; underscores in attribute names stand for dots."""
    return SpanEvent(name=name, attributes={key.replace("__", "."): value for key, value in attributes.items()})


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "content": text}]}


def assistant(text: str | None = None, *calls: dict[str, Any]) -> dict[str, Any]:
    texts = [{"type": "text", "content": text}] if text else []
    return {"role": "assistant", "parts": [*texts, *calls]}


def call(identifier: str | None, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": identifier, "name": name, "arguments": arguments}


def result(identifier: str | None, response: Any) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": identifier, "response": response}]}


def read(*spans: SpanRecord, logs: tuple[LogRecord, ...] = ()) -> Trajectory:
    return read_trajectory(Run(run_id="run", spans=spans, logs=logs))


def said(trajectory: Trajectory) -> list[tuple[str, str | None]]:
    """Role and text of each message."""
    return [(message.role.value, message.content) for message in trajectory.messages]
