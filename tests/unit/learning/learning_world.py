"""A store with a learning loop on it, and short ways to make runs, serve memories and review."""

from dataclasses import dataclass, field

from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.model.memory import MemoryKind, RetrievalOptions
from reflect_otel.model.reflection import Reflection
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Message, MessagePrefix, Role, Step, Task, Trajectory
from reflect_otel.ports import Settings, TelemetryBatch
from reflect_otel.providers.hashing import HashingEmbedder
from reflect_otel.testing.fakes import FixedClock, InMemoryIndex, InMemoryStore

PROJECT = "p"


class FeedbackReflector:
    """Says what the feedback says; nothing without feedback; raises when the feedback asks for it."""

    name = "feedback"

    def __init__(self):
        self.seen = []

    def reflect(self, lesson):
        self.seen.append(lesson)
        if lesson.feedback and lesson.feedback.startswith("raise"):
            raise RuntimeError(lesson.feedback)
        if not lesson.feedback:
            return None
        passed = lesson.result is ReviewResult.PASS
        return Reflection(kind=MemoryKind.STRATEGY if passed else MemoryKind.PITFALL, text=lesson.feedback)


def conversation(task, answer="Done."):
    messages = (Message(role=Role.USER, content=task), Message(role=Role.ASSISTANT, content=answer))
    steps = (Step(messages=MessagePrefix(messages, 2)),)
    return Trajectory(task=Task(text=task), messages=messages, steps=steps, final_response=answer)


@dataclass
class World:
    store: object = field(default_factory=InMemoryStore)
    build_index: object = InMemoryIndex
    reflector: object = field(default_factory=FeedbackReflector)

    def __post_init__(self):
        self.clock = FixedClock()
        self.changed = []
        self.embedder = HashingEmbedder()
        self.open_table()

    def open_table(self):
        """Build the table and the loop anew from the store, as a restart does."""
        self.table = MemoryTable(self.build_index)
        self.table.load(self.store.find_vectors())
        self.loop = LearningLoop(
            self.store, self.table, self.embedder, self.reflector, self.clock, lambda *key: self.changed.append(key)
        )
        self.retriever = Retriever(self.table, self.embedder, Settings(), self.clock)

    def run(self, run_id, task, *, served=(), state=RunState.CLOSED, trajectory=None, **fields):
        self.clock.advance(1)
        record = RunRecord(
            project_id=PROJECT,
            run_id=run_id,
            state=state,
            closed_by=ClosedBy.ROOT_ENDED if state is RunState.CLOSED else None,
            task=task,
            served_memory_ids=tuple(served),
            first_seen_ns=self.clock(),
            last_seen_ns=self.clock(),
            **fields,
        )
        self.store.write_runs([(record, trajectory or conversation(task))])

    def review(self, run_id, result="pass", feedback=None, **fields):
        self.clock.advance(1)
        review = Review(result=ReviewResult.parse(result), feedback=feedback, created_ns=self.clock(), **fields)
        return self.store.write_review(PROJECT, run_id, review)

    def withdraw(self, run_id, identifier="", source="human"):
        return self.store.write_withdrawal(PROJECT, run_id, ("review", source, identifier))

    def ledger(self, memory_ids):
        return list(self.store.find_utility_events(PROJECT, memory_ids=memory_ids))

    def told(self):
        """What can be served, and how good it is."""
        memories = self.store.find_memories(PROJECT, before=None, limit=1000)
        return sorted((m.id, m.reflection, m.utility, m.uses, m.passes) for m in memories)

    def join(self, trace_id, run_id):
        self.store.write_telemetry(
            TelemetryBatch(
                journal_offset=self.store.journal_offset() + 1,
                received_ns=self.clock(),
                joined=[(PROJECT, trace_id, run_id)],
            )
        )

    def learn(self, run_id, task, result="pass", feedback=None, served=()):
        """Make a run, review it and learn from it; the memory drawn from it, if any."""
        self.run(run_id, task, served=served)
        self.review(run_id, result, feedback)
        self.loop.run_pending()
        return self.created(run_id)

    def created(self, run_id):
        key = self.store.find_run(PROJECT, run_id).created_memory_id
        return None if key is None else self.store.find_memory(PROJECT, key)

    def memory(self, memory_id):
        return self.store.find_memory(PROJECT, memory_id)

    def tables(self):
        """Everything learning has written, comparable."""
        memories = sorted(self.store.find_memories(PROJECT, before=None, limit=1000), key=lambda m: m.id)
        events = self.store.find_utility_events(PROJECT, memory_ids=[m.id for m in memories])
        vectors = {v.memory.id: [round(float(x), 6) for x in v.task_vector] for v in self.store.find_vectors()}
        return memories, list(events), vectors

    def augment(self, task, **options):
        return self.retriever.augment(PROJECT, task, RetrievalOptions(**options))
