"""Model calls, each once, though several layers may have recorded it.

A call shows up twice when the client's own span meets an instrumentation's (the Anthropic SDK), or a framework's
model span stands around the client's. They are one call when they share a response id, or when one stands under the
other, or when they overlap under one parent, come from different scopes, ask the same model and do not contradict.
A stream may be told in two: the call, and once it has ended its answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reflect_otel.dialects.span_readers import ReadSpan, merge_readings, merge_usage
from reflect_otel.dialects.span_tree import SpanTree
from reflect_otel.model.reading import SpanReading, Work


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One model call: the merged reading of all spans that recorded it, and their span ids, outermost first."""

    reading: SpanReading
    spans: tuple[ReadSpan, ...]
    error: str | None

    @property
    def start_ns(self) -> int:
        """Earliest start, Unix nanoseconds."""
        return min(span.span.start_ns for span in self.spans)

    @property
    def end_ns(self) -> int:
        """Latest end, Unix nanoseconds."""
        return max(span.span.end_ns for span in self.spans)


def find_model_calls(spans: Sequence[ReadSpan], tree: SpanTree) -> list[ModelCall]:
    """The run's distinct model calls in order of their start.

    Args:
        spans: the run's spans in order of their start.
        tree: their parent relation.
    """
    candidates = [span for span in spans if span.reading.work is Work.MODEL_CALL]
    groups = _Groups(candidates)
    for layer in _find_layers(candidates, tree):
        groups.join(*layer)
    for wrapper in _find_wrappers(candidates, tree):
        groups.drop(wrapper)
    _join_same_response(candidates, groups)
    _join_siblings(candidates, groups)
    _join_late_answers(candidates, groups)
    calls = [_merge(members) for members in groups.members()]
    return sorted(calls, key=lambda call: call.start_ns)


class _Groups:
    """Disjoint sets of spans, by position."""

    def __init__(self, spans: Sequence[ReadSpan]) -> None:
        self._spans = spans
        self._leader = {id(span): index for index, span in enumerate(spans)}
        self._dropped: set[int] = set()

    def leader(self, span: ReadSpan) -> int:
        return self._leader[id(span)]

    def join(self, first: ReadSpan, second: ReadSpan) -> None:
        keep, lose = sorted((self.leader(first), self.leader(second)))
        if keep != lose:
            for key, leader in self._leader.items():
                if leader == lose:
                    self._leader[key] = keep

    def drop(self, span: ReadSpan) -> None:
        self._dropped.add(id(span))

    def is_dropped(self, span: ReadSpan) -> bool:
        return id(span) in self._dropped

    def members(self) -> list[list[ReadSpan]]:
        groups: dict[int, list[ReadSpan]] = {}
        for span in self._spans:
            if id(span) not in self._dropped:
                groups.setdefault(self.leader(span), []).append(span)
        return list(groups.values())


def _inner_calls(candidates: Sequence[ReadSpan], tree: SpanTree) -> dict[int, list[ReadSpan]]:
    """Model spans directly under each model span, other work between them notwithstanding."""
    models = {id(span) for span in candidates}
    inner: dict[int, list[ReadSpan]] = {}
    for span in candidates:
        outer = next((ancestor for ancestor in tree.ancestors(span) if id(ancestor) in models), None)
        if outer is not None:
            inner.setdefault(id(outer), []).append(span)
    return inner


def _find_layers(candidates: Sequence[ReadSpan], tree: SpanTree) -> list[tuple[ReadSpan, ReadSpan]]:
    """Pairs of an outer and the inner span that record one call; failed tries before it stay calls of their own."""
    inner = _inner_calls(candidates, tree)
    pairs = []
    for span in candidates:
        below = inner.get(id(span), [])
        answered = [call for call in below if call.error is None]
        if len(answered) == 1 or (not answered and below):
            pairs.append((span, answered[0] if answered else below[-1]))
    return pairs


def _find_wrappers(candidates: Sequence[ReadSpan], tree: SpanTree) -> list[ReadSpan]:
    """Model spans that stand around several answered calls: a loop, not a call."""
    inner = _inner_calls(candidates, tree)
    return [span for span in candidates if sum(call.error is None for call in inner.get(id(span), [])) > 1]


def _join_same_response(candidates: Sequence[ReadSpan], groups: _Groups) -> None:
    by_response: dict[str, ReadSpan] = {}
    for span in candidates:
        response_id = span.reading.response_id
        if response_id and not groups.is_dropped(span):
            groups.join(by_response.setdefault(response_id, span), span)


def _join_siblings(candidates: Sequence[ReadSpan], groups: _Groups) -> None:
    """Spans are in order of start, so only those that start before the first one's end can overlap it."""
    for index, span in enumerate(candidates):
        for other in candidates[index + 1 :]:
            if other.span.start_ns > span.span.end_ns:
                break
            if _are_one_call(span, other):
                groups.join(span, other)


def _are_one_call(span: ReadSpan, other: ReadSpan) -> bool:
    first, second = span.reading, other.reading
    if span.span.parent_span_id != other.span.parent_span_id or span.span.scope_name == other.span.scope_name:
        return False
    if first.response_id and second.response_id:
        return first.response_id == second.response_id
    same_model = first.request_model == second.request_model or not (first.request_model and second.request_model)
    tokens = (first.usage.input_tokens, second.usage.input_tokens)
    same_tokens = None in tokens or tokens[0] == tokens[1]
    return same_model and same_tokens and (span.error is None) == (other.error is None)


def _join_late_answers(candidates: Sequence[ReadSpan], groups: _Groups) -> None:
    """A stream's answer may be told by a span of no duration after the call's own, with the same request."""
    for index, late in enumerate(candidates):
        if late.span.start_ns != late.span.end_ns or not late.reading.outputs:
            continue
        for span in reversed(candidates[:index]):
            if _is_answered_by(span, late):
                groups.join(span, late)
                break


def _is_answered_by(span: ReadSpan, late: ReadSpan) -> bool:
    return (
        span.span.parent_span_id == late.span.parent_span_id
        and span.span.scope_name == late.span.scope_name
        and span.error is None
        and not span.reading.outputs
        and span.reading.inputs == late.reading.inputs != ()
    )


def _merge(members: Sequence[ReadSpan]) -> ModelCall:
    fullest = max(members, key=lambda span: len(span.reading.inputs) + len(span.reading.outputs))
    others = [span.reading for span in members if span is not fullest]
    reading = merge_readings(fullest.reading, *others)
    for member in members:
        if member.reading.from_client:
            reading = replace(reading, usage=merge_usage(member.reading.usage, reading.usage))
    failed = all(member.error is not None for member in members)
    error = next((member.error for member in members if member.error), None) if failed else None
    return ModelCall(reading, tuple(members), error)
