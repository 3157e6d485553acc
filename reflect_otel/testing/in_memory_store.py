"""A whole ``Store`` in dictionaries, for tests of whoever builds on the ports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reflect_otel.attributes import GEN_AI_RESPONSE_ID
from reflect_otel.errors import NotFound
from reflect_otel.model.governance import ANY_MEMORY, MemoryFilter
from reflect_otel.model.memory import Memory, MemoryStatus, UtilityEvent
from reflect_otel.model.model_call import CallPurpose
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.model.review import Review, ReviewSignal
from reflect_otel.model.review_keys import ReviewKey, build_unknown_review, find_change_time, is_overtaken
from reflect_otel.model.spans import LogRecord, Run, RunState, SpanRecord
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import (
    LearningCase,
    LearningEvidence,
    LearningJob,
    LearningOutcome,
    RunDetail,
    RunFilter,
    StoredVector,
    TelemetryBatch,
    Vector,
)
from reflect_otel.testing.in_memory_governance import InMemoryGovernance
from reflect_otel.testing.in_memory_model_calls import InMemoryModelCalls
from reflect_otel.testing.in_memory_projects import InMemoryProjects
from reflect_otel.testing.run_entry import RunEntry, age, is_claimable, is_unjudged, matches


class InMemoryStore(InMemoryModelCalls, InMemoryGovernance, InMemoryProjects):
    """A ``Store`` in dictionaries: complete, not durable. Safe to call from any thread."""

    def __init__(self) -> None:
        InMemoryModelCalls.__init__(self)
        InMemoryGovernance.__init__(self)
        InMemoryProjects.__init__(self, self._lock, self.find_speakers)
        self._offset = 0
        self._spans: dict[tuple[str, bytes, bytes], SpanRecord] = {}
        self._logs: list[tuple[str, LogRecord]] = []
        self._waiting_reviews: list[tuple[str, ReviewSignal]] = []

    # --- telemetry --------------------------------------------------------------------------------------

    def write_telemetry(self, batch: TelemetryBatch) -> None:
        """See ``TelemetryStore``."""
        with self._lock:
            for project_id, span in batch.spans:
                self._spans.setdefault((project_id, span.trace_id, span.span_id), span)
            self._logs += [item for at, item in enumerate(batch.logs) if item not in (*self._logs, *batch.logs[:at])]
            for project_id, trace_id, run_id in batch.joined:
                self._join(project_id, trace_id, run_id)
            for record in batch.runs:
                self._upsert(record)
            self._waiting_reviews = [
                item for item in (*self._waiting_reviews, *batch.reviews) if not self._take(*item)
            ]
            self._served += [item for item in batch.served if item not in self._served]
            self.note_served(batch.served)
            self._offset = batch.journal_offset

    def journal_offset(self) -> int:
        """See ``TelemetryStore``."""
        return self._offset

    def find_telemetry(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, Run]:
        """See ``TelemetryStore``."""
        with self._lock:
            found = {run_id: self._build_run(project_id, run_id) for run_id in run_ids}
        return {run_id: run for run_id, run in found.items() if run.spans or run.logs}

    def _build_run(self, project_id: str, run_id: str) -> Run:
        traces = {
            trace for (project, trace), runs in self._joined.items() if project == project_id and run_id in runs
        }
        spans = tuple(
            span for (project, _, _), span in self._spans.items() if project == project_id and span.trace_id in traces
        )
        logs = tuple(log for project, log in self._logs if project == project_id and log.trace_id in traces)
        return Run(run_id=run_id, spans=spans, logs=logs)

    def find_run_ids(self, project_id: str, trace_ids: Iterable[bytes]) -> Mapping[bytes, Sequence[str]]:
        """See ``TelemetryStore``."""
        with self._lock:
            found = {trace: self._joined.get((project_id, trace)) for trace in trace_ids}
            return {trace: list(runs) for trace, runs in found.items() if runs}

    def count_spans(self) -> int:
        """See ``TelemetryStore``."""
        return len(self._spans)

    # --- runs -------------------------------------------------------------------------------------------

    def write_runs(self, read: Sequence[tuple[RunRecord, Trajectory | None]]) -> None:
        """See ``RunStore``."""
        with self._lock:
            for record, trajectory in read:
                entry = self._upsert(record)
                if trajectory is not None:
                    entry.trajectory = trajectory

    def find_run(self, project_id: str, identifier: str) -> RunDetail | None:
        """See ``RunStore``."""
        with self._lock:
            entry = self._find_entry(project_id, identifier)
            return None if entry is None else self._detail(entry)

    def find_runs(self, project_id: str, only: RunFilter, limit: int) -> Sequence[RunDetail]:
        """See ``RunStore``."""
        with self._lock:
            details = [self._detail(entry) for (project, _), entry in self._runs.items() if project == project_id]
        wanted = [detail for detail in details if matches(detail, only)]
        return sorted(wanted, key=age, reverse=True)[:limit]

    def count_runs(self) -> int:
        """See ``RunStore``."""
        with self._lock:
            return len(self._runs)

    def find_unclosed_runs(self) -> Sequence[RunRecord]:
        """See ``RunStore``."""
        with self._lock:
            return [entry.record for entry in self._runs.values() if entry.record.state is not RunState.CLOSED]

    def get_trajectory(self, project_id: str, run_id: str) -> Trajectory:
        """See ``RunStore``."""
        with self._lock:
            entry = self._runs.get((project_id, run_id))
        if entry is None or entry.trajectory is None:
            raise NotFound(f"run {run_id!r} has not been read", resource_type="run", resource_name=run_id)
        return entry.trajectory

    def iter_trajectories(self, project_id: str, run_ids: Iterable[str]) -> Iterator[tuple[str, Trajectory]]:
        """See ``RunStore``."""
        found = [(run_id, self._runs.get((project_id, run_id))) for run_id in run_ids]
        return ((run_id, entry.trajectory) for run_id, entry in found if entry and entry.trajectory is not None)

    def write_review(self, project_id: str, run_id: str, review: Review) -> bool:
        """See ``RunStore``."""
        with self._lock:
            entry = self._runs.get((project_id, run_id))
            if entry is None:
                raise NotFound(f"no run {run_id!r} in this project", resource_type="run", resource_name=run_id)
            return self._review(entry, review)

    def write_withdrawal(self, project_id: str, run_id: str, key: ReviewKey) -> bool:
        """See ``RunStore``."""
        with self._lock:
            entry = self._runs.get((project_id, run_id))
            if entry is None:
                raise NotFound(f"no run {run_id!r} in this project", resource_type="run", resource_name=run_id)
            if key in entry.reviews or key in entry.withdrawn:
                return self._withdraw(entry, key)
            raise build_unknown_review(run_id, key, list(entry.reviews.values()))

    def find_reviewed_runs(self, project_id: str) -> Sequence[str]:
        """See ``RunStore``."""
        with self._lock:
            return sorted(
                run_id for (project, run_id), e in self._runs.items() if project == project_id and e.reviews
            )

    def delete_runs(self, project_id: str, run_ids: Sequence[str]) -> int:
        """See ``RunStore``."""
        with self._lock:
            return sum(self._delete_run(project_id, run_id) for run_id in dict.fromkeys(run_ids))

    # --- memories ---------------------------------------------------------------------------------------

    def claim_jobs(self, limit: int) -> Sequence[LearningJob]:
        """See ``MemoryStore``."""
        with self._lock:
            due = [entry for entry in self._runs.values() if is_claimable(entry)]
            claimed = sorted(due, key=lambda entry: (entry.attempts, entry.queued))[:limit]
            return [entry.claim() for entry in claimed]

    def find_cases(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, LearningCase]:
        """See ``MemoryStore``."""
        with self._lock:
            found = {run_id: self._runs.get((project_id, run_id)) for run_id in run_ids}
            return {
                run_id: LearningCase(run=self._detail(entry), trajectory=entry.trajectory)
                for run_id, entry in found.items()
                if entry is not None
            }

    def find_evidence(self, project_id: str, run_ids: Sequence[str], memory_ids: Sequence[str]) -> LearningEvidence:
        """See ``MemoryStore``."""
        with self._lock:
            cases = self.find_cases(project_id, run_ids)
            concerned = sorted(
                {*memory_ids, *(memory_id for case in cases.values() for memory_id in case.run.served)}
            )
            return LearningEvidence(
                cases=cases,
                families=self._find_families(project_id, concerned, run_ids),
                quarantines=self.find_quarantines_of(project_id, memory_ids=concerned, run_ids=run_ids),
            )

    def write_learning(self, *outcomes: LearningOutcome) -> bool:
        """See ``MemoryStore``."""
        with self._lock:
            entries = [self._runs.get((outcome.job.project_id, outcome.job.run_id)) for outcome in outcomes]
            if any(entry is not None and entry.claimed != entry.reviewed for entry in entries):
                return False
            contrasting = [self._find_contrasting(outcome.job) for outcome in outcomes]
            for outcome, entry in zip(outcomes, entries, strict=True):
                self._apply(outcome.job.project_id, outcome.job.run_id, outcome)
                if entry is not None:
                    entry.learn(outcome)
            for outcome, run_ids in zip(outcomes, contrasting, strict=True):
                self._queue_runs(outcome.job.project_id, run_ids)
            return True

    def write_job_failure(self, job: LearningJob, error: str, *, park: bool) -> None:
        """See ``MemoryStore``."""
        with self._lock:
            entry = self._runs.get((job.project_id, job.run_id))
            if entry is not None:
                entry.attempts, entry.last_error, entry.parked = job.attempts + 1, error, park

    def write_memory(self, project_id: str, stored: StoredVector) -> None:
        """See ``MemoryStore``."""
        with self._lock:
            self._put(project_id, stored.memory, stored.embedder_id, stored.task_vector, stored.content_vector)

    def find_memory(self, project_id: str, memory_id: str) -> Memory | None:
        """See ``MemoryStore``."""
        with self._lock:
            return self._memories.get((project_id, memory_id))

    def find_memories(
        self,
        project_id: str,
        *,
        before: tuple[int, str] | None,
        limit: int,
        only: MemoryFilter = ANY_MEMORY,
    ) -> Sequence[Memory]:
        """See ``MemoryStore``."""
        with self._lock:
            memories = [memory for memory in self._of_project(project_id) if only.holds(memory)]
        older = [memory for memory in memories if before is None or (memory.created_ns, memory.id) < before]
        return sorted(older, key=lambda memory: (memory.created_ns, memory.id), reverse=True)[:limit]

    def find_utility_events(
        self,
        project_id: str,
        *,
        memory_ids: Sequence[str] = (),
        run_id: str | None = None,
        run_ids: Sequence[str] = (),
    ) -> Sequence[UtilityEvent]:
        """See ``MemoryStore``."""
        with self._lock:
            family = self.find_family_ids(project_id, memory_ids)
            found = [
                event
                for (project, memory, run), event in self._ledger.items()
                if project == project_id and (memory in family or run == run_id or run in run_ids)
            ]
        return sorted(found, key=lambda event: (event.sequence, event.run_id, event.memory_id))

    def find_reflection(self, project_id: str, run_id: str) -> ReflectionRecord | None:
        """See ``ModelCallLedger``."""
        with self._lock:
            entry = self._runs.get((project_id, run_id))
            return None if entry is None else entry.reflection

    def find_unjudged_runs(self, since_ns: int, until_ns: int, max_tries: int, limit: int) -> Sequence[RunRecord]:
        """See ``ModelCallLedger``."""
        with self._lock:
            entries = list(self._runs.items())
        found = [
            entry.record
            for (project_id, run_id), entry in entries
            if is_unjudged(
                entry,
                self.find_calls(project_id, run_id, CallPurpose.JUDGEMENT.value),
                since_ns,
                until_ns,
                max_tries,
            )
        ]
        return sorted(found, key=lambda record: (record.last_seen_ns, record.run_id))[:limit]

    def close(self) -> None:
        """Nothing to release."""

    # --- inside -----------------------------------------------------------------------------------------

    def _find_contrasting(self, job: LearningJob) -> list[str]:
        memories = self._of_project(job.project_id)
        return [memory.created_from for memory in memories if memory.contrasted_with == job.run_id]

    def _upsert(self, record: RunRecord) -> RunEntry:
        entry = self._runs.setdefault((record.project_id, record.run_id), RunEntry(record))
        entry.record = record
        return entry

    def _join(self, project_id: str, trace_id: bytes, run_id: str) -> None:
        run_ids = self._joined.setdefault((project_id, trace_id), [])
        if run_id not in run_ids:
            run_ids.append(run_id)
        default = trace_id.hex()
        if run_id != default and default in run_ids:
            run_ids.remove(default)
            self._move(project_id, default, run_id)

    def _move(self, project_id: str, from_run_id: str, run_id: str) -> None:
        old = self._runs.pop((project_id, from_run_id), None)
        if old is None:
            return
        entry = self._upsert(replace(old.record, run_id=run_id))
        entry.created_memory_id = entry.created_memory_id or old.created_memory_id
        for review_key, changed_ns in old.withdrawn.items():
            if review_key not in entry.reviews:
                entry.withdrawn.setdefault(review_key, changed_ns)
        for review in old.reviews.values():
            if review.created_ns > entry.withdrawn.get(review.key, -1):
                self._review(entry, review)
        for entry_key in [key for key in self._ledger if key[0] == project_id and key[2] == from_run_id]:
            event = self._ledger.pop(entry_key)
            self._ledger.setdefault((project_id, event.memory_id, run_id), replace(event, run_id=run_id))
        self._move_quarantined_run(project_id, from_run_id, run_id)
        for key, memory in self._memories.items():
            if key[0] == project_id and memory.created_from == from_run_id:
                self._memories[key] = replace(memory, created_from=run_id)
            if key[0] == project_id and memory.contrasted_with == from_run_id:
                self._memories[key] = replace(memory, contrasted_with=run_id)

    def _delete_run(self, project_id: str, run_id: str) -> bool:
        if self._runs.pop((project_id, run_id), None) is None:
            return False
        shared = {
            trace for (project, trace), runs in self._joined.items() if project == project_id and run_id in runs
        }
        for trace_id in shared:
            self._joined[project_id, trace_id].remove(run_id)
        orphans = {trace_id for trace_id in shared if not self._joined[project_id, trace_id]}
        self._spans = {k: v for k, v in self._spans.items() if k[0] != project_id or k[1] not in orphans}
        self._logs = [item for item in self._logs if item[0] != project_id or item[1].trace_id not in orphans]
        self._served = [
            (project, served)
            for project, served in self._served
            if project != project_id or (served.run_id != run_id and served.trace_id not in orphans)
        ]
        return True

    def _take(self, project_id: str, signal: ReviewSignal) -> bool:
        entry = self._find_entry(project_id, self._target(project_id, signal))
        if entry is None:
            return False
        if is_overtaken(signal.review.created_ns, entry.changed_ns.get(signal.review.key, 0)):
            return True
        if signal.withdrawn:
            self._withdraw(entry, signal.review.key)
        elif signal.review.created_ns > entry.withdrawn.get(signal.review.key, -1):
            self._review(entry, signal.review)
        return True

    def _target(self, project_id: str, signal: ReviewSignal) -> str:
        if signal.run_id is not None:
            return signal.run_id
        answered = (
            span.trace_id
            for (project, _, _), span in self._spans.items()
            if project == project_id
            and signal.response_id is not None
            and span.attributes.get(GEN_AI_RESPONSE_ID) == signal.response_id
        )
        for trace_id in (*answered, signal.trace_id):
            run_ids = self._joined.get((project_id, trace_id or b""))
            if run_ids:
                return run_ids[0]
        return ""

    def _find_served(self, record: RunRecord) -> tuple[str, ...]:
        traces = {
            trace_id: run_ids
            for (project, trace_id), run_ids in self._joined.items()
            if project == record.project_id and record.run_id in run_ids
        }
        names = {record.run_id, *(trace_id.hex() for trace_id in traces)}
        noted = [
            served
            for project, served in self._served
            if project == record.project_id
            and not served.withheld
            and (served.run_id in names or served.run_id not in traces.get(served.trace_id or b"", (served.run_id,)))
        ]
        noted.sort(key=lambda served: (served.served_ns, served.rank))
        return tuple(dict.fromkeys((*(served.memory_id for served in noted), *record.served_memory_ids)))

    def _review(self, entry: RunEntry, review: Review) -> bool:
        known = entry.reviews.get(review.key)
        changed_ns = review.created_ns
        if known is not None:
            changed_ns = find_change_time(changed_ns, entry.changed_ns[review.key])
            review = replace(review, created_ns=known.created_ns)
            if known == review:
                return False
        entry.reviews[review.key] = review
        entry.changed_ns[review.key] = changed_ns
        entry.withdrawn.pop(review.key, None)
        entry.queue(next(self._order))
        return True

    def _withdraw(self, entry: RunEntry, key: ReviewKey) -> bool:
        if entry.reviews.pop(key, None) is None:
            return False
        entry.withdrawn[key] = entry.changed_ns.pop(key)
        entry.queue(next(self._order))
        return True

    def _apply(self, project_id: str, run_id: str, outcome: LearningOutcome) -> None:
        self._join_quarantines(outcome)
        if outcome.removed_memory_id is not None:
            self._forget(project_id, outcome.removed_memory_id)
        if outcome.succession is not None:
            self.write_succession(project_id, outcome.succession)
        if outcome.memory is not None and outcome.memory.status in {MemoryStatus.ACTIVE, MemoryStatus.MERGED}:
            self._heirs.pop((project_id, outcome.memory.id), None)
        for memory in outcome.recomputed:
            known = self._memories[project_id, memory.id]
            self._memories[project_id, memory.id] = replace(
                known, utility=memory.utility, uses=memory.uses, passes=memory.passes, alarm=memory.alarm
            )
        if outcome.memory is not None:
            self._put(project_id, outcome.memory, outcome.embedder_id, outcome.task_vector, outcome.content_vector)
        self._ledger = {key: event for key, event in self._ledger.items() if key[0] != project_id or key[2] != run_id}
        for event in (*outcome.events, *outcome.updated):
            self._ledger[project_id, event.memory_id, event.run_id] = event

    def _put(
        self,
        project_id: str,
        memory: Memory,
        embedder_id: str,
        task_vector: Vector | None,
        content_vector: Vector | None,
    ) -> None:
        self._memories[project_id, memory.id] = memory
        given = task_vector is not None or content_vector is not None
        self._vectors[project_id, memory.id] = {embedder_id: (task_vector, content_vector)} if given else {}

    def _delete_memory(self, project_id: str, memory_id: str) -> None:
        self._forget(project_id, memory_id)
        self._ledger = {key: event for key, event in self._ledger.items() if key[:2] != (project_id, memory_id)}

    def _forget(self, project_id: str, memory_id: str) -> None:
        self._memories.pop((project_id, memory_id), None)
        self._vectors.pop((project_id, memory_id), None)

    def _find_entry(self, project_id: str, identifier: str) -> RunEntry | None:
        entry = self._runs.get((project_id, identifier))
        if entry is not None:
            return entry
        try:
            run_ids = self._joined.get((project_id, bytes.fromhex(identifier)), [])
        except ValueError:
            return None
        return next((self._runs[project_id, run] for run in run_ids if (project_id, run) in self._runs), None)

    def _detail(self, entry: RunEntry) -> RunDetail:
        return RunDetail(
            record=entry.record,
            reviews=tuple(entry.reviews.values()),
            served=self._find_served(entry.record),
            created_memory_id=entry.created_memory_id,
            reflection=entry.reflection and replace(entry.reflection, raw_output=""),
            learned=entry.learned == entry.reviewed,
            attempts=entry.attempts,
            last_error=entry.last_error or entry.record.last_error,
        )
