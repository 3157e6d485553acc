"""Finding runs for a caller who may have sent them a moment ago, and turning them into traces."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from reflect_otel.errors import NotFound, Unavailable
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import Trace
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import Intake, RunDetail, RunFilter, Store
from reflect_otel.service.paging import (
    Page,
    PageKey,
    build_page,
    count_text_bytes,
    read_page_token,
    require_page_size,
)
from reflect_otel.service.trace_view import build_summary, build_trace
from reflect_otel.service.validation import require_id

READ_YOUR_WRITES_SECONDS: Final = 2.0
"""How long a read waits for what was accepted before it."""

RETRY_SECONDS: Final = 1.0
"""Pause to recommend to a caller whose run may still be on its way."""


class RunLookup:
    """Reads runs so that callers see what they wrote.

    Args:
        store: where runs are.
        intake: knows what was accepted and is not in the store yet.
        settings: of every project, in process: whose review counts how much.
    """

    def __init__(self, store: Store, intake: Intake, settings: ProjectSettingsTable) -> None:
        self._store = store
        self._intake = intake
        self._settings = settings

    def settle(self, timeout_seconds: float = READ_YOUR_WRITES_SECONDS) -> bool:
        """Wait until everything accepted so far can be read; False when time ran out."""
        return self._intake.wait_committed(timeout_seconds)

    def require_settled(self, timeout_seconds: float = READ_YOUR_WRITES_SECONDS) -> None:
        """The same, where an answer without what was accepted so far would be false.

        Raises:
            Unavailable: time ran out.
        """
        if not self.settle(timeout_seconds):
            raise Unavailable(
                "the service has not processed yet all that it has accepted, what is asked for may be among it; "
                "nothing was changed, try again",
                retry_after_seconds=RETRY_SECONDS,
            )

    def get_run(
        self, project_id: str, identifier: str, timeout_seconds: float = READ_YOUR_WRITES_SECONDS
    ) -> RunDetail:
        """The run of this run id or W3C trace id, as it stands after everything accepted so far.

        Args:
            project_id: whose run it is.
            identifier: run id or W3C trace id.
            timeout_seconds: how long a run that is not known may be waited for, while it may be on its way.

        Raises:
            InvalidArgument: it is no identifier.
            NotFound: no such run in this project.
            Unavailable: not known yet, and not all that was accepted is processed.
        """
        require_id(identifier, "trace_id")
        detail = self._store.find_run(project_id, identifier)
        if detail is None:
            self.require_settled(timeout_seconds)
            detail = self._store.find_run(project_id, identifier)
        elif detail.record.state is not RunState.CLOSED:
            self.settle()
            detail = self._store.find_run(project_id, identifier)
        if detail is None:
            raise NotFound(
                f"no run {identifier!r} in this project; use an id that `reflect-otel runs` lists, or a W3C trace id",
                field="trace_id",
                resource_type="run",
                resource_name=identifier,
            )
        return detail

    def find_page(self, project_id: str, only: RunFilter, page_size: int, page_token: str) -> Page[RunDetail]:
        """A page of runs, newest first; the first one also holds what was accepted a moment ago.

        Raises:
            InvalidArgument: the page size is out of range, or the token was made for another filter.
        """
        size = require_page_size(page_size)
        scope = ("traces", project_id, only.review_status, only.agent, only.session_id)
        before = read_page_token(scope, page_token)
        if before is None:
            self.settle()
        found = self._store.find_runs(project_id, replace(only, before=before), size + 1)
        return build_page(found, size, scope, _page_key, _count_bytes)

    def view(self, project_id: str, detail: RunDetail) -> Trace:
        """The run as a trace with its conversation."""
        trajectory = self._find_trajectory(project_id, detail.record.run_id)
        return build_trace(detail, trajectory, self.find_weights(project_id))

    def summarise(self, project_id: str, details: Iterable[RunDetail]) -> tuple[Trace, ...]:
        """The runs as traces without their conversations."""
        weights = self.find_weights(project_id)
        return tuple(build_summary(detail, weights) for detail in details)

    def find_weights(self, project_id: str) -> Mapping[str, float]:
        """What the project has set on whose review counts how much."""
        return self._settings.find(project_id).reviewer_weights

    def _find_trajectory(self, project_id: str, run_id: str) -> Trajectory | None:
        try:
            return self._store.get_trajectory(project_id, run_id)
        except NotFound:
            return None


def _page_key(detail: RunDetail) -> PageKey:
    return detail.record.first_seen_ns, detail.record.run_id


def _count_bytes(detail: RunDetail) -> int:
    record = detail.record
    feedback = (review.feedback for review in detail.reviews)
    return count_text_bytes(record.task, record.final_response, *record.metadata.values(), *feedback, *detail.served)
