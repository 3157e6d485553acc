"""Which memories a task gets: recall by similarity, rank by the blend, guard what is injected.

The rule and its constants are explained, with their sources, in docs/learning.md. Recall: the ``k1`` nearest tasks by
exact cosine that reach the gate ``g``. Rank: ``lambda_ * s + (1 - lambda_) * utility``, where ``s`` is the cosine put
on the scale from the gate (0) to identity (1), so that it weighs like a utility and means the same in every query.
Guard: a memory that was tried and mostly failed is left out, and at most one untried memory is injected at a time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reflect_otel.errors import InvalidArgument
from reflect_otel.learning.augmentation import build_notes
from reflect_otel.learning.diversity import find_words, read_overlap
from reflect_otel.learning.memory_table import MemoryTable, Neighbour
from reflect_otel.learning.query_embeddings import QueryEmbeddings
from reflect_otel.model.memory import AugmentedTask, Memory, RetrievalOptions
from reflect_otel.model.notes import strip_notes
from reflect_otel.ports import Embedder, Settings

SMALLEST_POOL: Final = 40
POOL_PER_LIMIT: Final = 4
FARTHEST_REACH: Final = 1024
"""Most memories a search without a metadata filter looks at: bounds the time when many share one text."""
UTILITY_FLOOR: Final = 0.40
TRIED_USES: Final = 2
"""Uses from which a memory counts as tried."""
PROBES: Final = 1
"""Most untried memories in one augmentation."""
MAX_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recalled memory and what ranks it.

    Attributes:
        cosine: to the query, in [-1, 1].
        closeness: the cosine on the scale from the embedder's gate (0) to identity (1), clipped.
        score: ``lambda_ * closeness + (1 - lambda_) * utility``.
    """

    memory: Memory
    cosine: float
    closeness: float
    score: float

    @property
    def is_tried(self) -> bool:
        """Whether enough runs were served it to judge it."""
        return self.memory.uses >= TRIED_USES

    def build_memory(self) -> Memory:
        """The memory as a caller sees it, with ``similarity`` (the cosine) and ``score``."""
        return replace(self.memory, similarity=self.cosine, score=self.score)


class Retriever:
    """Finds memories for a task. No I/O: works on the in-process table; safe to call from any thread."""

    def __init__(self, table: MemoryTable, embedder: Embedder, settings: Settings) -> None:
        self._table = table
        self._embedder = embedder
        self._settings = settings
        self._queries = QueryEmbeddings(embedder)

    def find_memories(
        self, project_id: str, task: str, options: RetrievalOptions, *, timeout_seconds: float | None = None
    ) -> list[Memory]:
        """The ``options.limit`` best memories for the task, best first, unguarded.

        ``lambda_=1.0`` is exact cosine order and ``lambda_=0.0`` exact utility order within the pool, as long as
        ``mmr_lambda`` is 1.

        Raises:
            InvalidArgument: when an option is out of range.
            TransportError: the task cannot be embedded in time, or not at all.
            ConfigError: the embedder's endpoint refuses the call.
        """
        ranked = rank(self.recall(project_id, task, options, one_per_text=False, timeout_seconds=timeout_seconds))
        chosen = diversify(ranked, options.limit, options.mmr_lambda)
        return [candidate.build_memory() for candidate in chosen]

    def augment(
        self, project_id: str, task: str, options: RetrievalOptions, *, timeout_seconds: float | None = None
    ) -> AugmentedTask:
        """The task with the notes that are worth their place: at most ``max_injected``, often fewer, maybe none.

        A reflection that several memories share is served once. With ``lambda_`` at 0 or 1 the guards are off.

        Raises:
            InvalidArgument: when an option is out of range.
            TransportError: the task cannot be embedded in time, or not at all.
            ConfigError: the embedder's endpoint refuses the call.
        """
        ranked = rank(self.recall(project_id, task, options, one_per_text=True, timeout_seconds=timeout_seconds))
        guarded = ranked if options.lambda_ in (0.0, 1.0) else guard(ranked)
        most = self._settings.max_injected if options.max_injected is None else options.max_injected
        chosen = diversify(guarded, min(options.limit, most), options.mmr_lambda)
        memories = [candidate.build_memory() for candidate in chosen]
        notes = build_notes(memories)
        return AugmentedTask(augmented_task=notes.append_to(task), memories=notes.memories)

    def recall(
        self,
        project_id: str,
        task: str,
        options: RetrievalOptions,
        *,
        one_per_text: bool,
        timeout_seconds: float | None = None,
    ) -> list[Candidate]:
        """The pool: the nearest memories at or above the gate that hold the wanted metadata, nearest first.

        The search reaches further until the pool is full, with ``one_per_text`` of different texts, or the gate is
        reached; for a metadata filter through the whole index, to skip copies ``FARTHEST_REACH`` memories far.

        Raises:
            InvalidArgument: when an option is out of range.
            TransportError: the task cannot be embedded in time, or not at all.
            ConfigError: the embedder's endpoint refuses the call.
        """
        check_options(options)
        if not self._table.count(project_id, self._embedder.id):
            return []
        query = self._queries.embed(strip_notes(task), timeout_seconds)
        size = self._table.count(project_id, query.embedder_id)
        floor = query.gate if options.similarity_threshold is None else options.similarity_threshold
        reach = pool = max(SMALLEST_POOL, POOL_PER_LIMIT * options.limit)
        farthest = size if options.metadata_filter else min(size, FARTHEST_REACH)
        while True:
            near = self._table.search(project_id, query.embedder_id, query.vector, reach)
            wanted = [item for item in near if item.cosine >= floor and _holds(item.memory, options)]
            if one_per_text:
                wanted = distinct_texts(wanted)
            if len(wanted) >= pool or reach >= farthest or not near or near[-1].cosine < floor:
                return [build_candidate(item, options.lambda_, query.gate) for item in wanted[:pool]]
            reach *= 4


def build_candidate(item: Neighbour, lambda_: float, gate: float) -> Candidate:
    """A neighbour with its score; ``gate`` is that of the embedder that measured its cosine."""
    closeness = build_closeness(item.cosine, gate)
    score = lambda_ * closeness + (1 - lambda_) * item.memory.utility
    return Candidate(item.memory, min(1.0, max(-1.0, item.cosine)), closeness, score)


def build_closeness(cosine: float, gate: float) -> float:
    """The cosine on a scale where the gate is 0 and identity is 1, clipped to [0, 1]."""
    return min(1.0, max(0.0, (cosine - gate) / (1 - gate)))


def rank(pool: Iterable[Candidate]) -> list[Candidate]:
    """By score; ties by cosine, then newer, then id."""
    return sorted(pool, key=lambda c: (-c.score, -c.cosine, -c.memory.created_ns, c.memory.id))


def guard(ranked: Iterable[Candidate]) -> list[Candidate]:
    """Those fit to inject: tried ones at or above the utility floor, and ``PROBES`` untried ones."""
    admitted: list[Candidate] = []
    probes = 0
    for candidate in ranked:
        if candidate.is_tried:
            fit = candidate.memory.utility >= UTILITY_FLOOR
        else:
            probes += 1
            fit = probes <= PROBES
        if fit:
            admitted.append(candidate)
    return admitted


def diversify(ranked: Sequence[Candidate], count: int, mmr_lambda: float) -> list[Candidate]:
    """The first ``count`` by maximal marginal relevance; with ``mmr_lambda`` 1 the ranking as it is.

    Each next one has the most ``mmr_lambda * score - (1 - mmr_lambda) * overlap``, where overlap is the share of
    words that its lesson has in common with the nearest one already chosen.

    Source: Carbonell and Goldstein, "The use of MMR", SIGIR 1998.
    """
    if mmr_lambda == 1.0:
        return list(ranked[:count])
    waiting = {index: find_words(candidate.memory.reflection) for index, candidate in enumerate(ranked)}
    overlaps = dict.fromkeys(waiting, 0.0)
    chosen: list[Candidate] = []
    while waiting and len(chosen) < count:
        best = max(
            waiting,
            key=lambda i: (mmr_lambda * ranked[i].score - (1 - mmr_lambda) * overlaps[i], ranked[i].score, -i),
        )
        words = waiting.pop(best)
        chosen.append(ranked[best])
        for index, others in waiting.items():
            overlaps[index] = max(overlaps[index], read_overlap(words, others))
    return chosen


def distinct_texts(near: Sequence[Neighbour]) -> list[Neighbour]:
    """One neighbour per reflection text: the one with most uses, then the nearest."""
    best: dict[str, Neighbour] = {}
    for item in near:
        rival = best.get(item.memory.reflection)
        if rival is None or item.memory.uses > rival.memory.uses:
            best[item.memory.reflection] = item
    return sorted(best.values(), key=lambda item: -item.cosine)


def check_options(options: RetrievalOptions) -> None:
    """Refuse options that are out of range.

    Raises:
        InvalidArgument: naming the option.
    """
    threshold = options.similarity_threshold
    if not 1 <= options.limit <= MAX_LIMIT:
        raise InvalidArgument(f"limit is {options.limit}; use 1 to {MAX_LIMIT}", field="options.limit")
    if not 0.0 <= options.lambda_ <= 1.0:
        raise InvalidArgument(
            f"lambda is {options.lambda_}; use 0 (utility only) to 1 (similarity only)", field="options.lambda"
        )
    if threshold is not None and not -1.0 <= threshold <= 1.0:
        raise InvalidArgument(
            f"similarity_threshold is {threshold}; use a cosine from -1 to 1", field="options.similarity_threshold"
        )
    if not 0.0 <= options.mmr_lambda <= 1.0:
        raise InvalidArgument(
            f"mmr_lambda is {options.mmr_lambda}; use 0 (variety only) to 1 (score only)", field="options.mmr_lambda"
        )
    if options.max_injected is not None and options.max_injected < 0:
        raise InvalidArgument(f"max_injected is {options.max_injected}; use 0 or more", field="options.max_injected")


def _holds(memory: Memory, options: RetrievalOptions) -> bool:
    return all(memory.metadata.get(key) == value for key, value in options.metadata_filter.items())
