"""Stops a project from serving memories once they demonstrably do harm."""

import logging
import threading
from typing import Final

from reflect_otel.learning.harm import HARM_LIMIT, build_harm_evidence
from reflect_otel.learning.lift import Interval, build_interval
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.model.lift import LiftScope
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.ports import Clock, LiftStore

_GROWTH: Final = 0.01
"""A project is judged again after so much more learning, as a share of the runs it was judged by last."""

_log: Final = logging.getLogger(__name__)


class HarmGuard:
    """Judges a project after its runs were learned from. Safe to call from any thread.

    Args:
        store: where runs, servings and verdicts are.
        settings: of every project, in process; a stop is written there.
        clock: Unix time in nanoseconds.
    """

    def __init__(self, store: LiftStore, settings: ProjectSettingsTable, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._due_in: dict[str, float] = {}

    def note_learned(self, project_id: str) -> None:
        """Judge the project if it has a control group and enough was learned since the last time.

        Raises:
            StoreError: the store cannot be read or written.
        """
        if _is_guarded(self._settings.find(project_id)) and self._is_due(project_id):
            self._judge(project_id)

    def _is_due(self, project_id: str) -> bool:
        with self._lock:
            self._due_in[project_id] = self._due_in.get(project_id, 0.0) - 1.0
            return self._due_in[project_id] <= 0.0

    def _judge(self, project_id: str) -> None:
        since_ns = self._settings.find(project_id).evidence_since_ns
        counts = self._store.find_arm_counts(project_id, LiftScope.PROJECT, since_ns=since_ns)
        with self._lock:
            self._due_in[project_id] = _GROWTH * sum(item.reviewed for item in counts)
        found = build_interval(counts)
        if found is None or found.high >= 0.0 or build_harm_evidence(counts) < HARM_LIMIT:
            return
        reason = _build_reason(found)

        def stop(settings: ProjectSettings) -> ProjectSettings:
            is_current = _is_guarded(settings) and settings.evidence_since_ns == since_ns
            return settings.stopped(reason, self._clock()) if is_current else settings

        if self._settings.change(project_id, stop).serving_stopped_reason == reason:
            with self._lock:
                self._due_in.pop(project_id, None)  # another thread may have stopped it, too
            _log.warning("project %r serves no memories any more: %s", project_id, reason)


def _is_guarded(settings: ProjectSettings) -> bool:
    return settings.serving and settings.stop_on_harm and settings.control_share > 0.0


def _build_reason(found: Interval) -> str:
    return (
        f"runs with memories passed less often than runs without: {100 * found.difference:+.0f} points, "
        f"95 % interval {100 * found.low:+.0f} to {100 * found.high:+.0f}"
    )
