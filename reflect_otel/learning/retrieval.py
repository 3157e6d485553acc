"""Which memories a task gets: recall by similarity, rank by the blend, guard what is injected.

The rule and its constants are explained, with their sources, in docs/learning.md. Recall: the ``k1`` memories
with the nearest tasks by exact cosine, as far as they reach the gate ``g``. The stages behind it are ``ranking``'s.
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from reflect_otel.errors import InvalidArgument
from reflect_otel.learning.augmentation import build_notes
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.query_embeddings import QueryEmbeddings
from reflect_otel.learning.ranking import (
    build_candidates,
    distinct_texts,
    diversify,
    guard,
    nearest_of_each,
    rank,
    spare_pinned,
)
from reflect_otel.learning.selection import Recall, Selection, explain, holds_metadata
from reflect_otel.learning.serving_embedder import pin
from reflect_otel.model.memory import AugmentedTask, Memory, RetrievalOptions
from reflect_otel.model.notes import strip_notes
from reflect_otel.ports import Clock, Embedder, Settings

POLICY: Final = "blend-2"
"""The rule by name and version: another one as soon as a change of rule or constants makes other choices."""

SMALLEST_POOL: Final = 40
POOL_PER_LIMIT: Final = 4
FARTHEST_REACH: Final = 1024
"""Most memories a search without a metadata filter looks at: bounds the time when many share one text."""
MAX_LIMIT: Final = 100


class Retriever:
    """Finds memories for a task. No I/O: works on the in-process table; safe to call from any thread."""

    def __init__(
        self, table: MemoryTable, embedder: Embedder, settings: Settings, clock: Clock = time.time_ns
    ) -> None:
        self._clock = clock
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
        recall = self.recall(project_id, task, options, one_per_text=False, timeout_seconds=timeout_seconds)
        chosen = diversify(rank(recall.pool), options.limit, options.mmr_lambda)
        return [candidate.build_memory() for candidate in chosen]

    def augment(
        self,
        project_id: str,
        task: str,
        options: RetrievalOptions,
        *,
        timeout_seconds: float | None = None,
        is_explained: bool = False,
    ) -> AugmentedTask:
        """The task with the notes that are worth their place: at most ``max_injected``, often fewer, maybe none.

        A reflection that several memories share is served once. With ``lambda_`` at 0 or 1 the guards are off.
        ``is_explained`` adds why each memory that came near is in it or not.

        Raises:
            InvalidArgument: when an option is out of range.
            TransportError: the task cannot be embedded in time, or not at all.
            ConfigError: the embedder's endpoint refuses the call.
        """
        recall = self.recall(project_id, task, options, one_per_text=True, timeout_seconds=timeout_seconds)
        ranked = rank(recall.pool)
        guarded = ranked if options.lambda_ in {0.0, 1.0} else guard(ranked)
        places = self._settings.max_injected if options.max_injected is None else options.max_injected
        most = min(options.limit, places)
        chosen = diversify(spare_pinned(guarded, most), most, options.mmr_lambda)
        notes = build_notes([candidate.build_memory() for candidate in chosen])
        augmented = AugmentedTask(
            augmented_task=notes.append_to(task),
            memories=notes.memories,
            policy=POLICY,
            embedder_id=recall.embedder_id,
        )
        if not is_explained:
            return augmented
        return replace(
            augmented, explanation=explain(Selection(recall, ranked, guarded, chosen, notes), options, most)
        )

    def note_served(self, project_id: str, memories: Iterable[Memory], served_ns: int) -> None:
        """Remember when memories were last served; the store learns it with the note of what was handed out."""
        self._table.note_served(project_id, [memory.id for memory in memories], served_ns)

    def recall(
        self,
        project_id: str,
        task: str,
        options: RetrievalOptions,
        *,
        one_per_text: bool,
        timeout_seconds: float | None = None,
    ) -> Recall:
        """The pool: the nearest memories at or above the gate that hold the wanted metadata, nearest first.

        The search reaches further until the pool is full, with ``one_per_text`` of different texts, or the gate is
        reached; for a metadata filter through the whole index, to skip copies ``FARTHEST_REACH`` memories far.

        Raises:
            InvalidArgument: when an option is out of range.
            TransportError: the task cannot be embedded in time, or not at all.
            ConfigError: the embedder's endpoint refuses the call.
        """
        check_options(options)
        while True:
            recall = self._recall(project_id, task, options, one_per_text, timeout_seconds)
            # an embedder exchanged in the middle takes its index along: what was found in it counts for nothing
            if recall.embedder_id == self._embedder.id:
                return recall

    def _recall(
        self, project_id: str, task: str, options: RetrievalOptions, one_per_text: bool, timeout_seconds: float | None
    ) -> Recall:
        embedder = pin(self._embedder)
        if not self._table.count(project_id, embedder.id):
            return Recall(embedder_id=embedder.id, gate=embedder.gate, threshold=_find_floor(options, embedder.gate))
        query = self._queries.embed(strip_notes(task), timeout_seconds)
        size = self._table.count(project_id, query.embedder_id)
        floor = _find_floor(options, query.gate)
        reach = pool = max(SMALLEST_POOL, POOL_PER_LIMIT * options.limit)
        farthest = size if options.metadata_filter else min(size, FARTHEST_REACH)
        while True:
            found = self._table.search(project_id, query.embedder_id, query.vector, reach)
            near = nearest_of_each(found)
            wanted = [item for item in near if item.cosine >= floor]
            if options.metadata_filter:
                wanted = [item for item in wanted if holds_metadata(item, options)]
            if one_per_text:
                wanted = distinct_texts(wanted)
            if len(wanted) >= pool or reach >= farthest or not found or found[-1].cosine < floor:
                break
            reach *= 4
        now_ns = self._clock()
        candidates = build_candidates(wanted[:pool], options.lambda_, query.gate, now_ns)
        return Recall(near, candidates, query.embedder_id, query.gate, floor, now_ns)


def _find_floor(options: RetrievalOptions, gate: float) -> float:
    return gate if options.similarity_threshold is None else options.similarity_threshold


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
