"""Spans and logs in the database: written once each, read by run.

Duplicates are found without a key constraint: ``trace_extents`` tells where a trace's records lie, so only that
stretch is compared; a trace never seen needs no look at all.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

from reflect_otel.model.spans import LogRecord, SpanRecord
from reflect_otel.store.session import Session
from reflect_otel.store.telemetry_rows import (
    LogItem,
    LogTexts,
    ResourceTexts,
    SpanItem,
    build_log_columns,
    build_span_columns,
    clamp_time,
    read_log,
    read_span,
)

TraceKey: TypeAlias = tuple[str, bytes]
"""(project id, trace id)."""
SpanKey: TypeAlias = tuple[str, bytes, bytes]

_LIST_LIMIT: Final = 512
"""Longest ``in`` list of one query."""

_Item = TypeVar("_Item")


def write_spans(session: Session, items: Sequence[SpanItem], first_arrival: int, received_ns: int) -> int:
    """Insert the spans that are not there yet; returns how many."""
    distinct: dict[SpanKey, SpanItem] = {}
    for item in items:
        distinct.setdefault((item[0], item[1].trace_id, item[1].span_id), item)
    for key in _find_known_spans(session, distinct):
        distinct.pop(key, None)
    if not distinct:
        return 0
    fresh = list(distinct.values())
    session.insert("insert_spans", build_span_columns(fresh, first_arrival, received_ns))
    _write_extents(session, ((project_id, span.trace_id) for project_id, span in fresh), first_arrival)
    return len(fresh)


def write_logs(session: Session, items: Sequence[LogItem], first_arrival: int, received_ns: int) -> int:
    """Insert the log records that are not there yet; returns how many."""
    resources = ResourceTexts()
    distinct: dict[tuple[str, bytes], tuple[LogItem, LogTexts]] = {}
    for item in items:
        texts = LogTexts(item[1], resources)
        distinct.setdefault((item[0], texts.content_hash), (item, texts))
    for key in _find_known_logs(session, distinct):
        distinct.pop(key, None)
    if not distinct:
        return 0
    fresh = [item for item, _ in distinct.values()]
    texts_of_fresh = [texts for _, texts in distinct.values()]
    session.insert("insert_logs", build_log_columns(fresh, texts_of_fresh, first_arrival, received_ns))
    _write_extents(session, ((project_id, log.trace_id or b"") for project_id, log in fresh), first_arrival)
    return len(fresh)


def read_spans(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> list[SpanRecord]:
    """The spans of these traces, in order of arrival."""
    stretch = _find_stretch(session, project_id, trace_ids)
    if stretch is None:
        return []
    rows = session.fetch("find_spans", project_id=project_id, trace_ids=tuple(trace_ids), **stretch)
    return [read_span(row) for row in rows]


def read_logs(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> list[LogRecord]:
    """The log records of these traces, in order of arrival."""
    stretch = _find_stretch(session, project_id, trace_ids)
    if stretch is None:
        return []
    rows = session.fetch("find_logs", project_id=project_id, trace_ids=tuple(trace_ids), **stretch)
    return [read_log(row) for row in rows]


def delete_traces(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> None:
    """Delete all spans and logs of these traces."""
    stretch = _find_stretch(session, project_id, trace_ids)
    if stretch is None:
        return
    for statement in ("delete_spans", "delete_logs"):
        session.execute(statement, project_id=project_id, trace_ids=tuple(trace_ids), **stretch)
    session.execute("delete_trace_extents", project_id=project_id, trace_ids=tuple(trace_ids))


def iter_pieces(items: Iterable[_Item]) -> Iterator[tuple[_Item, ...]]:
    """The items in tuples that are short enough for one ``in`` list."""
    listed = list(items)
    for start in range(0, len(listed), _LIST_LIMIT):
        yield tuple(listed[start : start + _LIST_LIMIT])


def _find_known_spans(session: Session, wanted: Mapping[SpanKey, SpanItem]) -> Iterator[SpanKey]:
    traces = {key[:2] for key in wanted}
    for piece in iter_pieces({trace_id for _, trace_id in traces}):
        extents = [row for row in session.fetch("find_trace_extents", trace_ids=piece) if (row[0], row[1]) in traces]
        if extents:
            yield from session.fetch(
                "find_span_keys",
                trace_ids=tuple({row[1] for row in extents}),
                first_arrival=min(row[2] for row in extents),
                last_arrival=max(row[3] for row in extents),
            )


def _find_known_logs(
    session: Session, wanted: Mapping[tuple[str, bytes], tuple[LogItem, LogTexts]]
) -> list[tuple[str, bytes]]:
    if not wanted:
        return []
    times = [clamp_time(item[1].time_ns) for item, _ in wanted.values()]
    hashes = [content_hash for _, content_hash in wanted]
    rows = session.fetch("find_log_hashes", first_ns=min(times), last_ns=max(times), hashes=hashes)
    return [(row[0], row[1]) for row in rows]


def _find_stretch(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> dict[str, int] | None:
    rows = session.fetch("find_trace_extents", trace_ids=tuple(trace_ids))
    own = [row for row in rows if row[0] == project_id]
    if not own:
        return None
    return {"first_arrival": min(row[2] for row in own), "last_arrival": max(row[3] for row in own)}


def _write_extents(session: Session, traces: Iterable[TraceKey], first_arrival: int) -> None:
    places: defaultdict[TraceKey, list[int]] = defaultdict(list)
    for arrival, trace in enumerate(traces, first_arrival):
        if trace[1]:
            places[trace].append(arrival)
    if places:
        session.execute(
            "insert_trace_extents",
            project_id=[project_id for project_id, _ in places],
            trace_id=[trace_id for _, trace_id in places],
            first_arrival=[arrivals[0] for arrivals in places.values()],
            last_arrival=[arrivals[-1] for arrivals in places.values()],
        )
