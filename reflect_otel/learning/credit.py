"""Who gets the reward of a run: the ledger entries of the memories served to it, and what they change. Pure.

Every distinct memory that was served gets the full reward, once per run, except the one drawn from this very run.
Memories that say the same have one record, that of the one that speaks for them, whichever of them was served.
Nothing is adjusted in place: the ledger of each memory is replayed with the run's entry added, changed or gone.
The run's entries follow from its reviews and from what it was served alone, so a history of given, changed and
withdrawn reviews ends in the ledger of those that stand. A served memory that is gone for now (its own run's review
was withdrawn) has its entry, too, and finds it when it returns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reflect_otel.learning.alarm import find_jump
from reflect_otel.learning.lesson import build_memory_ids
from reflect_otel.learning.utility import UtilityState, recompute
from reflect_otel.learning.verdict import Verdict
from reflect_otel.model.memory import Memory, UtilityEvent
from reflect_otel.model.review import Review
from reflect_otel.ports import RunDetail


@dataclass(frozen=True, slots=True)
class Credit:
    """What one run's verdict changes in the ledger.

    Attributes:
        events: the run's own entries, replacing its earlier ones.
        updated: entries of other runs whose ``before`` or ``after`` moved with them.
        recomputed: memories whose utility, uses, passes or alarm changed.
    """

    events: tuple[UtilityEvent, ...] = ()
    updated: tuple[UtilityEvent, ...] = ()
    recomputed: tuple[Memory, ...] = ()


def build_credit(
    detail: RunDetail,
    verdict: Verdict | None,
    memories: Mapping[str, Memory],
    ledger: Sequence[UtilityEvent],
    *,
    excluded: str = "",
) -> Credit:
    """The credit of a run.

    Args:
        detail: the run with its reviews and the ids served to it.
        verdict: ``None`` withdraws what the run gave.
        memories: who speaks for each memory served to the run or named in the ledger, as far as anybody does.
        ledger: every entry of all those memories and of those that they speak for.
        excluded: why the run's rewards must not count; empty when they do.
    """
    run_id = detail.record.run_id
    own = {event.memory_id: event for event in ledger if event.run_id == run_id}
    events: list[UtilityEvent] = []
    updated: list[UtilityEvent] = []
    recomputed: list[Memory] = []
    credited = _credited(detail, memories) if verdict is not None else ()
    speakers = {memory.id: memory for memory in memories.values()}
    speaker_of = {memory_id: memory.id for memory_id, memory in memories.items()}
    records: dict[str, list[UtilityEvent]] = {}
    for event in ledger:
        records.setdefault(speaker_of.get(event.memory_id, event.memory_id), []).append(event)
    served: dict[str, str] = {}
    for memory_id in credited:
        served.setdefault(speaker_of.get(memory_id, memory_id), memory_id)
    for speaker_id in dict.fromkeys((*served, *(speaker_of.get(memory_id, memory_id) for memory_id in own))):
        record = records.get(speaker_id, [])
        entries = [event for event in record if event.run_id != run_id]
        if verdict is not None and speaker_id in served:
            entries.append(_entry(served[speaker_id], detail, verdict, excluded))
        state = recompute(entries)
        events += [event for event in state.events if event.run_id == run_id]
        known = set(record)
        updated += [event for event in state.events if event.run_id != run_id and event not in known]
        recomputed += _changed(speakers.get(speaker_id), state)
    return Credit(tuple(events), tuple(updated), tuple(recomputed))


def with_utility(memory: Memory, state: UtilityState) -> Memory:
    """The memory with the numbers of its ledger."""
    alarm = find_jump(state.events)
    return replace(memory, utility=state.utility, uses=state.uses, passes=state.passes, alarm=alarm)


def _credited(detail: RunDetail, memories: Mapping[str, Memory]) -> tuple[str, ...]:
    record = detail.record
    drawn = build_memory_ids(record.project_id, record.run_id)

    def is_credited(memory_id: str) -> bool:
        memory = memories.get(memory_id)
        return memory_id not in drawn if memory is None else memory.created_from != record.run_id

    return tuple(filter(is_credited, dict.fromkeys(detail.served)))


def _entry(memory_id: str, detail: RunDetail, verdict: Verdict, excluded: str) -> UtilityEvent:
    return UtilityEvent(
        memory_id=memory_id,
        run_id=detail.record.run_id,
        reward=verdict.reward,
        alpha=verdict.alpha,
        sequence=_first_reviewed(detail.reviews),
        reviewer=verdict.reviewer,
        excluded=excluded,
        result=verdict.result,
    )


def _changed(memory: Memory | None, state: UtilityState) -> Iterable[Memory]:
    after = None if memory is None else with_utility(memory, state)
    return () if after is None or after == memory else (after,)


def _first_reviewed(reviews: Sequence[Review]) -> int:
    return min((review.created_ns for review in reviews), default=0)
