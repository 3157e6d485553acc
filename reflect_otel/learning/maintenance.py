"""What keeps memories useful while nobody looks: the failing, the unneeded and the too many are archived.

Archived memories are not served, are never deleted, and can be restored. Everything is decided from what is stored,
so an interrupted round is simply done again.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypedDict

from reflect_otel.learning.governance import Governance
from reflect_otel.model.memory import Memory
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.ports import Clock, Store

FAILING_UTILITY: Final = 0.25
FAILING_USES: Final = 5
"""A memory with at least so many uses and a lower utility fails more than it helps."""
IDLE_DAYS: Final = 180
"""A memory that was not served for so long is not needed."""

_BATCH: Final = 1000
_DAY_NS: Final = 24 * 3600 * 1_000_000_000
_FIRST_ROUND_SECONDS: Final = 5.0

_log: Final = logging.getLogger(__name__)


class _Bounds(TypedDict):
    """What makes a memory unworthy of its place; see ``GovernanceStore.find_unworthy_memories``."""

    min_uses: int
    min_utility: float
    idle_before_ns: int


class Maintenance:
    """Archives memories in rounds, in its own thread (``start``) or the caller's (``run_round``)."""

    def __init__(
        self,
        store: Store,
        governance: Governance,
        find_settings: Callable[[str], ProjectSettings],
        clock: Clock,
        interval_seconds: float,
    ) -> None:
        self._store = store
        self._governance = governance
        self._find_settings = find_settings
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._stopping = threading.Event()
        self._worker: threading.Thread | None = None

    def start(self) -> None:
        """Do a round soon, and then one every interval, until ``stop``."""
        self._worker = threading.Thread(target=self._work, name="reflect-maintenance", daemon=True)
        self._worker.start()

    def stop(self, timeout_seconds: float) -> bool:
        """End the thread after what it has in hand; False when that takes longer."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.join(timeout_seconds)
            return not self._worker.is_alive()
        return True

    def run_round(self) -> int:
        """Archive what has to be; how many memories that were."""
        archived = 0
        unworthy = self._store.count_unworthy_by_project(**self._bounds())
        for project_id, active in self._store.count_active_by_project().items():
            if self._stopping.is_set():
                break
            failed = self._archive_unworthy(project_id) if project_id in unworthy else 0
            archived += failed + self._archive_surplus(project_id, active - failed)
        if archived:
            _log.info("%d memories archived; reflect-otel memories --status archived lists them", archived)
        return archived

    def _bounds(self) -> _Bounds:
        return {
            "min_uses": FAILING_USES,
            "min_utility": FAILING_UTILITY,
            "idle_before_ns": self._clock() - IDLE_DAYS * _DAY_NS,
        }

    def _archive_unworthy(self, project_id: str) -> int:
        total = 0
        while True:
            found = self._store.find_unworthy_memories(project_id, **self._bounds(), limit=_BATCH)
            archived = self._governance.archive(project_id, {memory.id: _reason(memory) for memory in found})
            total += archived
            if not archived or len(found) < _BATCH or self._stopping.is_set():
                return total

    def _archive_surplus(self, project_id: str, active: int) -> int:
        quota = self._find_settings(project_id).memory_quota
        total = 0
        while active - total > quota and not self._stopping.is_set():
            found = self._store.find_least_useful_memories(project_id, min(_BATCH, active - total - quota))
            archived = self._governance.archive(project_id, _over_quota(found, quota))
            if not archived:
                break
            total += archived
        return total

    def _work(self) -> None:
        pause_seconds = min(_FIRST_ROUND_SECONDS, self._interval_seconds)
        while not self._stopping.wait(pause_seconds):
            try:
                self.run_round()
            except Exception:  # noqa: BLE001 - a store that fails must not end maintenance for good
                _log.exception("memories could not be looked after; trying again in the next round")
            pause_seconds = self._interval_seconds


def _reason(memory: Memory) -> str:
    if memory.uses >= FAILING_USES and memory.utility < FAILING_UTILITY:
        return f"utility {memory.utility:.2f} after {memory.uses} uses"
    return f"not served for {IDLE_DAYS} days"


def _over_quota(memories: Sequence[Memory], quota: int) -> Mapping[str, str]:
    return {memory.id: f"over the quota of {quota} memories, utility {memory.utility:.2f}" for memory in memories}
