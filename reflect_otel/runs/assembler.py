"""Which run a span belongs to, and when a run is complete.

A run is open while spans arrive, *settling* once its root has ended (late children may still be under way), and
closed after that, for a reason that is stored and counted. A span that arrives later is appended, counted as late,
and makes the run be read again; nothing else is re-opened.

The run key is ``reflect.run.id``, else the trace id. A trace whose spans name a run late moves to that run as a
whole, and so does one whose root links into a run's trace; a trace that holds several named runs belongs to each.
Traces without a single agent span are noise: stored, but no run.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from reflect_otel import attributes as keys
from reflect_otel.model.spans import ClosedBy, LogRecord, RunState, SpanRecord
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import Settings
from reflect_otel.runs.grouping import find_continued_trace, is_agent_span, run_id_of
from reflect_otel.runs.review_trigger import is_review_of_another_run

RunKey: TypeAlias = tuple[str, str]
"""(project id, run id)."""

TraceKey: TypeAlias = tuple[str, bytes]
"""(project id, trace id)."""

FindRunIds: TypeAlias = Callable[[str, Iterable[bytes]], Mapping[bytes, Sequence[str]]]

_REMEMBERED_TRACES: Final = 100_000
_NS: Final = 1_000_000_000
_CAPS: Final = frozenset({ClosedBy.SPAN_CAP, ClosedBy.BYTE_CAP})


@dataclass(slots=True)
class _Trace:
    """What is known of one trace id.

    Attributes:
        span_count: spans that came before the first agent span.
        continued_by: traces whose roots link here, while this is no run.
    """

    run_ids: list[str] = field(default_factory=list)
    continued_by: list[bytes] = field(default_factory=list)
    span_count: int = 0
    byte_count: int = 0
    root_ended: bool = False
    first_seen_ns: int = 0


@dataclass(slots=True)
class _OpenRun:
    record: RunRecord
    trace_ids: dict[str, None]
    state: RunState = RunState.OPEN
    closed_by: ClosedBy | None = None
    span_count: int = 0
    byte_count: int = 0
    late_spans: int = 0
    last_seen_ns: int = 0
    due_ns: int = 0
    reason: ClosedBy = ClosedBy.IDLE_TIMEOUT


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a stretch of telemetry changed: rows for the store."""

    joined: Sequence[tuple[str, bytes, str]]
    runs: Sequence[RunRecord]


class RunAssembler:
    """Keeps the unclosed runs of all projects. Not thread-safe: the pipeline owns it.

    Args:
        settings: delays and caps.
        find_run_ids: looks up the runs of trace ids seen before this process started.
        get_record: the stored row of a closed run, for a late span.
        unclosed: runs to resume after a restart; their silence counts from ``now_ns``.
        now_ns: Unix time in nanoseconds.
    """

    def __init__(
        self,
        settings: Settings,
        find_run_ids: FindRunIds,
        get_record: Callable[[str, str], RunRecord | None],
        unclosed: Iterable[RunRecord] = (),
        now_ns: int = 0,
    ) -> None:
        self._settings = settings
        self._find_run_ids = find_run_ids
        self._get_record = get_record
        self._runs: dict[RunKey, _OpenRun] = {}
        self._traces: OrderedDict[TraceKey, _Trace] = OrderedDict()
        self._due: list[tuple[int, RunKey]] = []
        self._joined: dict[tuple[str, bytes, str], None] = {}
        self._changed: dict[RunKey, None] = {}
        for record in unclosed:
            self._resume(record, now_ns)

    def __len__(self) -> int:
        """Runs that are open or settling."""
        return len(self._runs)

    def remember(self, project_id: str, trace_ids: Iterable[bytes]) -> None:
        """Look up, in one query, the runs of traces that are about to be added."""
        unknown = [trace_id for trace_id in trace_ids if (project_id, trace_id) not in self._traces]
        found = self._find_run_ids(project_id, unknown) if unknown else {}
        for trace_id in unknown:
            self._trace((project_id, trace_id)).run_ids.extend(found.get(trace_id, ()))
        while len(self._traces) > _REMEMBERED_TRACES + len(unknown):
            self._traces.popitem(last=False)

    def add_spans(self, project_id: str, spans: Sequence[SpanRecord], received_ns: int, span_bytes: int) -> None:
        """Take in spans of one request.

        Args:
            project_id: the project they belong to.
            spans: in arrival order.
            received_ns: when the service accepted them.
            span_bytes: mean size of one of them on the wire, for the byte cap.
        """
        by_trace: dict[bytes, list[SpanRecord]] = {}
        for span in spans:
            if not is_review_of_another_run(span):
                by_trace.setdefault(span.trace_id, []).append(span)
        self.remember(project_id, by_trace)
        for trace_id, members in by_trace.items():
            self._add_trace(project_id, trace_id, members, received_ns, span_bytes)

    def add_logs(self, project_id: str, logs: Iterable[LogRecord], received_ns: int) -> None:
        """Note log events that may hold a known run's messages; an evaluation alone changes no conversation."""
        trace_ids = {
            log.trace_id for log in logs if log.trace_id and log.event_name != keys.GEN_AI_EVALUATION_RESULT_EVENT
        }
        self.remember(project_id, trace_ids)
        for trace_id in trace_ids:
            for run_id in self._traces[project_id, trace_id].run_ids:
                self._touch(self._open(project_id, run_id, trace_id, received_ns), (project_id, run_id), received_ns)

    def take_changes(self) -> Assembly:
        """Rows for everything that changed since the last call."""
        joined, changed = list(self._joined), list(self._changed)
        self._joined, self._changed = {}, {}
        return Assembly(joined, [self._row(self._runs[key]) for key in changed if key in self._runs])

    def find_due(self, now_ns: int, limit: int) -> list[RunKey]:
        """At most ``limit`` runs whose time has come, longest overdue first. They stay until ``close``."""
        due: list[RunKey] = []
        while self._due and self._due[0][0] <= now_ns and len(due) < limit:
            _, key = heapq.heappop(self._due)
            run = self._runs.get(key)
            if run is None:
                continue
            if run.due_ns > now_ns:
                heapq.heappush(self._due, (run.due_ns, key))
            elif key not in due:
                due.append(key)
        return due

    def next_due_ns(self) -> int | None:
        """The earliest time at which ``find_due`` may return something."""
        return self._due[0][0] if self._due else None

    def is_unclosed(self, project_id: str, run_id: str) -> bool:
        """Whether the run is open or settling."""
        return (project_id, run_id) in self._runs

    def close(self, project_id: str, run_id: str, reason: ClosedBy | None = None) -> RunRecord:
        """Forget an unclosed run and return its closed row.

        Args:
            project_id: the run's project.
            run_id: its key.
            reason: why; default is what made it due. A run closed before keeps its first reason.
        """
        run = self._runs.pop((project_id, run_id))
        run.state, run.closed_by = RunState.CLOSED, run.closed_by or reason or run.reason
        return self._row(run)

    def reopen(self, records: Iterable[RunRecord], now_ns: int) -> None:
        """Take back closed runs whose rows could not be committed: they are due again after the settle delay."""
        for record in records:
            key = (record.project_id, record.run_id)
            run = self._runs[key] = _take_up(record, RunState.SETTLING)
            self._schedule(run, key, now_ns, ClosedBy.ROOT_ENDED)

    def forget(self, project_id: str, run_ids: Iterable[str]) -> None:
        """Drop deleted runs."""
        gone = set(run_ids)
        for run_id in gone:
            self._runs.pop((project_id, run_id), None)
            self._changed.pop((project_id, run_id), None)
        for key in [k for k, trace in self._traces.items() if k[0] == project_id and gone & set(trace.run_ids)]:
            del self._traces[key]

    def _resume(self, record: RunRecord, now_ns: int) -> None:
        key = (record.project_id, record.run_id)
        run = self._runs[key] = _take_up(record, record.state)
        for trace_id in record.trace_ids:
            self._trace((record.project_id, bytes.fromhex(trace_id))).run_ids.append(record.run_id)
        settling = record.state is RunState.SETTLING
        self._schedule(run, key, now_ns, ClosedBy.ROOT_ENDED if settling else ClosedBy.IDLE_TIMEOUT)

    def _trace(self, key: TraceKey) -> _Trace:
        trace = self._traces.get(key)
        if trace is None:
            trace = self._traces[key] = _Trace()
        return trace

    def _add_trace(
        self, project_id: str, trace_id: bytes, spans: Sequence[SpanRecord], received_ns: int, span_bytes: int
    ) -> None:
        trace = self._traces[project_id, trace_id]
        self._traces.move_to_end((project_id, trace_id))
        trace.first_seen_ns = trace.first_seen_ns or received_ns
        self._name_runs(project_id, trace_id, trace, spans, received_ns)
        is_new = not trace.run_ids
        if is_new:
            if not any(map(is_agent_span, spans)):
                trace.span_count += len(spans)
                trace.byte_count += len(spans) * span_bytes
                trace.root_ended |= any(span.is_local_root for span in spans)
                return
            trace.run_ids.append(trace_id.hex())
        only = trace.run_ids[0]
        self._take_in(project_id, only, trace, received_ns)
        counts: dict[str, int] = {}
        ended: dict[str, ClosedBy] = {}
        for span in spans:
            run_id = run_id_of(span) or only
            counts[run_id] = counts.get(run_id, 0) + 1
            reason = _end_reason(span)
            if reason is not None and ended.get(run_id) is not ClosedBy.EXPLICIT_END:
                ended[run_id] = reason
        if trace.root_ended:  # it came before the first agent span did
            ended.setdefault(only, ClosedBy.ROOT_ENDED)
            trace.root_ended = False
        for run_id, count in counts.items():
            run = self._open(project_id, run_id, trace_id, received_ns, is_new=is_new)
            self._count(run, trace, count, span_bytes)
            self._touch(run, (project_id, run_id), received_ns, ended.get(run_id))

    def _name_runs(
        self, project_id: str, trace_id: bytes, trace: _Trace, spans: Sequence[SpanRecord], received_ns: int
    ) -> None:
        named = dict.fromkeys(run_id for span in spans if (run_id := run_id_of(span)))
        by_default = trace_id.hex()
        if not named and trace.run_ids in ([], [by_default]):
            named = dict.fromkeys(self._find_continued_run(project_id, trace_id, spans))
        new = [run_id for run_id in named if run_id not in trace.run_ids]
        if not new:
            return
        if trace.run_ids == [by_default]:
            self._move(project_id, by_default, new[0], trace_id, received_ns)
            trace.run_ids.clear()
        trace.run_ids.extend(new)

    def _find_continued_run(self, project_id: str, trace_id: bytes, spans: Sequence[SpanRecord]) -> list[str]:
        """The run of the trace that these spans' root links to; a trace that is no run yet is waited for."""
        continued = next(filter(None, map(find_continued_trace, spans)), None)
        if continued is None:
            return []
        self.remember(project_id, [continued])
        origin = self._trace((project_id, continued))
        if not origin.run_ids:
            origin.continued_by.append(trace_id)
        return origin.run_ids[:1]

    def _take_in(self, project_id: str, run_id: str, trace: _Trace, received_ns: int) -> None:
        """Move the traces here that have waited for this one to become a run."""
        waiting, trace.continued_by = trace.continued_by, []
        for trace_id in waiting:
            other = self._trace((project_id, trace_id))
            if other.run_ids == [trace_id.hex()]:
                self._move(project_id, trace_id.hex(), run_id, trace_id, received_ns)
            elif other.run_ids:
                continue  # it names a run of its own
            other.run_ids[:] = [run_id]

    def _move(self, project_id: str, old_id: str, new_id: str, trace_id: bytes, received_ns: int) -> None:
        """The trace's spans name their run only now: what was counted under the trace id goes there."""
        old = self._runs.pop((project_id, old_id), None)
        self._changed.pop((project_id, old_id), None)
        self._joined.pop((project_id, trace_id, old_id), None)
        run = self._open(project_id, new_id, trace_id, received_ns)
        if old is None:
            self._touch(run, (project_id, new_id), received_ns)
            return
        run.span_count += old.span_count
        run.byte_count += old.byte_count
        for other in map(bytes.fromhex, old.trace_ids):
            self._open(project_id, new_id, other, received_ns)
            self._trace((project_id, other)).run_ids[:] = [new_id]
        self._touch(run, (project_id, new_id), received_ns, old.reason if old.state is RunState.SETTLING else None)

    def _open(
        self, project_id: str, run_id: str, trace_id: bytes, received_ns: int, *, is_new: bool = False
    ) -> _OpenRun:
        """The unclosed run, a closed one taken up again for late spans, or one surely new (``is_new``)."""
        key = (project_id, run_id)
        run = self._runs.get(key)
        if run is None:
            record = None if is_new else self._get_record(project_id, run_id)
            if record is None:
                record = RunRecord(project_id=project_id, run_id=run_id, first_seen_ns=received_ns)
            run = self._runs[key] = _take_up(record, RunState.OPEN)
        if trace_id.hex() not in run.trace_ids:
            run.trace_ids[trace_id.hex()] = None
            self._joined[project_id, trace_id, run_id] = None
            self._changed[key] = None
        return run

    @staticmethod
    def _count(run: _OpenRun, trace: _Trace, count: int, span_bytes: int) -> None:
        run.span_count += count + trace.span_count
        run.byte_count += count * span_bytes + trace.byte_count
        if run.closed_by is not None:
            run.late_spans += count
        trace.span_count = trace.byte_count = 0

    def _touch(self, run: _OpenRun, key: RunKey, received_ns: int, ended: ClosedBy | None = None) -> None:
        """Move the run's due time after something arrived for it."""
        run.last_seen_ns = received_ns
        state = run.state
        if run.span_count >= self._settings.max_run_spans and run.closed_by is None:
            reason = ClosedBy.SPAN_CAP
        elif run.closed_by is None and run.byte_count >= self._settings.max_run_bytes:
            reason = ClosedBy.BYTE_CAP
        elif run.closed_by in _CAPS:
            reason = ClosedBy.IDLE_TIMEOUT  # reading a huge run again after every late span would be quadratic
        elif ended is not None or run.closed_by is not None:
            reason = ended or ClosedBy.ROOT_ENDED
        else:
            reason = run.reason if state is RunState.SETTLING else ClosedBy.IDLE_TIMEOUT
        if reason is not ClosedBy.IDLE_TIMEOUT:
            run.state = RunState.SETTLING
        if run.state is not state:
            self._changed[key] = None
        self._schedule(run, key, received_ns, reason)

    def _schedule(self, run: _OpenRun, key: RunKey, now_ns: int, reason: ClosedBy) -> None:
        delay = {
            ClosedBy.IDLE_TIMEOUT: self._settings.idle_seconds,
            ClosedBy.ROOT_ENDED: self._settings.settle_seconds,
        }.get(reason, 0.0)
        before, run.reason = run.due_ns, reason
        run.due_ns = now_ns + int(delay * _NS)
        if before == 0 or run.due_ns < before:  # a later due time is found when the old entry is popped
            heapq.heappush(self._due, (run.due_ns, key))

    @staticmethod
    def _row(run: _OpenRun) -> RunRecord:
        return replace(
            run.record,
            trace_ids=tuple(run.trace_ids),
            state=run.state,
            closed_by=run.closed_by,
            span_count=run.span_count,
            late_spans=run.late_spans,
            last_seen_ns=run.last_seen_ns or run.record.last_seen_ns,
        )


def _take_up(record: RunRecord, state: RunState) -> _OpenRun:
    """The run of a row, with what the row has counted."""
    return _OpenRun(
        record,
        dict.fromkeys(record.trace_ids),
        state,
        record.closed_by,
        span_count=record.span_count,
        late_spans=record.late_spans,
    )


def _end_reason(span: SpanRecord) -> ClosedBy | None:
    """Whether this span's end may be its run's end.

    A named run inside a larger trace has a root with a parent; the agent side marks it with ``reflect.task``.
    """
    values = span.attributes
    if values.get(keys.REFLECT_RUN_COMPLETE):
        return ClosedBy.EXPLICIT_END
    if span.is_local_root or (keys.REFLECT_RUN_ID in values and keys.REFLECT_TASK in values):
        return ClosedBy.ROOT_ENDED
    return None
