"""Who stands under whom: the parent relation between the spans of a run."""

from collections.abc import Iterable, Iterator

from reflect_otel.dialects.span_readers import ReadSpan

_MAX_HEIGHT = 10_000


class SpanTree:
    """Ancestors of each span, with broken and circular parent links ended.

    Args:
        spans: all spans of the run.
    """

    def __init__(self, spans: Iterable[ReadSpan]) -> None:
        self._by_id = {span.span.span_id: span for span in spans}
        self._depths: dict[bytes, int] = {}

    def ancestors(self, span: ReadSpan) -> Iterator[ReadSpan]:
        """From the parent up to the root, as far as it arrived."""
        seen = {span.span.span_id}
        parent_id = span.span.parent_span_id
        while parent_id is not None and parent_id not in seen and len(seen) < _MAX_HEIGHT:
            seen.add(parent_id)
            parent = self._by_id.get(parent_id)
            if parent is None:
                return
            yield parent
            parent_id = parent.span.parent_span_id

    def depth(self, span: ReadSpan) -> int:
        """Number of ancestors; 0 for a root."""
        known = self._depths.get(span.span.span_id)
        if known is None:
            known = sum(1 for _ in self.ancestors(span))
            self._depths[span.span.span_id] = known
        return known
