"""How a memory came by its utility: every run that was served it, who reviewed that, and what it did."""

from collections.abc import Mapping, Sequence

from reflect_otel.learning.utility import build_step, recompute
from reflect_otel.learning.verdict import build_verdict
from reflect_otel.model.governance import HistoryEntry, MemoryHistory, Origin
from reflect_otel.model.memory import Memory, UtilityEvent
from reflect_otel.model.review import Review
from reflect_otel.ports import Store


def build_history(
    store: Store, project_id: str, memory: Memory, limit: int, weights: Mapping[str, float] | None = None
) -> MemoryHistory:
    """The history with the ``limit`` newest entries, newest first; ``weights`` are the project's of its reviewers."""
    events = recompute(store.find_utility_events(project_id, memory_ids=[memory.id])).events
    steps = _find_steps(events)
    shown = list(zip(events, steps, strict=True))[::-1][:limit]
    reviews = store.find_reviews(project_id, [event.run_id for event, _ in shown])
    related = store.find_memories_of(project_id, Origin(memory_ids=(memory.id,)))
    merged = [item for item in related if item.merged_into == memory.id]
    sources = [(item.created_from, item.contrasted_with) for item in (memory, *merged)]
    return MemoryHistory(
        memory=memory,
        source_runs=tuple(dict.fromkeys(run_id for pair in sources for run_id in pair if run_id)),
        merged_memory_ids=tuple(item.id for item in merged),
        quarantines=tuple(store.find_quarantines_of(project_id, memory_ids=[memory.id])),
        entries=tuple(_build_entry(event, step, reviews.get(event.run_id, ()), weights) for event, step in shown),
        entry_count=len(events),
    )


def _find_steps(events: Sequence[UtilityEvent]) -> list[float]:
    steps: list[float] = []
    uses = 0
    for event in events:
        steps.append(0.0 if event.excluded else build_step(uses, event.alpha))
        uses += not event.excluded
    return steps


def _build_entry(
    event: UtilityEvent, step: float, reviews: Sequence[Review], weights: Mapping[str, float] | None
) -> HistoryEntry:
    verdict = build_verdict(reviews, weights)
    return HistoryEntry(
        run_id=event.run_id,
        reward=event.reward,
        step=step,
        before=event.before,
        after=event.after,
        reviewer=event.reviewer,
        excluded=event.excluded,
        reviewed_ns=event.sequence,
        result=verdict.result.value if verdict else "",
        feedback=(verdict.feedback or "") if verdict else "",
    )
