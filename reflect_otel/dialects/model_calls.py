"""Model calls, each once, though several layers may have recorded it.

A call shows up twice when the client's own span meets an instrumentation's (the Anthropic SDK), or a framework's
model span stands around the client's. They are one call when they share a response id, or when one stands under the
other, or when they overlap under one parent, come from different scopes, ask the same and do not contradict.
A stream may be told in two: the call, and once it has ended its answer. Refused HTTP requests under a call are tries
of it.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from reflect_otel.dialects.decoding import find_number
from reflect_otel.dialects.span_readers import ReadSpan, merge_readings, merge_usage
from reflect_otel.dialects.span_tree import SpanTree
from reflect_otel.model.reading import SpanReading, Work
from reflect_otel.model.spans import SpanKind
from reflect_otel.model.trajectory import Message

_MODEL_CLIENTS: Final = (
    "anthropic.",
    "botocore.",
    "cohere.",
    "google.api_core.",
    "google.genai.",
    "groq.",
    "litellm.",
    "mistralai.",
    "ollama.",
    "openai.",
    "together.",
)
"""Packages of models' clients, as exceptions name them."""
_HTTP_REFUSED: Final = 400
_COMPARED: Final = 16
"""How many calls side by side, and spans of each, a span is compared with."""


@dataclass(slots=True)
class ModelCall:
    """One model call; treat as immutable.

    Attributes:
        reading: merged from all spans that recorded the call.
        spans: these spans, outermost first.
        start_ns, end_ns: earliest start and latest end, Unix nanoseconds.
    """

    reading: SpanReading
    spans: tuple[ReadSpan, ...]
    error: str | None
    start_ns: int
    end_ns: int


def find_model_calls(spans: Sequence[ReadSpan], tree: SpanTree) -> list[ModelCall]:
    """The run's distinct model calls in order of their start.

    Args:
        spans: the run's spans in order of their start.
        tree: their parent relation.
    """
    candidates = [span for span in spans if span.reading.work is Work.MODEL_CALL]
    groups = _Groups(candidates)
    _join_layers(candidates, _find_inner(spans, candidates, tree), groups)
    _join_same_response(candidates, groups)
    _join_siblings(candidates, groups)
    _join_late_answers(candidates, groups)
    failed = _count_failed_requests(spans, candidates, tree)
    calls = [_merge(members, sum(failed.get(id(span), 0) for span in members)) for members in groups.members()]
    return sorted(calls, key=lambda call: call.start_ns)


def has_client_failed(spans: Sequence[ReadSpan]) -> bool:
    """True when an exception of a model's client was recorded; where no span tells of model calls, on any span."""
    events = (event for span in spans if span.error is not None for event in span.span.events)
    kinds = (event.attributes.get("exception.type") for event in events)
    return any(isinstance(kind, str) and kind.startswith(_MODEL_CLIENTS) for kind in kinds)


class _Groups:
    """Disjoint sets of spans; the first span of each leads it."""

    def __init__(self, spans: Sequence[ReadSpan]) -> None:
        self._spans = spans
        self._places = {id(span): index for index, span in enumerate(spans)}
        self._leaders = list(range(len(spans)))
        self._dropped: set[int] = set()

    def leader(self, span: ReadSpan) -> int:
        """Position of the span that leads this one's set."""
        place = self._places[id(span)]
        while self._leaders[place] != place:
            self._leaders[place] = place = self._leaders[self._leaders[place]]
        return place

    def join(self, first: ReadSpan, second: ReadSpan) -> None:
        """Make one set of two."""
        keep, lose = sorted((self.leader(first), self.leader(second)))
        self._leaders[lose] = keep

    def drop(self, span: ReadSpan) -> None:
        """Leave a span out."""
        self._dropped.add(id(span))

    def is_dropped(self, span: ReadSpan) -> bool:
        """True when the span was left out."""
        return id(span) in self._dropped

    def members(self) -> list[list[ReadSpan]]:
        """The sets, without the spans that were left out."""
        groups: dict[int, list[ReadSpan]] = {}
        for span in self._spans:
            if id(span) not in self._dropped:
                groups.setdefault(self.leader(span), []).append(span)
        return list(groups.values())


def _find_inner(
    spans: Sequence[ReadSpan], candidates: Sequence[ReadSpan], tree: SpanTree
) -> dict[int, list[ReadSpan]]:
    """Model spans under each model span, as far as no tool or agent with calls of its own stands between them."""
    others = [span for span in spans if span.reading.work in (Work.TOOL_RUN, Work.AGENT_RUN)]
    above = tree.find_nearest(candidates, others)
    inner: dict[int, list[ReadSpan]] = {}
    for span in candidates:
        outer = above.get(span.span.span_id)
        if outer is not None:
            inner.setdefault(id(outer), []).append(span)
    return inner


def _join_layers(candidates: Sequence[ReadSpan], inner: Mapping[int, Sequence[ReadSpan]], groups: _Groups) -> None:
    """Join spans that record one call around each other; leave out those that stand around several calls.

    Failed tries before the call that was answered stay calls of their own.
    """
    for span in candidates:
        below = inner.get(id(span), ())
        answered = [call for call in below if call.error is None]
        if len(answered) > 1:
            groups.drop(span)
        elif below:
            groups.join(span, answered[0] if answered else below[-1])


def _join_same_response(candidates: Sequence[ReadSpan], groups: _Groups) -> None:
    by_response: dict[str, ReadSpan] = {}
    for span in candidates:
        response_id = span.reading.response_id
        if response_id and not groups.is_dropped(span):
            groups.join(by_response.setdefault(response_id, span), span)


def _join_siblings(candidates: Sequence[ReadSpan], groups: _Groups) -> None:
    """Overlapping spans under one parent, each of another scope: one call as far as they do not contradict.

    A span joins the earliest call that its own scope has not recorded yet, so that calls side by side stay apart.
    """
    under: dict[tuple[bytes, bytes | None], tuple[deque[list[ReadSpan]], deque[list[ReadSpan]]]] = {}
    asked = {id(span): _last_text(span.reading.inputs) for span in candidates}
    for span in candidates:
        if groups.is_dropped(span):
            continue
        seen_once, joined = under.setdefault((span.span.trace_id, span.span.parent_span_id), (deque(), deque()))
        for calls in (seen_once, joined):
            while calls and all(other.span.end_ns < span.span.start_ns for other in calls[0]):
                calls.popleft()
            same = next((call for call in islice(calls, _COMPARED) if _may_join(call, span, asked)), None)
            if same is not None:
                groups.join(same[0], span)
                calls.remove(same)
                joined.append([*same, span])
                break
        else:
            seen_once.append([span])


def _may_join(call: Sequence[ReadSpan], span: ReadSpan, asked: Mapping[int, str | None]) -> bool:
    return len(call) < _COMPARED and all(
        other.span.end_ns >= span.span.start_ns and _are_one_call(other, span, asked) for other in call
    )


def _are_one_call(span: ReadSpan, other: ReadSpan, asked: Mapping[int, str | None]) -> bool:
    first, second = span.reading, other.reading
    if span.span.scope_name == other.span.scope_name or (span.error is None) != (other.error is None):
        return False
    if first.response_id and second.response_id:
        return first.response_id == second.response_id
    return (
        _agree(first.request_model, second.request_model)
        and _agree(first.usage.input_tokens, second.usage.input_tokens)
        and _agree(first.usage.output_tokens, second.usage.output_tokens)
        and _agree(asked[id(span)], asked[id(other)])
    )


def _agree(first: object, second: object) -> bool:
    return first is None or second is None or first == second


def _last_text(inputs: Sequence[Message]) -> str | None:
    """What the request ends with; layers may tell the rest of it in different forms."""
    text = inputs[-1].content if inputs else None
    return " ".join(text.split()) if text else None


def _join_late_answers(candidates: Sequence[ReadSpan], groups: _Groups) -> None:
    """A stream's answer may be told by a span of no duration after the call's own, with the same request."""
    unanswered: dict[tuple[bytes | None, str], deque[ReadSpan]] = {}
    for span in candidates:
        waiting = unanswered.setdefault((span.span.parent_span_id, span.span.scope_name), deque(maxlen=_COMPARED))
        if span.span.start_ns == span.span.end_ns and span.reading.outputs:
            call = next((call for call in reversed(waiting) if call.reading.inputs == span.reading.inputs), None)
            if call is not None:
                groups.join(call, span)
        elif span.error is None and span.reading.inputs and not span.reading.outputs:
            waiting.append(span)


def _count_failed_requests(
    spans: Sequence[ReadSpan], candidates: Sequence[ReadSpan], tree: SpanTree
) -> dict[int, int]:
    """How many HTTP requests under each model span were refused: tries that its client repeated by itself."""
    refused = [span for span in spans if not span.dialects and _is_refused(span)]
    if not refused:
        return {}
    above = tree.find_nearest([*candidates, *refused])
    models = {id(span) for span in candidates}
    outer = (above.get(span.span.span_id) for span in refused)
    return Counter(id(span) for span in outer if span is not None and id(span) in models)


def _is_refused(span: ReadSpan) -> bool:
    status = find_number(span.span.attributes, "http.response.status_code", "http.status_code")
    return status is not None and status >= _HTTP_REFUSED and span.span.kind == SpanKind.CLIENT


def _merge(members: Sequence[ReadSpan], refused: int) -> ModelCall:
    call = _merge_members(members)
    failed = refused - (call.error is not None)
    if failed > call.reading.failed_attempts:
        call.reading = replace(call.reading, failed_attempts=failed)
    return call


def _merge_members(members: Sequence[ReadSpan]) -> ModelCall:
    first = members[0]
    if len(members) == 1:
        return ModelCall(first.reading, (first,), first.error, first.span.start_ns, first.span.end_ns)
    fullest = max(members, key=lambda span: len(span.reading.inputs) + len(span.reading.outputs))
    others = [span.reading for span in members if span is not fullest]
    reading = merge_readings(fullest.reading, *others)
    for member in members:
        if member.reading.from_client:
            reading = replace(reading, usage=merge_usage(member.reading.usage, reading.usage))
    failed = all(member.error is not None for member in members)
    return ModelCall(
        reading,
        tuple(members),
        next((member.error for member in members if member.error), None) if failed else None,
        min(member.span.start_ns for member in members),
        max(member.span.end_ns for member in members),
    )
