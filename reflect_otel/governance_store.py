"""The port behind quarantine, archive and provenance: part of ``ports.Store``, on a page of its own."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from reflect_otel.model.governance import GovernanceChange, Origin, Quarantine
from reflect_otel.model.memory import Memory
from reflect_otel.model.review import Review


class GovernanceStore(Protocol):
    """Quarantines, provenance, and what decides which memories are served."""

    def write_change(self, project_id: str, change: GovernanceChange) -> None:
        """Commit it whole. The project's learning jobs under way are refused then and taken again."""

    def find_quarantines(
        self, project_id: str, *, quarantine_id: str | None = None, open_only: bool = False
    ) -> Sequence[Quarantine]:
        """Newest first; all of them, or the one of this id."""

    def find_quarantines_of(
        self, project_id: str, *, memory_ids: Sequence[str] = (), run_ids: Sequence[str] = ()
    ) -> Sequence[Quarantine]:
        """Open quarantines that hold any of these memories or runs, newest first."""

    def find_memories_of(self, project_id: str, origin: Origin) -> Sequence[Memory]:
        """Oldest first: the memories an origin names, those drawn from its runs, those merged into its memories."""

    def find_kin(self, project_id: str, memory_ids: Sequence[str]) -> Sequence[Memory]:
        """Oldest first: other memories that say the same, those merged into these and those they are merged into."""

    def find_runs_of_author(self, project_id: str, author: str) -> Sequence[str]:
        """Ids of the stored runs made for this end user, oldest first."""

    def find_runs_served(self, project_id: str, memory_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Runs that were served any of these memories, with those of them; deleted runs by their ledger entries."""

    def find_reviews(self, project_id: str, run_ids: Sequence[str]) -> Mapping[str, Sequence[Review]]:
        """The reviews that stand of each run, oldest first; runs without one are absent."""

    def count_memories_by_status(self) -> Mapping[str, tuple[int, int]]:
        """(memories, those of them with an alarm) of all projects, by status."""

    def count_active_by_project(self) -> Mapping[str, int]:
        """Active memories by project id."""

    def count_memories_of_author(self, project_id: str, author: str, since_ns: int) -> int:
        """Memories drawn from this end user's runs and stored after ``since_ns``, whatever their status."""

    def count_unworthy_by_project(
        self, *, min_uses: int, min_utility: float, idle_before_ns: int
    ) -> Mapping[str, int]:
        """How many memories ``find_unworthy_memories`` would find, by project id; projects without any are absent."""

    def find_unworthy_memories(
        self, project_id: str, *, min_uses: int, min_utility: float, idle_before_ns: int, limit: int
    ) -> Sequence[Memory]:
        """Active memories, neither pinned nor restored by hand, that fail or that nobody needs, oldest first.

        They fail with a utility below ``min_utility`` after ``min_uses`` uses; nobody needs them when they were
        neither stored nor served since ``idle_before_ns``.
        """

    def find_least_useful_memories(self, project_id: str, limit: int) -> Sequence[Memory]:
        """Active memories, neither pinned nor restored by hand, by lowest utility, then most uses, then age."""
