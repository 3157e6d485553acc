"""One augmentation from recall to notes, every stage kept, so that it can be explained afterwards. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reflect_otel.learning import ranking
from reflect_otel.learning.augmentation import Notes
from reflect_otel.learning.memory_table import Neighbour
from reflect_otel.learning.ranking import build_candidates, judge
from reflect_otel.model.explanation import Candidate, Explanation, LeftOut
from reflect_otel.model.memory import RetrievalOptions


@dataclass(frozen=True, slots=True)
class Recall:
    """What a search found and what the pool took of it.

    Attributes:
        near: every memory that was found, nearest first.
        pool: those that are ranked, with their scores at ``now_ns``.
        threshold: cosine from which one may be in the pool.
    """

    near: Sequence[Neighbour] = ()
    pool: Sequence[ranking.Candidate] = ()
    embedder_id: str = ""
    gate: float = 0.0
    threshold: float = 0.0
    now_ns: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """The stages behind the recall, each what the one before left."""

    recall: Recall
    ranked: Sequence[ranking.Candidate]
    guarded: Sequence[ranking.Candidate]
    chosen: Sequence[ranking.Candidate]
    notes: Notes


def holds_metadata(item: Neighbour, options: RetrievalOptions) -> bool:
    """Whether the memory's metadata holds every wanted pair."""
    return all(item.memory.metadata.get(key) == value for key, value in options.metadata_filter.items())


def explain(selection: Selection, options: RetrievalOptions, max_injected: int) -> Explanation:
    """Every memory that came near, with what became of it."""
    recall = selection.recall
    rows = [*_explain_pool(selection, max_injected), *_explain_others(recall, options)]
    numbers = {memory.id: number for number, memory in enumerate(selection.notes.memories, 1)}
    return Explanation(
        candidates=tuple(replace(row, note=numbers.get(row.memory.id, 0)) for row in rows),
        embedder_id=recall.embedder_id,
        gate=recall.gate,
        threshold=recall.threshold,
        lambda_=options.lambda_,
        guarded=len(selection.guarded) < len(selection.ranked) or options.lambda_ not in {0.0, 1.0},
        max_injected=max_injected,
    )


def _explain_pool(selection: Selection, max_injected: int) -> list[Candidate]:
    reasons = {candidate.memory.id: reason for candidate, reason in judge(selection.ranked)}
    admitted = {candidate.memory.id for candidate in selection.guarded}
    by_score = {candidate.memory.id for candidate in selection.guarded[:max_injected]}
    chosen = {candidate.memory.id for candidate in selection.chosen}
    noted = {memory.id for memory in selection.notes.memories}

    def find_reason(memory_id: str) -> LeftOut | None:
        if memory_id in noted:
            return None
        if memory_id in chosen:
            return LeftOut.TOKEN_BUDGET
        if memory_id in by_score:
            return LeftOut.DIVERSITY
        return LeftOut.MAX_INJECTED if memory_id in admitted else reasons[memory_id]

    return [
        Candidate(
            memory=candidate.build_memory(),
            closeness=candidate.closeness,
            rank=rank,
            left_out=find_reason(candidate.memory.id),
        )
        for rank, candidate in enumerate(selection.ranked, 1)
    ]


def _explain_others(recall: Recall, options: RetrievalOptions) -> list[Candidate]:
    pooled = {candidate.memory.id for candidate in recall.pool}
    texts = {candidate.memory.reflection for candidate in recall.pool}

    def find_reason(item: Neighbour) -> LeftOut:
        if item.cosine < recall.threshold:
            return LeftOut.BELOW_GATE
        if not holds_metadata(item, options):
            return LeftOut.METADATA
        return LeftOut.SAME_TEXT if item.memory.reflection in texts else LeftOut.BEYOND_POOL

    others = [item for item in recall.near if item.memory.id not in pooled]
    scored = build_candidates(others, options.lambda_, recall.gate, recall.now_ns)
    return [
        Candidate(memory=candidate.build_memory(), closeness=candidate.closeness, left_out=find_reason(item))
        for item, candidate in zip(others, scored, strict=True)
    ]
