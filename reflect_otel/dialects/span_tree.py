"""Who stands under whom: the parent relation between the spans of a run."""

from collections.abc import Collection, Iterable

from reflect_otel.dialects.span_readers import ReadSpan


class SpanTree:
    """Parents and depths, each worked out once; broken and circular parent links end the way up.

    Args:
        spans: all spans of the run.
    """

    def __init__(self, spans: Iterable[ReadSpan]) -> None:
        self._by_id = {span.span.span_id: span for span in spans}
        self._depths: dict[bytes, int] = {}

    def depth(self, span: ReadSpan) -> int:
        """Number of ancestors; 0 for a root."""
        way = self._way_up(span.span.span_id, self._depths)
        depth = self._depths.get(self._parent_id(way[-1]), -1) if way else -1
        for span_id in reversed(way):
            depth += 1
            self._depths[span_id] = depth
        return self._depths[span.span.span_id]

    def find_nearest(
        self, members: Collection[ReadSpan], barriers: Collection[ReadSpan] = ()
    ) -> dict[bytes, ReadSpan]:
        """The nearest of ``members`` above each of them, by the lower one's span id.

        Args:
            members: the spans to relate.
            barriers: spans that end the way up.
        """
        at_or_above: dict[bytes, ReadSpan | None] = {span.span.span_id: None for span in barriers}
        at_or_above |= {span.span.span_id: span for span in members}
        nearest: dict[bytes, ReadSpan] = {}
        for span in members:
            way = self._way_up(span.span.parent_span_id, at_or_above)
            found = at_or_above.get(self._parent_id(way[-1] if way else span.span.span_id))
            at_or_above |= dict.fromkeys(way, found)
            if found is not None and found is not span:
                nearest[span.span.span_id] = found
        return nearest

    def _way_up(self, span_id: bytes | None, known: Collection[bytes]) -> list[bytes]:
        """From this span up to the last one that is not known yet."""
        way: dict[bytes, None] = {}
        while span_id is not None and span_id in self._by_id and span_id not in known and span_id not in way:
            way[span_id] = None
            span_id = self._by_id[span_id].span.parent_span_id
        return list(way)

    def _parent_id(self, span_id: bytes) -> bytes:
        return self._by_id[span_id].span.parent_span_id or b""
