"""The failed run that a passed one is best compared with: nearly the same task, tried before."""

from collections.abc import Callable
from typing import Final

from reflect_otel.errors import ConfigError, TransportError
from reflect_otel.learning.lesson import LONGEST_TASK_CHARACTERS, without_notes
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.learning.verdict import build_verdict
from reflect_otel.model.memory import Memory
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.model.reflection import FailedRun
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import Embedder, Store

SAME_TASK_COSINE: Final = 0.90
"""From this cosine of their tasks up, two runs tried nearly the same."""

_NEIGHBOURS: Final = 40


class ContrastFinder:
    """Finds failed runs through the memories that were drawn from them."""

    def __init__(
        self,
        store: Store,
        table: MemoryTable,
        embedder: Embedder,
        find_settings: Callable[[str], ProjectSettings],
    ) -> None:
        self._find_settings = find_settings
        self._store = store
        self._table = table
        self._embedder = embedder

    def find_failed_run(self, record: RunRecord, task: str) -> FailedRun | None:
        """The newest run before ``record`` of nearly the same task whose reviews still say that it failed."""
        embedder = pin(self._embedder)
        if not task.strip() or not self._table.count(record.project_id, embedder.id):
            return None
        try:
            vector = embedder.embed([task[:LONGEST_TASK_CHARACTERS]])[0]
        except (TransportError, ConfigError):  # a lesson without its contrast is better than none
            return None
        near = self._table.search(record.project_id, embedder.id, vector, _NEIGHBOURS)
        drawn = [neighbour.memory for neighbour in near if neighbour.cosine >= SAME_TASK_COSINE]
        failed = (memory for memory in drawn if memory.success is False and memory.created_from != record.run_id)
        for memory in sorted(failed, key=lambda memory: (-memory.created_ns, memory.id)):
            found = self._read_failed_run(record, memory)
            if found is not None:
                return found
        return None

    def _read_failed_run(self, record: RunRecord, memory: Memory) -> FailedRun | None:
        run_id = memory.created_from
        case = self._store.find_cases(record.project_id, [run_id]).get(run_id)
        if case is None or case.trajectory is None or case.run.record.first_seen_ns > record.first_seen_ns:
            return None
        verdict = build_verdict(case.run.reviews, self._find_settings(record.project_id).reviewer_weights)
        if verdict is None or verdict.result is not ReviewResult.FAIL:
            return None
        return FailedRun(run_id=run_id, trajectory=without_notes(case.trajectory), feedback=verdict.feedback)
