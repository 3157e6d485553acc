"""Closed runs: read, and committed with what made each readable or not."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from collector_plugin.set_aside import is_lasting
from reflect_otel.model.notes import strip_notes
from reflect_otel.model.spans import Run
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import Settings, Store
from reflect_otel.runs.grouping import select_run
from reflect_otel.runs.reviewed import read_reviewed_trajectory
from reflect_otel.runs.summary import build_record

_LONGEST_REASON: Final = 500

logger = logging.getLogger(__name__)


class RunCloser:
    """Reads closed runs and commits their rows.

    Args:
        store: where their telemetry is and their rows go.
        find_settings: of a project.
    """

    def __init__(self, store: Store, find_settings: Callable[[str], Settings]) -> None:
        self._store = store
        self._find_settings = find_settings

    def commit(self, records: Sequence[RunRecord]) -> list[RunRecord]:
        """The rows of those that were there to be read; one that can never be committed holds up no other.

        Raises:
            Exception: none can be committed now; ``is_lasting`` is false of it.
        """
        try:
            return self._commit_together(records)
        except Exception as error:
            if not is_lasting(error):
                raise
        return [done for record in records for done in self._commit_alone(record)]

    def _commit_alone(self, record: RunRecord) -> list[RunRecord]:
        """Without its conversation, if it must be."""
        try:
            return self._commit_together([record])
        except Exception as error:
            if not is_lasting(error):
                raise
            logger.exception("run %r of project %r cannot be stored as read", record.run_id, record.project_id)
            bare = replace(record, last_error=_describe(error))
        try:
            self._store.write_runs([(bare, None)])
        except Exception as error:
            if not is_lasting(error):
                raise
            logger.exception("run %r of project %r cannot be closed", record.run_id, record.project_id)
            return []
        return [bare]

    def _commit_together(self, records: Sequence[RunRecord]) -> list[RunRecord]:
        by_project: dict[str, list[RunRecord]] = {}
        for record in records:
            by_project.setdefault(record.project_id, []).append(record)
        read: list[tuple[RunRecord, Trajectory | None]] = []
        for project_id, members in by_project.items():
            telemetry = self._store.find_telemetry(project_id, [record.run_id for record in members])
            # a run without telemetry was deleted meanwhile
            held = [(record, telemetry[record.run_id]) for record in members if record.run_id in telemetry]
            read += [_read_run(record, run, self._find_settings(project_id)) for record, run in held]
        if read:
            self._store.write_runs(read)
        return [record for record, _ in read]


def _read_run(record: RunRecord, telemetry: Run, settings: Settings) -> tuple[RunRecord, Trajectory | None]:
    try:
        run = select_run(telemetry, record.run_id)
        trajectory = read_reviewed_trajectory(run, settings)
        record = build_record(record, run, trajectory)
        return replace(record, task=strip_notes(record.task)), trajectory
    except Exception as error:
        logger.exception("run %r of project %r cannot be read", record.run_id, record.project_id)
        return replace(record, last_error=_describe(error)), None


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
