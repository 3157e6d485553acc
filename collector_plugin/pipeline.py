"""From accepted bytes to closed runs: journal, decode, assemble, store, read, wake the learning loop.

``Pipeline`` is the service's ``Intake``. What it accepts is fsynced before the call returns; one background thread
turns it into rows, exactly once, because the journal offset is committed together with them.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from collector_plugin.arrivals import Arrival, RecordKind, read_arrivals, write_served
from collector_plugin.closing import RunCloser
from collector_plugin.set_aside import SetAside, is_lasting
from reflect_otel.capture.run_span import build_trace_request
from reflect_otel.errors import InvalidArgument, StoreError, Unavailable
from reflect_otel.journal import Journal, JournalRecord
from reflect_otel.model.memory import Served
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.model.review import ReviewSignal
from reflect_otel.model.spans import ClosedBy
from reflect_otel.model.trace import RunRecord, TraceDraft
from reflect_otel.ports import Clock, Settings, Store, TelemetryBatch
from reflect_otel.runs.assembler import RunAssembler
from reflect_otel.runs.review_trigger import find_log_review, find_span_reviews

logger = logging.getLogger(__name__)

_BATCH_RECORDS: Final = 64
_BATCH_BYTES: Final = 8 * 1024 * 1024
_CLOSE_BATCH: Final = 128
_CLOSE_BATCH_WHILE_BUSY: Final = 16
"""Reading runs costs ten times what storing them does; a backlog of telemetry goes first."""
_IDLE_WAIT_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0
_LOCK_SECONDS: Final = 5.0


class Pipeline:
    """The durable front door and the thread behind it.

    Args:
        journal: where accepted bytes go first.
        store: where they end up.
        settings: delays, caps, and which evaluations are reviews.
        find_project_settings: what a project decides of that for itself.
        clock: Unix time in nanoseconds.
        on_changed: called with (project id, run id, trace ids) after a commit that changed the run; must not block.
        on_closed: called after runs were closed or reviewed; wakes the learning loop.
        set_aside: keeps what the store will never take.
    """

    def __init__(
        self,
        journal: Journal,
        store: Store,
        settings: Settings,
        find_project_settings: Callable[[str], ProjectSettings],
        clock: Clock,
        on_changed: Callable[[str, str, Sequence[str]], None],
        on_closed: Callable[[], None],
        set_aside: SetAside,
    ) -> None:
        self._journal = journal
        self._store = store
        self._settings = settings
        self._find_project_settings = find_project_settings
        self._clock = clock
        self._on_changed = on_changed
        self._on_closed = on_closed
        self._lock = threading.Lock()
        self._progress = threading.Condition()
        self._stopping = threading.Event()
        self._committed = store.journal_offset()
        self._failure = ""
        self._closing = 0
        self._set_aside = set_aside
        self._closer = RunCloser(store, self._settings_of)
        self._assembler = self._resume_runs()
        self._is_ahead = False
        self._thread = threading.Thread(target=self._run, name="reflect-pipeline", daemon=True)

    def start(self) -> None:
        """Begin turning the journal into rows, from where the last process stopped."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> bool:
        """Finish what is journalled if time allows; what is left is taken up by the next start."""
        end = time.monotonic() + timeout_seconds
        if self._thread.is_alive():
            self.wait_committed(timeout_seconds)
            self._stopping.set()
            self._thread.join(max(0.1, end - time.monotonic()))
        return not self._thread.is_alive()

    @property
    def failure(self) -> str:
        """Why rows cannot be written at the moment; empty when they can."""
        return self._failure

    @property
    def pending_records(self) -> int:
        """Journal records that are not in the store yet."""
        return max(0, self._journal.last_sequence - self._committed)

    @property
    def unclosed_runs(self) -> int:
        """Runs that are open, settling, or closed without their rows being committed yet."""
        return len(self._assembler) + self._closing  # in this order: a run is never in neither

    @property
    def set_aside_requests(self) -> int:
        """Accepted requests that can never be stored."""
        return self._set_aside.count

    def accept(self, kind: RecordKind, project_id: str, body: bytes) -> None:
        """Make a checked OTLP request durable.

        Args:
            kind: what ``body`` holds.
            project_id: the credential's project; empty = each resource's ``reflect.project.id`` decides.
            body: a serialised export request.

        Raises:
            StoreError: when the disk does not take it; nothing was accepted then.
        """
        self._journal.append(kind, project_id, self._clock(), body)

    def submit_trace(self, project_id: str, draft: TraceDraft) -> None:
        """Accept a whole run as if its spans had arrived over OTLP."""
        request = build_trace_request(draft, self._clock())
        self._journal.append(RecordKind.TRACES, project_id, self._clock(), request.SerializeToString())

    def submit_served(self, project_id: str, served: Sequence[Served]) -> None:
        """Note what was handed out; durable within the next group commit."""
        self._journal.append_nowait(RecordKind.SERVED, project_id, self._clock(), write_served(served))

    def wait_committed(self, timeout_seconds: float) -> bool:
        """Wait until all that was accepted before this call is in the store; False when time ran out."""
        end = time.monotonic() + timeout_seconds
        try:
            target = self._journal.flush(timeout_seconds)
        except StoreError:
            return False
        with self._progress:
            return self._progress.wait_for(lambda: self._committed >= target, max(0.0, end - time.monotonic()))

    def wait_closed(self, timeout_seconds: float) -> bool:
        """Wait until what was accepted before is in the store and no run is open; False when time ran out."""
        end = time.monotonic() + timeout_seconds
        if not self.wait_committed(timeout_seconds):
            return False
        with self._progress:
            return self._progress.wait_for(lambda: self.unclosed_runs == 0, max(0.0, end - time.monotonic()))

    def close_run(self, project_id: str, run_id: str) -> None:
        """Close a run that is still open, read it and commit it; a closed one is left alone."""
        self.wait_committed(_LOCK_SECONDS)  # spans acknowledged before the call belong to the run
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            raise Unavailable(f"the store takes no writes at the moment ({self._failure or 'busy'}); try again")
        try:
            if self._assembler.is_unclosed(project_id, run_id):
                self._close([self._assembler.close(project_id, run_id, ClosedBy.EXPLICIT_END)])
        finally:
            self._lock.release()
        self._on_closed()

    def forget_runs(self, project_id: str, run_ids: Sequence[str]) -> None:
        """Drop deleted runs from memory."""
        with self._lock:
            self._assembler.forget(project_id, run_ids)

    def _resume_runs(self) -> RunAssembler:
        """The unclosed runs as the store has them."""
        unclosed = self._store.find_unclosed_runs()
        return RunAssembler(self._settings, self._store.find_run_ids, self._find_record, unclosed, self._clock())

    def _find_record(self, project_id: str, run_id: str) -> RunRecord | None:
        detail = self._store.find_run(project_id, run_id)
        return detail.record if detail and detail.record.run_id == run_id else None

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception as error:
                self._failure = f"{type(error).__name__}: {error}"
                logger.exception("the pipeline stumbled; trying again, nothing acknowledged is lost")
                self._stopping.wait(_RETRY_SECONDS)

    def _step(self) -> None:
        """Commit what has come, then close what is due; sleep when there is neither."""
        records = self._journal.read(self._committed, _BATCH_RECORDS, _BATCH_BYTES)
        if records:
            self._commit(records)
        elif not self._close_due(_CLOSE_BATCH):
            self._journal.wait(self._committed, self._wait_seconds())
        self._failure = ""

    def _wait_seconds(self) -> float:
        due_ns = self._assembler.next_due_ns()
        if due_ns is None:
            return _IDLE_WAIT_SECONDS
        return min(_IDLE_WAIT_SECONDS, max(0.001, (due_ns - self._clock()) / 1e9))

    def _commit(self, records: Sequence[JournalRecord]) -> None:
        written: list[TelemetryBatch] = []
        try:
            with self._lock:  # rows of open runs must not land after the row of their closing
                self._write_records(records, written)
            if written:
                # a run that came whole is readable before anyone is told that it is committed
                self._close_due(_CLOSE_BATCH_WHILE_BUSY)
        finally:
            for batch in written:
                self._tell_committed(batch)

    def _write_records(self, records: Sequence[JournalRecord], written: list[TelemetryBatch]) -> None:
        """Write them together; each by itself when one of them can never be stored. ``written`` gets what is."""
        try:
            batch = self._build_batch(records)
            if self._write(batch):
                written.append(batch)
        except Exception as error:
            if not is_lasting(error):
                raise
            for record in records:
                if not self._write_alone(record, written):
                    return

    def _write_alone(self, record: JournalRecord, written: list[TelemetryBatch]) -> bool:
        """Write a record, or set it aside and write that it is behind us; False when there was no time left."""
        try:
            batch = self._build_batch([record])
            is_written = self._write(batch)
        except Exception as error:
            if not is_lasting(error):
                raise
            self._set_aside.keep(record, error)
            batch = TelemetryBatch(journal_offset=record.sequence, received_ns=record.received_ns)
            is_written = self._write(batch)
        if is_written:
            written.append(batch)
        return is_written

    def _tell_committed(self, batch: TelemetryBatch) -> None:
        with self._progress:
            self._committed = batch.journal_offset
            self._progress.notify_all()
        self._journal.trim(self._committed)
        for record in batch.runs:
            self._on_changed(record.project_id, record.run_id, record.trace_ids)
        if batch.reviews:
            self._on_closed()

    def _write(self, batch: TelemetryBatch) -> bool:
        """Write until it succeeds: an acknowledged record may wait, it may not be dropped.

        Raises:
            Exception: it never will; ``is_lasting`` is true of it.
        """
        while not self._stopping.is_set():
            try:
                self._store.write_telemetry(batch)
            except StoreError as error:
                if is_lasting(error):
                    raise
                self._failure = str(error)
                logger.exception("cannot write telemetry; trying again, nothing acknowledged is lost")
                self._stopping.wait(_RETRY_SECONDS)
            else:
                self._failure = ""
                self._is_ahead = False
                return True
        return False

    def _build_batch(self, records: Sequence[JournalRecord]) -> TelemetryBatch:
        if self._is_ahead:  # of the store: what it took in was not written
            self._assembler = self._resume_runs()
        self._is_ahead = True
        arrivals = [arrival for record in records for arrival in self._read_arrivals(record)]
        self._remember_traces(arrivals)
        reviews: list[tuple[str, ReviewSignal]] = []
        for arrival in arrivals:
            reviews += self._assemble(arrival)
        assembly = self._assembler.take_changes()
        return TelemetryBatch(
            journal_offset=records[-1].sequence,
            received_ns=records[-1].received_ns,
            spans=[(arrival.project_id, span) for arrival in arrivals for span in arrival.spans],
            logs=[(arrival.project_id, log) for arrival in arrivals for log in arrival.logs],
            served=[(arrival.project_id, item) for arrival in arrivals for item in arrival.served],
            reviews=reviews,
            joined=assembly.joined,
            runs=assembly.runs,
        )

    def _read_arrivals(self, record: JournalRecord) -> Sequence[Arrival]:
        try:
            return list(read_arrivals(record))
        except InvalidArgument as error:  # checked when it was accepted, so written by another release
            self._set_aside.keep(record, error)
            return []

    def _assemble(self, arrival: Arrival) -> Sequence[tuple[str, ReviewSignal]]:
        """Take an arrival into its runs; the reviews in it.

        One that cannot be taken in is stored all the same: it must not keep those behind it from being so.
        """
        project_id = arrival.project_id
        try:
            self._assembler.add_spans(project_id, arrival.spans, arrival.received_ns, arrival.span_bytes)
            self._assembler.add_logs(project_id, arrival.logs, arrival.received_ns)
            return [(project_id, signal) for signal in self._find_reviews(arrival)]
        except StoreError:
            raise
        except Exception:
            logger.exception(
                "telemetry of project %r cannot be taken into its runs; it is stored without", project_id
            )
            return []

    def _remember_traces(self, arrivals: Sequence[Arrival]) -> None:
        """Look up the batch's traces in one go: a query a request would cost as much as all the rest."""
        traces: dict[str, set[bytes]] = {}
        for arrival in arrivals:
            named = traces.setdefault(arrival.project_id, set())
            named.update(span.trace_id for span in arrival.spans)
            named.update(log.trace_id for log in arrival.logs if log.trace_id)
        for project_id, trace_ids in traces.items():
            self._assembler.remember(project_id, trace_ids)

    def _find_reviews(self, arrival: Arrival) -> Iterator[ReviewSignal]:
        settings = self._settings_of(arrival.project_id)
        for span in arrival.spans:
            yield from find_span_reviews(span, settings)
        for log in arrival.logs:
            signal = find_log_review(log, settings)
            if signal is not None:
                yield signal

    def _settings_of(self, project_id: str) -> Settings:
        return self._settings.for_project(self._find_project_settings(project_id))

    def _close_due(self, limit: int) -> int:
        with self._lock:
            due = self._assembler.find_due(self._clock(), limit)
            self._closing = len(due)
            try:
                self._close([self._assembler.close(*key) for key in due])
            finally:
                self._closing = 0
        if due:
            self._on_closed()
            with self._progress:
                self._progress.notify_all()
        return len(due)

    def _close(self, records: Sequence[RunRecord]) -> None:
        """Read closed runs and commit them together; those that cannot be committed now are closed again later."""
        try:
            closed = self._closer.commit(records)
        except BaseException:
            self._assembler.reopen(records, self._clock())
            raise
        for record in closed:
            self._on_changed(record.project_id, record.run_id, record.trace_ids)
