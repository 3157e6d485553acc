"""Who gets a run's reward: nobody waits longer because a memory has become popular."""

import time
from collections.abc import Iterator
from dataclasses import replace

from reflect_otel.learning.credit import build_credit
from reflect_otel.learning.utility import recompute
from reflect_otel.learning.verdict import build_verdict
from reflect_otel.model.memory import Memory, MemoryKind, UtilityEvent
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.trace import RunRecord
from reflect_otel.ports import RunDetail

MEMORY = Memory(id="m", task="a task", reflection="a lesson", kind=MemoryKind.STRATEGY)


def ledger(count: int) -> list[UtilityEvent]:
    events = [UtilityEvent(memory_id="m", run_id=f"r{n}", reward=float(n % 2), sequence=n) for n in range(count)]
    return list(recompute(events).events)


def credit(sequence: int, known: list[UtilityEvent]):
    review = Review(result=ReviewResult.PASS, created_ns=sequence)
    detail = RunDetail(record=RunRecord(project_id="p", run_id="new"), reviews=[review], served=["m"])
    return build_credit(detail, build_verdict(detail.reviews), {"m": MEMORY}, known)


def test_a_reward_between_earlier_ones_moves_the_entries_behind_it_only() -> None:
    known = ledger(6)
    found = credit(3, known)  # shares its sequence with r3, and "new" sorts before "r3"
    assert [event.run_id for event in found.events] == ["new"]
    assert [event.run_id for event in found.updated] == ["r3", "r4", "r5"]
    assert (found.recomputed[0].uses, found.recomputed[0].passes) == (7, 4)


class Ledger(list[UtilityEvent]):
    """A ledger that counts how often it is gone through."""

    walks = 0

    def __iter__(self) -> Iterator[UtilityEvent]:
        self.walks += 1
        return super().__iter__()


def test_a_run_that_was_served_many_memories_goes_through_the_ledger_as_often_as_one_that_was_served_one() -> None:
    memories = {f"m{n}": replace(MEMORY, id=f"m{n}") for n in range(100)}
    known = Ledger(replace(event, memory_id=f"m{n}") for n in range(100) for event in ledger(2))
    review = Review(result=ReviewResult.PASS, created_ns=9)
    detail = RunDetail(record=RunRecord(project_id="p", run_id="new"), reviews=[review], served=list(memories))
    found = build_credit(detail, build_verdict(detail.reviews), memories, known)
    assert [memory.id for memory in found.recomputed] == list(memories)
    assert {memory.uses for memory in found.recomputed} == {3}
    assert known.walks <= 3


def test_a_memory_with_twenty_thousand_uses_takes_another_reward_in_a_moment() -> None:
    known = ledger(20_000)
    began = time.monotonic()
    found = credit(20_000, known)
    assert time.monotonic() - began < 5  # comparing every entry with every other took minutes
    assert (found.recomputed[0].uses, found.updated) == (20_001, ())
