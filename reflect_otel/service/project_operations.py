"""The use cases about a project as a whole: its settings, and what its memories are worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from reflect_otel.errors import InvalidArgument
from reflect_otel.learning.lift_report import LiftReader
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.learning.reweighing import find_reweighed_runs
from reflect_otel.model.lift import DEFAULT_HALF_WIDTH, LiftReport
from reflect_otel.model.project_settings import ProjectSettings, change_settings
from reflect_otel.ports import Clock, Intake, Store
from reflect_otel.service import validation
from reflect_otel.service.run_lookup import RunLookup


class ProjectOperations:
    """What can be asked about a project. Safe to call from any thread.

    Args:
        store: where runs are.
        intake: knows what was accepted and is not in the store yet.
        settings: of every project, in process.
        clock: Unix time in nanoseconds.
        loop: learns again from runs whose verdict a change of reviewer weights changes.
    """

    def __init__(
        self, store: Store, intake: Intake, settings: ProjectSettingsTable, clock: Clock, loop: LearningLoop
    ) -> None:
        self._store = store
        self._loop = loop
        self._runs = RunLookup(store, intake, settings)
        self._lift = LiftReader(store, settings)
        self._settings = settings
        self._clock = clock

    def get_settings(self, project_id: str) -> ProjectSettings:
        """What holds for the project. Touches no database."""
        return self._settings.find(project_id)

    def update_settings(
        self, project_id: str, change: Mapping[str, Any], reset: Sequence[str] = ()
    ) -> ProjectSettings:
        """Change what is given, and give the names in ``reset`` their default back.

        Durable and in force when it returns. ``change`` holds values of ``SettingsChange`` by name. Runs that come to
        another verdict by changed reviewer weights are learned from again in the background.

        Raises:
            InvalidArgument: a name is unknown or a value out of range; nothing was changed.
            StoreError: the change could not be written; nothing was changed.
        """
        with self._loop.committing:  # what was read under the old weights is not committed once the new ones hold
            changed = self._settings.change(
                project_id,
                lambda settings: change_settings(settings, change, tuple(reset), self._clock()),
                lambda before, after: find_reweighed_runs(self._store, project_id, before, after),
            )
        self._loop.wake()
        return changed

    def get_lift(
        self,
        project_id: str,
        *,
        agent: str = "",
        memory_id: str = "",
        since_ns: int | None = None,
        half_width: float = DEFAULT_HALF_WIDTH,
    ) -> LiftReport:
        """How runs with memories did against runs from which they were withheld; see ``LiftReader.read_report``.

        Raises:
            InvalidArgument: a name is no name, or ``half_width`` out of range.
        """
        validation.limit_name(agent, "agent")
        validation.limit_name(memory_id, "memory_id")
        if not 0.0 < half_width < 1.0:
            raise InvalidArgument(f"half_width is {half_width}; use a share such as 0.05", field="half_width")
        self._runs.settle()
        return self._lift.read_report(
            project_id,
            agent=agent or None,
            memory_id=memory_id or None,
            since_ns=since_ns,
            half_width=half_width,
        )
