"""The use cases about which memories may be served: look into them, act on them, clean up after a bad one."""

from collections.abc import Sequence
from typing import Final

from reflect_otel.errors import InvalidArgument
from reflect_otel.learning.governance import Governance
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.model.governance import BlastRadius, MemoryAction, MemoryHistory, Origin, Quarantine
from reflect_otel.model.memory import Memory
from reflect_otel.service import validation
from reflect_otel.service.paging import require_page_size

MAX_IDS: Final = 1000


class GovernanceOperations:
    """What can be asked about and done to memories. Safe to call from any thread.

    Args:
        governance: decides and commits.
        settings: of every project, in process: whose review counts how much.
    """

    def __init__(self, governance: Governance, settings: ProjectSettingsTable) -> None:
        self._governance = governance
        self._settings = settings

    def get_history(self, project_id: str, memory_id: str, page_size: int = 0) -> MemoryHistory:
        """Where a memory comes from and how every reviewed run has moved its utility, newest first.

        Raises:
            InvalidArgument: ``memory_id`` is no identifier, or the page size out of range.
            NotFound: no such memory in this project.
        """
        validation.require_id(memory_id, "memory_id")
        weights = self._settings.find(project_id).reviewer_weights
        return self._governance.get_history(project_id, memory_id, require_page_size(page_size), weights)

    def update_memories(
        self, project_id: str, memory_ids: Sequence[str], action: MemoryAction, reason: str = ""
    ) -> Sequence[Memory]:
        """Do this to all of them, or to none when one does not allow it; as they are then.

        Raises:
            InvalidArgument: no ids, too many, or one is no identifier.
            NotFound: one of them does not exist in this project.
            FailedPrecondition: one of them is not in the state the action needs.
        """
        ids = validation.require_ids(memory_ids, "memory_ids", MAX_IDS)
        if not ids:
            raise InvalidArgument("memory_ids is required", field="memory_ids")
        return self._governance.update_memories(project_id, ids, action, validation.limit_name(reason, "reason"))

    def delete_memories(self, project_id: str, memory_ids: Sequence[str]) -> int:
        """Delete memories with their vectors and ledger; unknown ids are ignored. Returns how many existed.

        Raises:
            InvalidArgument: too many ids, or one is no identifier.
        """
        ids = validation.require_ids(memory_ids, "memory_ids", MAX_IDS)
        return self._governance.delete_memories(project_id, ids)

    def delete_memories_of(self, project_id: str, run_ids: Sequence[str]) -> int:
        """Delete the memories drawn from these runs; how many there were."""
        return self._governance.delete_memories_of(project_id, run_ids)

    def find_blast_radius(self, project_id: str, origin: Origin) -> BlastRadius:
        """Every memory and run within reach of the origin, nearest first.

        Raises:
            InvalidArgument: the origin names nothing, or a part of it is wrong.
            NotFound: it names a memory or run that this project does not have.
        """
        return self._governance.find_blast_radius(project_id, _require_origin(origin))

    def create_quarantine(self, project_id: str, origin: Origin, reason: str = "") -> Quarantine:
        """Take the whole blast radius of the origin out of service and out of the ledger, at once.

        Raises:
            InvalidArgument: the origin names nothing, or a part of it is wrong.
            NotFound: it names a memory or run that this project does not have.
            FailedPrecondition: nothing is within reach.
        """
        return self._governance.quarantine(
            project_id, _require_origin(origin), validation.limit_name(reason, "reason")
        )

    def release_quarantine(self, project_id: str, quarantine_id: str) -> Quarantine:
        """Put everything back that no other quarantine holds; again, it changes nothing.

        Raises:
            InvalidArgument: ``quarantine_id`` is no identifier.
            NotFound: no such quarantine in this project.
        """
        return self._governance.release(project_id, validation.require_id(quarantine_id, "quarantine_id"))

    def list_quarantines(self, project_id: str, *, open_only: bool = False) -> Sequence[Quarantine]:
        """The newest thousand quarantines, newest first."""
        found = self._governance.find_quarantines(project_id)
        return [item for item in found if not (open_only and item.released_ns)][:MAX_IDS]


def _require_origin(origin: Origin) -> Origin:
    if origin.is_empty:
        raise InvalidArgument("origin is required; name memories, runs, an author or a time range", field="origin")
    validation.require_ids(origin.memory_ids, "origin.memory_ids", MAX_IDS)
    validation.require_ids(origin.run_ids, "origin.run_ids", MAX_IDS)
    validation.limit_name(origin.author, "origin.author")
    if origin.until_ns and origin.until_ns <= origin.since_ns:
        raise InvalidArgument("origin.until must be later than origin.since", field="origin.until")
    return origin
