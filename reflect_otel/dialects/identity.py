"""Who ran, for which session, on which model, on what task, with what final answer."""

from collections import Counter
from collections.abc import Iterable, Sequence

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import find_text
from reflect_otel.dialects.model_calls import ModelCall
from reflect_otel.dialects.span_readers import ReadSpan
from reflect_otel.dialects.span_tree import SpanTree
from reflect_otel.dialects.threads import Entry
from reflect_otel.model.reading import Work
from reflect_otel.model.trajectory import Role

_SESSION_KEYS = (keys.SESSION_ID, "langfuse.session.id", "conversation.id", "thread.id", "thread_id", "session_id")


def find_root(spans: Sequence[ReadSpan], tree: SpanTree) -> ReadSpan | None:
    """The outermost span that is part of the agent's work, the earliest of several; else the outermost of all."""
    work = [span for span in spans if span.dialects] or spans
    return min(work, key=lambda span: (tree.depth(span), span.span.start_ns), default=None)


def find_agent(spans: Sequence[ReadSpan], tree: SpanTree) -> str | None:
    """Name of the outermost agent: by an agent span's own name attribute, else any span's, else the span name."""
    agents = sorted((span for span in spans if span.reading.work is Work.AGENT_RUN), key=tree.depth)
    named = next((span.reading.agent for span in agents if span.reading.agent), None)
    if named is None:
        named = next((span.reading.agent for span in sorted(spans, key=tree.depth) if span.reading.agent), None)
    if named is None and agents:
        named = agents[0].span.name.removeprefix("invoke_agent").strip() or None
    return named


def find_session(spans: Sequence[ReadSpan]) -> str | None:
    """The conversation: ``gen_ai.conversation.id``, else the dialect's own, else ``session.id`` and its like."""
    for find in (
        lambda span: find_text(span.span.attributes, keys.GEN_AI_CONVERSATION_ID),
        lambda span: span.reading.conversation_id,
        lambda span: find_text(span.span.attributes, *_SESSION_KEYS),
    ):
        found = next((session for span in spans if (session := find(span))), None)
        if found is not None:
            return found
    return None


def find_model(calls: Sequence[ModelCall], spans: Sequence[ReadSpan]) -> str | None:
    """The model asked for most often; without model calls the agent's, or the embedding model."""
    readings = [call.reading for call in calls]
    others = [span.reading for span in spans if span.reading.work in (Work.AGENT_RUN, Work.EMBEDDING)]
    return (
        _most_common(reading.request_model for reading in readings)
        or _most_common(reading.response_model for reading in readings)
        or _most_common(reading.request_model or reading.response_model for reading in others)
    )


def _most_common(names: Iterable[str | None]) -> str | None:
    counts = Counter(name for name in names if name)
    return counts.most_common(1)[0][0] if counts else None


def find_attribute(spans: Sequence[ReadSpan], key: str) -> str | None:
    """The first text under this key on any span of the run."""
    return next((text for span in spans if (text := find_text(span.span.attributes, key))), None)


def find_task(spans: Sequence[ReadSpan], entries: Sequence[Entry]) -> str | None:
    """``reflect.task``, else the first user message of the conversation."""
    told = find_attribute(spans, keys.REFLECT_TASK)
    users = (entry.message.content for entry in entries if entry.message.role is Role.USER)
    return told or next((text for text in users if text), None)


def find_final_response(
    spans: Sequence[ReadSpan], entries: Sequence[Entry], calls: Sequence[ModelCall], tree: SpanTree
) -> str | None:
    """``reflect.final_response``, else the outermost agent's answer, else the last answer without tool calls."""
    told = find_attribute(spans, keys.REFLECT_FINAL_RESPONSE)
    if told is not None:
        return told
    if calls and calls[-1].error is not None:
        return None
    outer = sorted((span for span in spans if span.reading.work is Work.AGENT_RUN), key=tree.depth)
    for span in outer:
        if span.error is None and span.reading.outputs:
            text = span.reading.outputs[-1].content
            if text:
                return text
    for entry in reversed(entries):
        message = entry.message
        if entry.is_new and message.role is Role.ASSISTANT and message.content and not message.tool_calls:
            return message.content
    wrappers = sorted(spans, key=tree.depth)
    return next((span.reading.final_response for span in wrappers if span.reading.final_response), None)
