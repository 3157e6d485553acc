"""The use cases about a project as a whole: its settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.model.project_settings import ProjectSettings, change_settings
from reflect_otel.ports import Clock


class ProjectOperations:
    """What can be asked about a project. Safe to call from any thread.

    Args:
        settings: of every project, in process.
        clock: Unix time in nanoseconds.
    """

    def __init__(self, settings: ProjectSettingsTable, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def get_settings(self, project_id: str) -> ProjectSettings:
        """What holds for the project. Touches no database."""
        return self._settings.find(project_id)

    def update_settings(
        self, project_id: str, change: Mapping[str, Any], reset: Sequence[str] = ()
    ) -> ProjectSettings:
        """Change what is given, and give the names in ``reset`` their default back.

        Durable and in force when it returns. ``change`` holds values of ``SettingsChange`` by name.

        Raises:
            InvalidArgument: a name is unknown or a value out of range; nothing was changed.
            StoreError: the change could not be written; nothing was changed.
        """
        return self._settings.change(
            project_id, lambda settings: change_settings(settings, change, tuple(reset), self._clock())
        )
