"""What every part of the store suite shares: opening the store under test, and records to put into it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from reflect_otel.model.memory import Memory, MemoryKind
from reflect_otel.model.review import Review, ReviewResult, ReviewSignal
from reflect_otel.model.spans import ClosedBy, LogRecord, RunState, SpanRecord
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Message, MessagePrefix, Role, Step, Task, Trajectory
from reflect_otel.ports import LearningJob, Store, StoredVector, TelemetryBatch

PROJECT: Final = "shop"
OTHER_PROJECT: Final = "bank"
TRACE: Final = bytes(range(16))
OTHER_TRACE: Final = bytes(range(16, 32))
EMBEDDER_ID: Final = "test@1"


class StoreCase:
    """Base of the store suites: gives each test an empty store."""

    def open_store(self, folder: Path) -> Store:
        """Open the store under test over ``folder``, which may hold what an earlier one left there."""
        raise NotImplementedError("override open_store in the adapter's test class")

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """An empty store, closed after the test."""
        store = self.open_store(tmp_path)
        yield store
        store.close()


def claim(store: Store) -> LearningJob | None:
    """The learning job that is next, if any."""
    return next(iter(store.claim_jobs(1)), None)


def build_span(number: int, *, trace_id: bytes = TRACE, **fields: Any) -> SpanRecord:
    """A span with id ``number``."""
    return SpanRecord(trace_id=trace_id, span_id=number.to_bytes(8, "big"), name=f"span {number}", **fields)


def build_run(run_id: str = TRACE.hex(), **fields: Any) -> RunRecord:
    """A closed run of ``PROJECT``."""
    record = RunRecord(
        project_id=PROJECT,
        run_id=run_id,
        trace_ids=(TRACE.hex(),),
        state=RunState.CLOSED,
        closed_by=ClosedBy.ROOT_ENDED,
        task="book a table",
        first_seen_ns=1_000,
        last_seen_ns=2_000,
    )
    return replace(record, **fields)


def build_batch(
    offset: int,
    *,
    spans: Sequence[SpanRecord] = (),
    logs: Sequence[LogRecord] = (),
    joined: Sequence[tuple[bytes, str]] = (),
    signals: Sequence[ReviewSignal] = (),
    project_id: str = PROJECT,
    **parts: Any,
) -> TelemetryBatch:
    """A batch of one project."""
    return TelemetryBatch(
        journal_offset=offset,
        received_ns=1_000 + offset,
        spans=[(project_id, span) for span in spans],
        logs=[(project_id, log) for log in logs],
        joined=[(project_id, trace_id, run_id) for trace_id, run_id in joined],
        reviews=[(project_id, signal) for signal in signals],
        **parts,
    )


def write_run(store: Store, run_id: str = TRACE.hex(), trace_id: bytes = TRACE, **fields: Any) -> RunRecord:
    """Store a closed run with one span, and return its row."""
    record = build_run(run_id, **{"trace_ids": (trace_id.hex(),)} | fields)
    span = build_span(1, trace_id=trace_id)
    store.write_telemetry(
        build_batch(
            store.journal_offset() + 1,
            spans=[span],
            joined=[(trace_id, run_id)],
            runs=[record],
            project_id=record.project_id,
        )
    )
    return record


def build_review(result: ReviewResult = ReviewResult.PASS, **fields: Any) -> Review:
    """A review by a person."""
    return Review(result=result, **fields)


def build_trajectory(run_id: str, texts: Sequence[str]) -> Trajectory:
    """A conversation of user and assistant turns, with a step at every answer."""
    roles = (Role.USER, Role.ASSISTANT)
    messages = tuple(Message(role=roles[at % 2], content=text) for at, text in enumerate(texts))
    steps = tuple(Step(messages=MessagePrefix(messages, end)) for end in range(2, len(messages) + 1, 2))
    return Trajectory(run_id=run_id, task=Task(text=texts[0] if texts else None), messages=messages, steps=steps)


def build_memory(memory_id: str, **fields: Any) -> Memory:
    """An active memory."""
    memory = Memory(id=memory_id, task="book a table", reflection="ask for the time first", kind=MemoryKind.STRATEGY)
    return replace(memory, **fields)


def build_stored(memory: Memory, vector: Sequence[float] = (1.0, 0.0), project_id: str = PROJECT) -> StoredVector:
    """A memory with its vector."""
    return StoredVector(project_id=project_id, memory=memory, task_vector=vector, embedder_id=EMBEDDER_ID)


def reopened(record: RunRecord) -> RunRecord:
    """The same run, not closed."""
    return replace(record, state=RunState.OPEN, closed_by=None)
