"""The calls about a project as a whole: its settings, and what its memories are worth."""

from collections.abc import Sequence
from typing import Unpack

from reflect_otel.client import project_codec
from reflect_otel.client.service_calls import ServiceCalls
from reflect_otel.model.lift import DEFAULT_HALF_WIDTH, LiftReport
from reflect_otel.model.project_settings import ProjectSettings, SettingsChange
from reflect_otel.wire.v1 import reflect_pb2 as wire


class ProjectCalls(ServiceCalls):
    """Get and update the project's settings, get the lift of its memories."""

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

    def get_lift(
        self,
        *,
        agent: str | None = None,
        memory_id: str | None = None,
        since_ns: int | None = None,
        half_width: float = DEFAULT_HALF_WIDTH,
    ) -> LiftReport:
        """How runs that were served memories did against runs from which they were withheld by chance.

        There is something to compare once the setting ``control_share`` is above 0. Counted anew with every call.

        Args:
            agent: only runs of this agent.
            memory_id: only runs that this memory was served to or withheld from.
            since_ns: only runs from this time on, Unix nanoseconds; ``None`` = since serving was last resumed.
            half_width: of the interval that ``Lift.runs_needed`` asks for, in (0, 1).
        """
        request = project_codec.build_get_lift(agent, memory_id, since_ns, half_width)
        return project_codec.read_report(self._call("GetLift", request))
