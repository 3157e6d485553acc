"""The calls about a project as a whole: its settings."""

from collections.abc import Sequence
from typing import Unpack

from reflect_otel.client import project_codec
from reflect_otel.client.service_calls import ServiceCalls
from reflect_otel.model.project_settings import ProjectSettings, SettingsChange
from reflect_otel.wire.v1 import reflect_pb2 as wire


class ProjectCalls(ServiceCalls):
    """Get and update the project's settings."""

    def get_project_settings(self) -> ProjectSettings:
        """What holds for the project, defaults included."""
        answer = self._call("GetProjectSettings", wire.GetProjectSettingsRequest())
        return project_codec.read_settings(answer.settings)

    def update_project_settings(
        self, *, reset: Sequence[str] = (), **change: Unpack[SettingsChange]
    ) -> ProjectSettings:
        """Change what is given and leave the rest; durable and in force when it returns.

        Args:
            reset: names that get their default back; ``None`` as a value does the same.
            change: values by name, see ``ProjectSettings``; ``serving=False`` stops serving memories, True resumes.

        Raises:
            InvalidArgument: a name is unknown or a value out of range; nothing was changed.
        """
        answer = self._call("UpdateProjectSettings", project_codec.build_update(change, reset))
        return project_codec.read_settings(answer.settings)
