"""The settings of every project in this process: what an augmentation reads instead of the database.

Derived data: filled from the store at start, written through with every change. Reads take no lock.
"""

import threading
from collections.abc import Callable, Sequence

from reflect_otel.model.project_settings import DEFAULTS, ProjectSettings
from reflect_otel.ports import ProjectStore


class ProjectSettingsTable:
    """Project settings by project. Safe to call from any thread.

    Args:
        store: where they are kept; read once, here.

    Raises:
        StoreError: the store cannot be read.
    """

    def __init__(self, store: ProjectStore) -> None:
        self._store = store
        self._changing = threading.Lock()
        self._settings = dict(store.find_project_settings())

    def find(self, project_id: str) -> ProjectSettings:
        """The project's settings; the defaults where nothing was ever changed."""
        return self._settings.get(project_id, DEFAULTS)

    def find_controlled(self) -> list[str]:
        """Ids of the projects that have a control group."""
        return sorted(name for name, settings in tuple(self._settings.items()) if settings.control_share > 0.0)

    def count_stopped(self) -> int:
        """Projects that serve no memories at the moment."""
        return sum(not settings.serving for settings in tuple(self._settings.values()))

    def change(
        self,
        project_id: str,
        change: Callable[[ProjectSettings], ProjectSettings],
        find_relearned: Callable[[ProjectSettings, ProjectSettings], Sequence[str]] = lambda _before, _after: (),
    ) -> ProjectSettings:
        """The settings after ``change``; durable and in force when it returns. Changes take turns.

        They are in force before it is looked which runs they concern, so that what is learned meanwhile follows the
        new ones, or is among those runs.

        Args:
            project_id: whose settings.
            change: makes the new ones of the old ones.
            find_relearned: runs to learn from again, by the settings before and after.

        Raises:
            StoreError: they could not be written; the old ones hold.
        """
        with self._changing:
            before = self.find(project_id)
            after = change(before)
            if after == before:
                return after
            self._settings[project_id] = after
            try:
                relearned = find_relearned(before, after)
                self._store.write_project_settings(project_id, after, relearned_run_ids=relearned)
            except BaseException:
                self._settings[project_id] = before
                raise
            return after
