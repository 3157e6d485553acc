"""Finding a run for a caller who may have sent it a moment ago, and turning it into a trace."""

from typing import Final

from reflect_otel.errors import NotFound
from reflect_otel.model.memory import Trace
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import Intake, RunDetail, Store
from reflect_otel.service.trace_view import build_trace
from reflect_otel.service.validation import require_id

READ_YOUR_WRITES_SECONDS: Final = 2.0
"""How long a read waits for what was accepted before it."""


class RunLookup:
    """Reads runs so that callers see what they wrote.

    Args:
        store: where runs are.
        intake: knows what was accepted and is not in the store yet.
    """

    def __init__(self, store: Store, intake: Intake) -> None:
        self._store = store
        self._intake = intake

    def settle(self) -> None:
        """Wait, for two seconds at most, until everything accepted so far can be read."""
        self._intake.wait_committed(READ_YOUR_WRITES_SECONDS)

    def get_run(self, project_id: str, identifier: str) -> RunDetail:
        """The run of this run id or W3C trace id.

        Raises:
            InvalidArgument: it is no identifier.
            NotFound: no such run in this project, also after ``settle``.
        """
        require_id(identifier, "trace_id")
        detail = self._store.find_run(project_id, identifier)
        if detail is None:
            self.settle()
            detail = self._store.find_run(project_id, identifier)
        if detail is None:
            raise NotFound(
                f"no run {identifier!r} in this project; use the id that CreateTrace returned, or a W3C trace id",
                field="trace_id",
                resource_type="run",
                resource_name=identifier,
            )
        return detail

    def view(self, project_id: str, detail: RunDetail) -> Trace:
        """The run as a trace with its conversation."""
        return build_trace(detail, self._find_trajectory(project_id, detail.record.run_id))

    def _find_trajectory(self, project_id: str, run_id: str) -> Trajectory | None:
        try:
            return self._store.get_trajectory(project_id, run_id)
        except NotFound:
            return None
