"""The ``Store`` port on one DuckDB file."""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reflect_otel.attributes import GEN_AI_RESPONSE_ID
from reflect_otel.errors import NotFound
from reflect_otel.model.governance import ANY_MEMORY, MemoryFilter
from reflect_otel.model.lift import ArmCount, LiftScope
from reflect_otel.model.memory import Memory, UtilityEvent
from reflect_otel.model.model_call import ModelCall, Spending
from reflect_otel.model.project_settings import ProjectSettings, build_document, read_document
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.model.review import Review, ReviewStatus
from reflect_otel.model.review_keys import ReviewKey, build_unknown_review
from reflect_otel.model.spans import Run
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import (
    Clock,
    LearningCase,
    LearningEvidence,
    LearningJob,
    LearningOutcome,
    RunDetail,
    RunFilter,
    StoredVector,
    Succession,
    TelemetryBatch,
    Vector,
)
from reflect_otel.store import families, memory_rows, model_calls, run_rows
from reflect_otel.store.columns import storable_text
from reflect_otel.store.database import Database
from reflect_otel.store.duckdb_governance import DuckDBGovernance
from reflect_otel.store.joining import delete_runs, join_traces
from reflect_otel.store.learning_evidence import find_cases, find_evidence
from reflect_otel.store.learning_jobs import JobsChanged, end_jobs, find_next_jobs, queue_jobs, write_outcomes
from reflect_otel.store.reviews import (
    WaitingReview,
    delete_surplus,
    find_reviews,
    find_waiting,
    is_withdrawn,
    resolve_runs,
    write_review,
    write_signal,
    write_waiting,
    write_withdrawal,
)
from reflect_otel.store.run_details import build_details
from reflect_otel.store.servings import find_arm_counts, write_servings
from reflect_otel.store.session import Session
from reflect_otel.store.telemetry import KnownTraces, group_by_run, read_logs, read_spans, write_logs, write_spans
from reflect_otel.store.trajectories import find_trajectory, iter_trajectories, write_trajectories
from reflect_otel.store.value_json import read_json, write_json

_LATEST = (2**63 - 1, "\U0010ffff")


class DuckDBStore(DuckDBGovernance):
    """Everything durable, in one DuckDB file that this process owns until ``close``.

    Args:
        path: the database file; created when missing.
        clock: stamps schema versions and queued jobs.

    Raises:
        StoreLocked: another process has the file; names its PID.
        SchemaMismatch: a newer release wrote it.
        StoreError: it is damaged, or not a database of ours.
    """

    def __init__(self, path: Path | str, *, clock: Clock = time.time_ns) -> None:
        self._clock = clock
        self._database = Database(Path(path), clock)
        self._claims: dict[tuple[str, str], int] = {}
        with self._database.read() as session:
            arrival, ordinal = session.fetch("find_counters")[0]
            self._waiting_count = int(session.fetch("count_review_signals")[0][0])
        self._next_arrival = int(arrival) + 1
        self._ordinals = itertools.count(int(ordinal) + 1)

    # --- telemetry

    def write_telemetry(self, batch: TelemetryBatch) -> None:
        """See ``TelemetryStore``."""
        with self._database.write() as session:
            known = KnownTraces(session, _iter_traces(batch))
            self._write_records(session, batch, known)
            run_rows.write_runs(session, batch.runs, known)
            join_traces(session, batch.joined, known, self._clock, self._next_ordinal)
            write_servings(session, batch.served, self._next_ordinal)
            self._write_reviews(session, batch)
            session.execute("update_journal_offset", sequence=batch.journal_offset)

    def journal_offset(self) -> int:
        """See ``TelemetryStore``."""
        with self._database.read_once() as session:
            return int(session.fetch("find_journal_offset")[0][0])

    def find_telemetry(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, Run]:
        """See ``TelemetryStore``."""
        wanted = {storable_text(run_id): run_id for run_id in run_ids}
        with self._database.read() as session:
            joined = run_rows.find_traces(session, project_id, list(wanted))
            traces = {wanted[stored]: members for stored, members in joined.items()}
            trace_ids = list({trace_id for members in traces.values() for trace_id in members})
            spans = read_spans(session, project_id, trace_ids)
            logs = read_logs(session, project_id, trace_ids)
        return group_by_run(traces, spans, logs)

    def find_run_ids(self, project_id: str, trace_ids: Iterable[bytes]) -> Mapping[bytes, Sequence[str]]:
        """See ``TelemetryStore``."""
        with self._database.read() as session:
            return run_rows.find_run_ids(session, project_id, trace_ids)

    def count_spans(self) -> int:
        """See ``TelemetryStore``."""
        with self._database.read_once() as session:
            return int(session.fetch("count_spans")[0][0])

    # --- runs

    def write_runs(self, read: Sequence[tuple[RunRecord, Trajectory | None]]) -> None:
        """See ``RunStore``."""
        records = [record for record, _ in read]
        with self._database.write() as session:
            known = KnownTraces(session, itertools.chain.from_iterable(map(run_rows.find_named_traces, records)))
            known.write_extents(session, (), 0)
            run_rows.write_runs(session, records, known)
            for project_id, group in _by_project(read).items():
                write_trajectories(session, project_id, group, self._next_ordinal)

    def find_run(self, project_id: str, identifier: str) -> RunDetail | None:
        """See ``RunStore``."""
        with self._database.read() as session:
            record = run_rows.find_record_by_identifier(session, project_id, identifier)
            return build_details(session, project_id, [record])[0] if record else None

    def find_runs(self, project_id: str, only: RunFilter, limit: int) -> Sequence[RunDetail]:
        """See ``RunStore``."""
        before_ns, before_run_id = only.before or _LATEST
        wanted: dict[str, Any] = {
            "project_id": project_id,
            "agent": only.agent,
            "session_id": only.session_id,
            "before_ns": before_ns,
            "before_run_id": before_run_id,
            "limit": limit,
        }
        with self._database.read() as session:
            if only.review_status is None:
                rows = session.fetch("find_runs", **wanted)
            else:
                is_learned = only.review_status == ReviewStatus.REVIEWED.value
                rows = session.fetch("find_runs_by_review", is_learned=is_learned, **wanted)
            return build_details(session, project_id, [run_rows.read_run(row) for row in rows])

    def count_runs(self) -> int:
        """See ``RunStore``."""
        with self._database.read_once() as session:
            return int(session.fetch("count_runs")[0][0])

    def find_unclosed_runs(self) -> Sequence[RunRecord]:
        """See ``RunStore``."""
        with self._database.read_once() as session:
            return [run_rows.read_run(row) for row in session.fetch("find_unclosed_runs")]

    def get_trajectory(self, project_id: str, run_id: str) -> Trajectory:
        """See ``RunStore``."""
        with self._database.read() as session:
            trajectory = find_trajectory(session, project_id, run_id)
        if trajectory is None:
            raise _no_run(run_id, "is unknown or has not been read yet")
        return trajectory

    def iter_trajectories(self, project_id: str, run_ids: Iterable[str]) -> Iterator[tuple[str, Trajectory]]:
        """See ``RunStore``."""
        with self._database.read() as session:
            yield from iter_trajectories(session, project_id, run_ids)

    def write_review(self, project_id: str, run_id: str, review: Review) -> bool:
        """See ``RunStore``."""
        run_id = storable_text(run_id)
        with self._database.write() as session:
            if not run_rows.is_known(session, project_id, run_id):
                raise _no_run(run_id, "is unknown")
            return write_review(session, project_id, run_id, review, self._clock, self._next_ordinal)

    def write_withdrawal(self, project_id: str, run_id: str, key: ReviewKey) -> bool:
        """See ``RunStore``."""
        run_id = storable_text(run_id)
        with self._database.write() as session:
            if not run_rows.is_known(session, project_id, run_id):
                raise _no_run(run_id, "is unknown")
            if write_withdrawal(session, project_id, run_id, key, self._clock):
                return True
            if is_withdrawn(session, project_id, run_id, key):
                return False
            raise build_unknown_review(run_id, key, find_reviews(session, project_id, [run_id]).get(run_id, ()))

    def delete_runs(self, project_id: str, run_ids: Sequence[str]) -> int:
        """See ``RunStore``."""
        with self._database.write() as session:
            return delete_runs(session, project_id, run_ids)

    # --- memories

    def claim_jobs(self, limit: int) -> Sequence[LearningJob]:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            found = find_next_jobs(session, limit)
        self._claims |= {(job.project_id, job.run_id): generation for job, generation in found}
        return [job for job, _ in found]

    def find_cases(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, LearningCase]:
        """See ``MemoryStore``."""
        with self._database.read() as session:
            return find_cases(session, project_id, run_ids)

    def find_evidence(self, project_id: str, run_ids: Sequence[str], memory_ids: Sequence[str]) -> LearningEvidence:
        """See ``MemoryStore``."""
        with self._database.read() as session:
            return find_evidence(session, project_id, run_ids, memory_ids)

    def write_learning(self, *outcomes: LearningOutcome) -> bool:
        """See ``MemoryStore``."""
        project_id, run_ids = outcomes[0].job.project_id, [outcome.job.run_id for outcome in outcomes]
        claimed = {run_id: self._claims.get((project_id, run_id), 0) for run_id in run_ids}
        try:
            with self._database.write() as session:
                end_jobs(session, project_id, claimed)
                write_outcomes(session, project_id, outcomes, self._clock())
        except JobsChanged:
            return False
        for run_id in run_ids:
            self._claims.pop((project_id, run_id), None)
        return True

    def write_job_failure(self, job: LearningJob, error: str, *, park: bool) -> None:
        """See ``MemoryStore``."""
        with self._database.write() as session:
            session.execute(
                "update_job_failure",
                project_id=job.project_id,
                run_id=job.run_id,
                generation=self._claims.get((job.project_id, job.run_id), 0),
                attempts=job.attempts + 1,
                last_error=error,
                parked=park,
            )

    def write_memory(self, project_id: str, stored: StoredVector) -> None:
        """See ``MemoryStore``."""
        with self._database.write() as session:
            memory_rows.write_memory(session, project_id, stored.memory)
            memory_rows.delete_stale_vectors(session, project_id, stored.memory.id, stored.embedder_id)
            memory_rows.write_vectors(session, stored)

    def find_memory(self, project_id: str, memory_id: str) -> Memory | None:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return memory_rows.find_memory(session, project_id, memory_id)

    def find_memories(
        self,
        project_id: str,
        *,
        before: tuple[int, str] | None,
        limit: int,
        only: MemoryFilter = ANY_MEMORY,
    ) -> Sequence[Memory]:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return memory_rows.find_memories(session, project_id, only, before, limit)

    def find_speakers(self, project_id: str, memory_ids: Iterable[str]) -> Mapping[str, Memory]:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return families.find_speakers(session, project_id, memory_ids)

    def find_merged(
        self, project_id: str, memory_id: str, embedder_id: str
    ) -> Sequence[tuple[Memory, Vector | None]]:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return families.find_merged(session, project_id, memory_id, embedder_id)

    def write_succession(self, project_id: str, succession: Succession) -> None:
        """See ``MemoryStore``."""
        with self._database.write() as session:
            families.write_succession(session, project_id, succession)

    def find_vectors(self) -> Iterator[StoredVector]:
        """See ``MemoryStore``."""
        with self._database.read() as session:
            yield from memory_rows.iter_served_vectors(session)

    def find_unembedded(self, embedder_id: str, limit: int) -> Sequence[tuple[str, Memory]]:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return memory_rows.find_unembedded(session, embedder_id, limit)

    def write_vectors(self, vectors: Sequence[StoredVector]) -> Sequence[StoredVector]:
        """See ``MemoryStore``."""
        with self._database.write() as session:
            return memory_rows.write_missing_vectors(session, vectors)

    def delete_other_vectors(self, embedder_id: str) -> None:
        """See ``MemoryStore``."""
        with self._database.write() as session:
            session.execute("delete_vectors_of_embedders", kept_embedder_id=embedder_id)

    def count_embedded(self) -> Mapping[str, int]:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return {str(embedder_id): int(count) for embedder_id, count in session.fetch("count_embedded")}

    def count_active_memories(self) -> int:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return int(session.fetch("count_active_memories")[0][0])

    def find_utility_events(
        self,
        project_id: str,
        *,
        memory_ids: Sequence[str] = (),
        run_id: str | None = None,
        run_ids: Sequence[str] = (),
    ) -> Sequence[UtilityEvent]:
        """See ``MemoryStore``."""
        runs = run_ids if run_id is None else [*run_ids, run_id]
        with self._database.read_once() as session:
            return memory_rows.find_utility_events(session, project_id, memory_ids, runs)

    # --- language models

    def write_model_call(self, project_id: str, call: ModelCall) -> None:
        """See ``ModelCallLedger``."""
        with self._database.write() as session:
            model_calls.write_model_call(session, project_id, call)

    def read_spending(self, project_id: str, since_ns: int) -> Spending:
        """See ``ModelCallLedger``."""
        with self._database.read_once() as session:
            return model_calls.read_spending(session, project_id, since_ns)

    def find_reflection(self, project_id: str, run_id: str) -> ReflectionRecord | None:
        """See ``ModelCallLedger``."""
        with self._database.read_once() as session:
            return model_calls.find_reflection(session, project_id, run_id)

    def find_unjudged_runs(self, since_ns: int, until_ns: int, max_tries: int, limit: int) -> Sequence[RunRecord]:
        """See ``ModelCallLedger``."""
        with self._database.read_once() as session:
            return model_calls.find_unjudged_runs(session, since_ns, until_ns, max_tries, limit)

    # --- projects

    def find_project_settings(self) -> Mapping[str, ProjectSettings]:
        """See ``ProjectStore``."""
        with self._database.read_once() as session:
            rows = session.fetch("find_project_settings")
        return {project_id: read_document(read_json(document)) for project_id, document in rows}

    def write_project_settings(
        self, project_id: str, settings: ProjectSettings, *, relearned_run_ids: Sequence[str] = ()
    ) -> None:
        """See ``ProjectStore``."""
        with self._database.write() as session:
            session.execute(
                "write_project_settings", project_id=project_id, document=write_json(build_document(settings))
            )
            queue_jobs(session, project_id, relearned_run_ids, self._clock())

    def find_reviewed_runs(self, project_id: str) -> Sequence[str]:
        """See ``RunStore``."""
        with self._database.read() as session:
            return [str(run_id) for (run_id,) in session.fetch("find_reviewed_runs", project_id=project_id)]

    def find_arm_counts(
        self,
        project_id: str,
        scope: LiftScope,
        *,
        since_ns: int = 0,
        agent: str | None = None,
        memory_id: str | None = None,
    ) -> Sequence[ArmCount]:
        """See ``LiftStore``."""
        with self._database.read_once() as session:
            return find_arm_counts(session, project_id, scope, since_ns, agent, memory_id)

    def close(self) -> None:
        """See ``Store``."""
        self._database.close()

    # --- inside

    def _next_ordinal(self) -> int:
        return next(self._ordinals)

    def _write_records(self, session: Session, batch: TelemetryBatch, known: KnownTraces) -> None:
        first = self._next_arrival
        records = write_spans(session, batch.spans, known, first, batch.received_ns)
        records += write_logs(session, batch.logs, first + len(records), batch.received_ns)
        known.write_extents(session, records, first)
        self._next_arrival += len(records)

    def _write_reviews(self, session: Session, batch: TelemetryBatch) -> None:
        """Attach the batch's reviews, and those that have waited for what it brings; the rest goes on waiting."""
        reviews = self._find_awaited(session, batch) + [WaitingReview(*item) for item in batch.reviews]
        if not reviews:
            return
        settled: list[int] = []
        waiting: list[str] = []
        for item, run_id in zip(reviews, resolve_runs(session, reviews), strict=True):
            if run_id is not None:
                write_signal(session, item.project_id, run_id, item.signal, self._clock, self._next_ordinal)
                settled += [item.ordinal] if item.ordinal else []
            elif not item.ordinal and write_waiting(session, item, self._next_ordinal):
                waiting.append(item.project_id)
        if settled:
            session.execute("delete_review_signals", ordinals=tuple(settled))
        if waiting:
            self._waiting_count = delete_surplus(session, waiting, self._waiting_count + len(waiting))

    def _find_awaited(self, session: Session, batch: TelemetryBatch) -> list[WaitingReview]:
        if not self._waiting_count:
            return []
        run_ids = {record.run_id for record in batch.runs} | {run_id for _, _, run_id in batch.joined}
        trace_ids = {trace_id for _, trace_id, _ in batch.joined} | {span.trace_id for _, span in batch.spans}
        response_ids = {str(span.attributes.get(GEN_AI_RESPONSE_ID, "")) for _, span in batch.spans}
        return find_waiting(session, run_ids | {trace.hex() for trace in trace_ids}, response_ids - {""}, trace_ids)


def _iter_traces(batch: TelemetryBatch) -> Iterator[tuple[str, bytes]]:
    yield from ((project_id, span.trace_id) for project_id, span in batch.spans)
    yield from ((project_id, log.trace_id) for project_id, log in batch.logs if log.trace_id)
    yield from ((project_id, trace_id) for project_id, trace_id, _ in batch.joined)
    for record in batch.runs:
        yield from run_rows.find_named_traces(record)


def _by_project(read: Iterable[tuple[RunRecord, Trajectory | None]]) -> dict[str, dict[str, Trajectory]]:
    groups: dict[str, dict[str, Trajectory]] = {}
    for record, trajectory in read:
        if trajectory is not None:
            groups.setdefault(record.project_id, {})[record.run_id] = trajectory
    return groups


def _no_run(run_id: str, why: str) -> NotFound:
    return NotFound(f"run {run_id!r} {why} in this project", resource_type="run", resource_name=run_id)
