"""What is known about the worth of a project's memories, counted from the store whenever it is asked for."""

from itertools import groupby
from typing import Final

from reflect_otel.learning.harm import HARM_LIMIT, build_harm_evidence
from reflect_otel.learning.lift import build_lift
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.model.lift import DEFAULT_HALF_WIDTH, Lift, LiftReport, LiftScope
from reflect_otel.ports import Store

MAX_SUBJECTS: Final = 100
"""Most agents and most memories in one report."""


class LiftReader:
    """Reads lift reports. Safe to call from any thread.

    Args:
        store: where runs, servings and verdicts are.
        settings: of every project, in process.
    """

    def __init__(self, store: Store, settings: ProjectSettingsTable) -> None:
        self._store = store
        self._settings = settings

    def read_report(
        self,
        project_id: str,
        *,
        agent: str | None = None,
        memory_id: str | None = None,
        since_ns: int | None = None,
        half_width: float = DEFAULT_HALF_WIDTH,
    ) -> LiftReport:
        """The project as a whole, its agents and its memories.

        Args:
            project_id: whose runs.
            agent: only runs of this agent.
            memory_id: only runs that this memory was served to or withheld from, and no other memory; of one that
                another speaks for, that other.
            since_ns: only runs from this time on; ``None`` = since serving was last resumed.
            half_width: of the interval that ``Lift.runs_needed`` asks for, in (0, 1).
        """
        settings = self._settings.find(project_id)
        since = settings.evidence_since_ns if since_ns is None else since_ns
        share = settings.control_share
        if memory_id is not None:
            speakers = self._store.find_speakers(project_id, [memory_id])
            memory_id = speakers[memory_id].id if memory_id in speakers else memory_id

        def compare(scope: LiftScope) -> list[Lift]:
            counts = self._store.find_arm_counts(project_id, scope, since_ns=since, agent=agent, memory_id=memory_id)
            groups = groupby(counts, key=lambda item: item.subject)
            found = [build_lift(scope, subject, list(members), share, half_width) for subject, members in groups]
            return sorted(found, key=lambda lift: (-lift.without_memory.reviewed, -lift.with_memory.reviewed))

        whole = compare(LiftScope.PROJECT)
        memories = [lift for lift in compare(LiftScope.MEMORY) if memory_id in (None, lift.subject)]
        return LiftReport(
            project=whole[0] if whole else build_lift(LiftScope.PROJECT, "", (), share, half_width),
            agents=tuple(compare(LiftScope.AGENT)[:MAX_SUBJECTS]),
            memories=tuple(memories[:MAX_SUBJECTS]),
            control_share=share,
            since_ns=since,
            half_width=half_width,
            harm_evidence=self._read_harm_evidence(project_id, settings.evidence_since_ns),
            harm_limit=HARM_LIMIT,
            serving_stopped_reason=settings.serving_stopped_reason,
            serving_stopped_ns=settings.serving_stopped_ns,
        )

    def _read_harm_evidence(self, project_id: str, since_ns: int) -> float:
        counts = self._store.find_arm_counts(project_id, LiftScope.PROJECT, since_ns=since_ns)
        return build_harm_evidence(counts)
