"""Spans and logs in the database: written once each, read by run.

Duplicates are found without a key constraint: ``trace_extents`` tells where a trace's records lie, so only that
stretch is compared; a trace never seen needs no look at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from reflect_otel.model.spans import LogRecord, Run, SpanRecord
from reflect_otel.store.columns import build_numbers, build_objects, build_texts
from reflect_otel.store.pieces import iter_pieces
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

_NOWHERE: Final = (2**62, -1)
"""The extent of a trace that has been named and has no records yet."""


class KnownTraces:
    """Which of a batch's traces were seen before, and between which arrivals their records lie.

    Every trace that is ever named gets an extent, so a trace without one is new to every table.

    Attributes:
        new: the named traces that nothing was known of.
    """

    def __init__(self, session: Session, traces: Iterable[TraceKey]) -> None:
        self._named = set(traces)
        self._extents: dict[TraceKey, tuple[int, int]] = {}
        for piece in iter_pieces({trace_id for _, trace_id in self._named}):
            for project_id, trace_id, first, last in session.fetch("find_trace_extents", trace_ids=piece):
                known = self._extents.get((project_id, trace_id), (first, last))
                self._extents[project_id, trace_id] = (min(first, known[0]), max(last, known[1]))

        self.new = self._named - self._extents.keys()

    def __contains__(self, trace: TraceKey) -> bool:
        return trace in self._extents

    def find_stretch(self, traces: Iterable[TraceKey]) -> dict[str, Any] | None:
        """Bounds and trace ids that enclose all stored records of these traces; ``None`` when there are none."""
        found = {trace: self._extents[trace] for trace in traces if trace in self._extents}
        if not found:
            return None
        return {
            "first_arrival": min(first for first, _ in found.values()),
            "last_arrival": max(last for _, last in found.values()),
            "trace_ids": tuple({trace_id for _, trace_id in found}),
        }

    def write_extents(self, session: Session, records: Sequence[TraceKey], first_arrival: int) -> None:
        """Note where the batch's new records lie; ``records`` names each one's trace, in order of arrival."""
        places = dict.fromkeys(self.new, _NOWHERE)
        for arrival, trace in enumerate(records, first_arrival):
            first, _ = places.get(trace, _NOWHERE)
            places[trace] = (min(first, arrival), arrival)
        rows = [(*trace, *extent) for trace, extent in places.items() if trace[1]]
        if rows:
            project_ids, trace_ids, firsts, lasts = zip(*rows, strict=True)
            columns = {
                "project_id": build_texts(project_ids),
                "trace_id": build_objects(trace_ids),
                "first_arrival": build_numbers(firsts, np.int64),
                "last_arrival": build_numbers(lasts, np.int64),
            }
            session.insert("insert_trace_extents", columns)


def write_spans(
    session: Session, items: Sequence[SpanItem], known: KnownTraces, first_arrival: int, received_ns: int
) -> list[TraceKey]:
    """Insert the spans that are not there yet; returns the trace of each, in order of arrival."""
    distinct: dict[SpanKey, SpanItem] = {}
    for item in items:
        distinct.setdefault((item[0], item[1].trace_id, item[1].span_id), item)
    stretch = known.find_stretch((project_id, span.trace_id) for project_id, span in items)
    for key in session.fetch("find_span_keys", **stretch) if stretch else ():
        distinct.pop(key, None)
    fresh = list(distinct.values())
    if fresh:
        session.insert("insert_spans", build_span_columns(fresh, first_arrival, received_ns))
    return [(project_id, span.trace_id) for project_id, span in fresh]


def write_logs(session: Session, items: Sequence[LogItem], first_arrival: int, received_ns: int) -> list[TraceKey]:
    """Insert the log records that are not there yet; returns the trace of each, in order of arrival."""
    resources = ResourceTexts()
    distinct: dict[tuple[str, bytes], tuple[LogItem, LogTexts]] = {}
    for item in items:
        texts = LogTexts(item[1], resources)
        distinct.setdefault((item[0], texts.content_hash), (item, texts))
    for key in _find_known_logs(session, distinct):
        distinct.pop(key, None)
    fresh = [item for item, _ in distinct.values()]
    if fresh:
        texts_of_fresh = [texts for _, texts in distinct.values()]
        session.insert("insert_logs", build_log_columns(fresh, texts_of_fresh, first_arrival, received_ns))
    return [(project_id, log.trace_id or b"") for project_id, log in fresh]


def read_spans(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> list[SpanRecord]:
    """The spans of these traces, in order of arrival."""
    stretch = _find_stretch(session, project_id, trace_ids)
    rows = session.fetch("find_spans", project_id=project_id, **stretch) if stretch else []
    return [read_span(row) for row in rows]


def read_logs(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> list[LogRecord]:
    """The log records of these traces, in order of arrival."""
    stretch = _find_stretch(session, project_id, trace_ids)
    rows = session.fetch("find_logs", project_id=project_id, **stretch) if stretch else []
    return [read_log(row) for row in rows]


def group_by_run(
    traces: Mapping[str, Sequence[bytes]], spans: Iterable[SpanRecord], logs: Iterable[LogRecord]
) -> dict[str, Run]:
    """Each run with what its traces hold, in order of arrival; runs without telemetry are left out."""
    owners: dict[bytes | None, list[str]] = {}
    for run_id, trace_ids in traces.items():
        for trace_id in trace_ids:
            owners.setdefault(trace_id, []).append(run_id)
    held: dict[str, tuple[list[SpanRecord], list[LogRecord]]] = {}
    for span in spans:
        for run_id in owners.get(span.trace_id, ()):
            held.setdefault(run_id, ([], []))[0].append(span)
    for log in logs:
        for run_id in owners.get(log.trace_id, ()):
            held.setdefault(run_id, ([], []))[1].append(log)
    return {run_id: Run(run_id=run_id, spans=own[0], logs=own[1]) for run_id, own in held.items()}


def delete_traces(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> None:
    """Delete all spans and logs of these traces."""
    stretch = _find_stretch(session, project_id, trace_ids)
    if stretch:
        session.execute("delete_spans", project_id=project_id, **stretch)
        session.execute("delete_logs", project_id=project_id, **stretch)
        session.execute("delete_trace_extents", project_id=project_id, trace_ids=stretch["trace_ids"])


def _find_known_logs(
    session: Session, wanted: Mapping[tuple[str, bytes], tuple[LogItem, LogTexts]]
) -> list[tuple[str, bytes]]:
    if not wanted:
        return []
    times = [clamp_time(item[1].time_ns) for item, _ in wanted.values()]
    hashes = [content_hash for _, content_hash in wanted]
    rows = session.fetch("find_log_hashes", first_ns=min(times), last_ns=max(times), hashes=hashes)
    return [(row[0], row[1]) for row in rows]


def _find_stretch(session: Session, project_id: str, trace_ids: Sequence[bytes]) -> dict[str, Any] | None:
    traces = [(project_id, trace_id) for trace_id in trace_ids]
    return KnownTraces(session, traces).find_stretch(traces)
