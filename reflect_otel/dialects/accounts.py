"""The conversation as agents and wrappers tell it, for runs whose model calls tell none.

An agent's own account of its run comes first. Where there is none, the values that a framework handed around between
its steps are searched for messages by their shape, in the order in which the steps ended.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from reflect_otel.dialects.conversation import Transcript
from reflect_otel.dialects.decoding import decode
from reflect_otel.dialects.messages import read_messages
from reflect_otel.dialects.span_readers import ReadSpan
from reflect_otel.dialects.span_tree import SpanTree
from reflect_otel.dialects.threads import Entry, Key, message_key
from reflect_otel.model.reading import SpanReading, Work
from reflect_otel.model.trajectory import Message, Role

_MARKS: Final = ('"role"', '\\"role\\"', "role=<", "'role'")
_SPEAKERS: Final = frozenset({"system", "user", "assistant", "tool", "developer", "human", "ai", "model", "function"})
_SAID: Final = ("content", "contents", "parts", "blocks", "tool_calls", "content_blocks")
_MAX_NESTING: Final = 6
_SEARCHED: Final = 50
_WRAPPING: Final = frozenset({Work.AGENT_RUN, Work.WRAPPER})


def find_account(spans: Sequence[ReadSpan], tree: SpanTree) -> ReadSpan | None:
    """The outermost agent's, else the outermost other span's, own account of what was asked and answered."""
    told = [span for span in spans if span.reading.work is not Work.MODEL_CALL]
    told = [span for span in told if span.reading.inputs or span.reading.outputs]
    return min(told, key=lambda span: (span.reading.work is not Work.AGENT_RUN, tree.depth(span)), default=None)


def add_account(transcript: Transcript, account: SpanReading) -> list[Entry]:
    """Add an agent's account of its whole run; returns every answer to the last question in it."""
    retold = any(message.role is Role.USER for message in account.outputs)
    told = account.outputs if retold else account.inputs + account.outputs
    return _add_told(transcript, told)


def add_handed_around(transcript: Transcript, spans: Sequence[ReadSpan]) -> list[Entry]:
    """Add the conversation that wrappers' values hold by their shape; returns this run's answers in it."""
    so_far: list[Message] = []
    known: set[Key] = set()
    for told in _find_all_told(spans):
        keys = list(map(message_key, told))
        if any(message.role is Role.USER for message in told):
            _add_grown(transcript, so_far)
            so_far, known = list(told), set()
        else:
            so_far += [message for message, key in zip(told, keys, strict=True) if key not in known]
        known.update(keys)
        if transcript.is_empty:
            _add_told(transcript, tuple(so_far))
    _add_grown(transcript, so_far)
    return [entry for entry in transcript.entries() if entry.is_new and entry.message.role is Role.ASSISTANT]


def _add_grown(transcript: Transcript, so_far: Sequence[Message]) -> None:
    if so_far and not transcript.is_empty:
        transcript.add_exchange(so_far, ())


def _add_told(transcript: Transcript, told: tuple[Message, ...]) -> list[Entry]:
    questions = [index for index, message in enumerate(told) if message.role is Role.USER]
    asked = questions[-1] + 1 if questions else 0
    transcript.add_exchange(told[:asked], told[asked:])
    return [entry for entry in transcript.entries() if entry.is_new and entry.message.role is Role.ASSISTANT]


def _find_all_told(spans: Sequence[ReadSpan]) -> Iterator[tuple[Message, ...]]:
    for span in sorted(spans, key=lambda span: span.span.end_ns):
        if span.reading.work in _WRAPPING:
            yield from _find_told(span)


def _find_told(span: ReadSpan) -> Iterator[tuple[Message, ...]]:
    for value in span.span.attributes.values():
        if isinstance(value, str) and not any(mark in value for mark in _MARKS):
            continue
        found = _find_messages(decode(value), 0)
        if found is not None:
            yield read_messages(found, Role.ASSISTANT)


def _find_messages(value: Any, depth: int) -> Any:
    """The first list of messages, or single message, inside a value."""
    if depth > _MAX_NESTING:
        return None
    if isinstance(value, dict):
        role = value.get("role")
        if isinstance(role, str) and role in _SPEAKERS and any(value.get(key) is not None for key in _SAID):
            return value
        inner = (found for item in list(value.values())[:_SEARCHED] if (found := _find_messages(item, depth + 1)))
        return next(inner, None)
    if isinstance(value, (list, tuple)) and value:
        first = _find_messages(value[0], depth + 1)
        return None if first is None else value if first is value[0] else first
    return value if isinstance(value, str) and "role=<" in value[:200] else None
