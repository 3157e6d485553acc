"""What the lessons of several runs are worked out from: read once for all of them, kept up from one to the next."""

from collections.abc import Mapping, Sequence

from reflect_otel.learning.lesson import build_memory_ids
from reflect_otel.model.family_records import FamilyRecords
from reflect_otel.model.governance import Quarantine
from reflect_otel.model.memory import Memory, UtilityEvent
from reflect_otel.ports import LearningCase, LearningEvidence, LearningOutcome, RunDetail


class Evidence:
    """Runs of one project, with what is known of the memories they were served and may leave.

    Args:
        found: as the store has it.

    Attributes:
        cases: the runs that are there, by id.
        families: of those memories, as the lessons worked out so far leave them.
        drawn: the memories of the lessons worked out so far.
    """

    def __init__(self, found: LearningEvidence) -> None:
        self.cases: Mapping[str, LearningCase] = found.cases
        self.families: FamilyRecords = found.families
        self.drawn: list[Memory] = []
        self._quarantines: Sequence[Quarantine] = found.quarantines

    def is_first(self, run: RunDetail) -> bool:
        """Whether nothing is stored of an earlier lesson of this run, nor of a memory that it could leave."""
        left = build_memory_ids(run.record.project_id, run.record.run_id)
        return not (
            run.created_memory_id
            or self.families.find_credited(run.record.run_id)
            or any(self.families.find_memory(key) or self.families.find_heir_id(key) for key in left)
            or self.families.read_ledger(left)
        )

    def find_tainting(self, run: RunDetail) -> list[Quarantine]:
        """Open quarantines that the run belongs to, or a memory that it was served, and that spread."""
        run_id, served = run.record.run_id, set(run.served)
        return [
            item for item in self._quarantines if item.spreads and (run_id in item.run_ids or served & _held_by(item))
        ]

    def find_holding(self, memory_id: str) -> list[str]:
        """Ids of the open quarantines that hold a memory."""
        return [item.id for item in self._quarantines if memory_id in _held_by(item)]

    def read_ledger(self, run: RunDetail) -> tuple[Mapping[str, Memory], Sequence[UtilityEvent]]:
        """Who speaks for each memory that the run may credit, and every entry of all those memories."""
        families = self.families
        asked = {*run.served, *families.find_credited(run.record.run_id)}
        speakers = {memory.id for memory in families.find_speakers(asked).values()}
        ledger = families.read_ledger(asked | speakers)
        return families.find_speakers(asked | speakers | {event.memory_id for event in ledger}), ledger

    def follow(self, outcome: LearningOutcome) -> None:
        """Take in the outcome of a first lesson, for those that are worked out after it."""
        if outcome.memory is not None:
            self.families.write_memory(outcome.memory)
            self.drawn.append(outcome.memory)
        self.families.write_events((*outcome.events, *outcome.updated))
        for memory in outcome.recomputed:
            self.families.write_utility(memory)


def _held_by(quarantine: Quarantine) -> set[str]:
    return {member.memory_id for member in quarantine.members}
