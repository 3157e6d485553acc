"""The part of the DuckDB store that governs memories."""

from collections.abc import Mapping, Sequence

from reflect_otel.model.governance import GovernanceChange, Origin, Quarantine
from reflect_otel.model.memory import Memory
from reflect_otel.model.review import Review
from reflect_otel.ports import StoredVector
from reflect_otel.store import governance_rows, memory_rows
from reflect_otel.store.database import Database
from reflect_otel.store.reviews import find_reviews


class DuckDBGovernance:
    """Part of ``DuckDBStore``."""

    _database: Database
    _claims: dict[tuple[str, str], int]

    def write_change(self, project_id: str, change: GovernanceChange) -> None:
        """See ``GovernanceStore``."""
        with self._database.write() as session:
            governance_rows.write_change(session, project_id, change)
            for key in list(self._claims):  # other threads claim meanwhile
                if key[0] == project_id:
                    self._claims.pop(key, None)  # what they have read is out of date

    def find_quarantines(
        self, project_id: str, *, quarantine_id: str | None = None, open_only: bool = False
    ) -> Sequence[Quarantine]:
        """See ``GovernanceStore``."""
        with self._database.read() as session:
            return governance_rows.find_quarantines(
                session, project_id, quarantine_id=quarantine_id, open_only=open_only
            )

    def find_quarantines_of(
        self, project_id: str, *, memory_ids: Sequence[str] = (), run_ids: Sequence[str] = ()
    ) -> Sequence[Quarantine]:
        """See ``GovernanceStore``."""
        with self._database.read() as session:
            return governance_rows.find_quarantines_of(session, project_id, memory_ids, run_ids)

    def find_memories_of(self, project_id: str, origin: Origin) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            return governance_rows.find_memories_of(session, project_id, origin)

    def find_kin(self, project_id: str, memory_ids: Sequence[str]) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            return governance_rows.find_kin(session, project_id, memory_ids)

    def find_runs_of_author(self, project_id: str, author: str) -> Sequence[str]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            rows = session.fetch("find_runs_of_author", project_id=project_id, author=author)
        return [str(run_id) for (run_id,) in rows]

    def find_runs_served(self, project_id: str, memory_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            return governance_rows.find_runs_served(session, project_id, memory_ids)

    def find_reviews(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, Sequence[Review]]:
        """See ``GovernanceStore``."""
        with self._database.read() as session:
            return find_reviews(session, project_id, run_ids)

    def find_vectors_of(self, project_id: str, memory_ids: Sequence[str]) -> Sequence[StoredVector]:
        """See ``MemoryStore``."""
        with self._database.read_once() as session:
            return memory_rows.find_vectors_of(session, project_id, memory_ids)

    def count_memories_by_status(self) -> Mapping[str, tuple[int, int]]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            rows = session.fetch("count_memories_by_status")
        return {str(status): (int(count), int(alarmed)) for status, count, alarmed in rows}

    def count_active_by_project(self) -> Mapping[str, int]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            return {str(project_id): int(count) for project_id, count in session.fetch("count_active_by_project")}

    def count_memories_of_author(self, project_id: str, author: str, since_ns: int) -> int:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            rows = session.fetch("count_memories_of_author", project_id=project_id, author=author, since_ns=since_ns)
        return int(rows[0][0])

    def count_unworthy_by_project(
        self, *, min_uses: int, min_utility: float, idle_before_ns: int
    ) -> Mapping[str, int]:
        """See ``GovernanceStore``."""
        bounds = {"min_uses": min_uses, "min_utility": min_utility, "idle_before_ns": idle_before_ns}
        with self._database.read_once() as session:
            return {str(project_id): int(count) for project_id, count in session.fetch("count_unworthy", **bounds)}

    def find_unworthy_memories(
        self, project_id: str, *, min_uses: int, min_utility: float, idle_before_ns: int, limit: int
    ) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            rows = session.fetch(
                "find_unworthy_memories",
                project_id=project_id,
                min_uses=min_uses,
                min_utility=min_utility,
                idle_before_ns=idle_before_ns,
                limit=limit,
            )
        return [memory_rows.read_memory(row) for row in rows]

    def find_least_useful_memories(self, project_id: str, limit: int) -> Sequence[Memory]:
        """See ``GovernanceStore``."""
        with self._database.read_once() as session:
            rows = session.fetch("find_least_useful_memories", project_id=project_id, limit=limit)
        return [memory_rows.read_memory(row) for row in rows]
