"""What the in-memory store keeps of a project as a whole: its settings, and which runs had memories."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from reflect_otel.model.lift import ArmCount, LiftScope
from reflect_otel.model.memory import Memory, Served
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.model.review import ReviewResult
from reflect_otel.testing.run_entry import RunEntry

_Assigned: TypeAlias = tuple[str, float, bool]
"""Subject, chance, withheld."""

FindSpeakers: TypeAlias = Callable[[str, Iterable[str]], Mapping[str, Memory]]


class InMemoryProjects:
    """Part of ``InMemoryStore``: settings, runs with the traces they are known by, and what they were served."""

    def __init__(self, lock: AbstractContextManager[Any], find_speakers: FindSpeakers) -> None:
        self._projects_lock = lock
        self._find_speakers = find_speakers
        self._settings: dict[str, ProjectSettings] = {}
        self._runs: dict[tuple[str, str], RunEntry] = {}
        self._joined: dict[tuple[str, bytes], list[str]] = {}
        self._served: list[tuple[str, Served]] = []
        self._order = itertools.count(1)

    def find_project_settings(self) -> Mapping[str, ProjectSettings]:
        """See ``ProjectStore``."""
        with self._projects_lock:
            return dict(self._settings)

    def write_project_settings(
        self, project_id: str, settings: ProjectSettings, *, relearned_run_ids: Sequence[str] = ()
    ) -> None:
        """See ``ProjectStore``."""
        with self._projects_lock:
            self._settings[project_id] = settings
            self._queue_runs(project_id, relearned_run_ids)

    def _queue_runs(self, project_id: str, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            entry = self._runs.get((project_id, run_id))
            if entry is not None:
                entry.queue(next(self._order))

    def find_arm_counts(
        self,
        project_id: str,
        scope: LiftScope,
        *,
        since_ns: int = 0,
        agent: str | None = None,
        memory_id: str | None = None,
    ) -> Sequence[ArmCount]:
        """See ``LiftStore``."""
        with self._projects_lock:
            runs = {run_id: entry for (project, run_id), entry in self._runs.items() if project == project_id}
            joined = {trace: run_ids for (project, trace), run_ids in self._joined.items() if project == project_id}
            served = [served for project, served in self._served if project == project_id]
            speakers = self._find_speakers(project_id, {item.memory_id for item in served})
            served = [
                replace(item, memory_id=speakers[item.memory_id].id) if item.memory_id in speakers else item
                for item in served
            ]
            return count_arms(find_exposures(runs, joined, served), scope, since_ns, agent, memory_id)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one run was served or denied, in order, and the run."""

    entry: RunEntry
    served: tuple[Served, ...]


def find_exposures(
    runs: Mapping[str, RunEntry], joined: Mapping[bytes, Sequence[str]], served: Iterable[Served]
) -> list[Exposure]:
    """The servings of each run of one project; a serving that names no known run is that of its trace's runs."""
    found: dict[str, list[Served]] = {}
    for item in served:
        named = (item.run_id,) if item.run_id in runs else tuple(joined.get(item.trace_id or b"", ()))
        for run_id in named:
            if run_id is not None and run_id in runs:
                found.setdefault(run_id, []).append(item)
    return [Exposure(runs[run_id], tuple(items)) for run_id, items in found.items()]


def count_arms(
    exposures: Iterable[Exposure], scope: LiftScope, since_ns: int, agent: str | None, memory_id: str | None
) -> list[ArmCount]:
    """See ``LiftStore.find_arm_counts``."""
    assigned: list[tuple[_Assigned, RunEntry]] = []
    for exposure in exposures:
        first, memory_ids = exposure.served[0], {item.memory_id for item in exposure.served}
        wanted = agent in (None, exposure.entry.record.agent) and (memory_id is None or memory_id in memory_ids)
        if first.control_share > 0 and min(item.served_ns for item in exposure.served) >= since_ns and wanted:
            subjects = _subjects(scope, exposure, memory_ids)
            assigned += [((subject, first.control_share, first.withheld), exposure.entry) for subject in subjects]
    assigned.sort(key=lambda item: item[0])
    groups = itertools.groupby(assigned, key=lambda item: item[0])
    return [_count(key, [entry for _, entry in members]) for key, members in groups]


def _subjects(scope: LiftScope, exposure: Exposure, memory_ids: Iterable[str]) -> Iterable[str]:
    if scope is LiftScope.MEMORY:
        return memory_ids
    return [(exposure.entry.record.agent or "") if scope is LiftScope.AGENT else ""]


def _count(key: _Assigned, entries: Sequence[RunEntry]) -> ArmCount:
    subject, control_share, withheld = key
    reviewed = [entry for entry in entries if entry.result is not None]
    return ArmCount(
        subject=subject,
        control_share=control_share,
        withheld=withheld,
        runs=len(entries),
        reviewed=len(reviewed),
        passes=sum(entry.result is ReviewResult.PASS for entry in reviewed),
        rewards=sum(entry.reward for entry in reviewed),
    )
