"""The ``MemoryStore`` suite, but for the queue of learning jobs."""

from dataclasses import replace
from typing import Any

import pytest

from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus, Served, UtilityEvent
from reflect_otel.model.review import ReviewResult
from reflect_otel.ports import LearningOutcome, Store
from reflect_otel.testing.conformance.store_case import (
    EMBEDDER_ID,
    OTHER_PROJECT,
    PROJECT,
    StoreCase,
    build_batch,
    build_memory,
    build_review,
    build_run,
    build_stored,
    claim,
)

_FULL_MEMORY = Memory(
    id="full",
    task="Tisch für zwei",
    reflection="ask \0 first 🎉",
    kind=MemoryKind.CONTRAST,
    utility=0.123456789,
    uses=3,
    passes=2,
    success=False,
    created_from="r",
    created_ns=5,
    status=MemoryStatus.QUARANTINED,
    agent="waiter",
    metadata={"branch": "main"},
    reflector="openai gpt",
    contrasted_with="failed",
)


class MemoryStoreConformance(StoreCase):
    """Memories, vectors and the ledger change together, by one job at a time."""

    def test_a_memory_comes_back_as_it_was_written(self, store: Store) -> None:
        """Every field survives, and writing it again replaces all of it; other projects do not see it."""
        store.write_memory(PROJECT, build_stored(_FULL_MEMORY))
        assert store.find_memory(PROJECT, "full") == _FULL_MEMORY
        bare = build_memory("full")
        store.write_memory(PROJECT, build_stored(bare))
        assert store.find_memory(PROJECT, "full") == bare
        assert store.find_memory(OTHER_PROJECT, "full") is None

    def test_memories_are_listed_newest_first_in_pages(self, store: Store) -> None:
        """Equal times are ordered by id."""
        for at in range(5):
            store.write_memory(PROJECT, build_stored(build_memory(f"m{at}", created_ns=at // 2)))
        first = store.find_memories(PROJECT, before=None, limit=2)
        rest = store.find_memories(PROJECT, before=(first[-1].created_ns, first[-1].id), limit=9)
        assert [memory.id for memory in (*first, *rest)] == ["m4", "m3", "m2", "m1", "m0"]
        assert list(store.find_memories(OTHER_PROJECT, before=None, limit=9)) == []

    def test_the_vectors_of_active_memories_rebuild_the_index(self, store: Store) -> None:
        """Of every project, in float32, with the embedder that made them."""
        archived = build_memory("old", status=MemoryStatus.ARCHIVED)
        store.write_memory(PROJECT, build_stored(build_memory("a"), (0.5, 0.1)))
        store.write_memory(OTHER_PROJECT, build_stored(build_memory("b"), (0.0, 1.0, 0.0), OTHER_PROJECT))
        store.write_memory(PROJECT, build_stored(archived))
        found = {stored.memory.id: stored for stored in store.find_vectors()}
        assert set(found) == {"a", "b"}
        assert [float(value) for value in found["a"].task_vector] == pytest.approx([0.5, 0.1])
        assert (found["b"].project_id, found["b"].embedder_id) == (OTHER_PROJECT, EMBEDDER_ID)

    def test_a_memory_without_a_vector_by_an_embedder_is_found_until_it_has_both(self, store: Store) -> None:
        """Active ones first, then by age, at most as many as asked for."""
        store.write_memory(PROJECT, build_stored(build_memory("young", created_ns=3)))
        store.write_memory(OTHER_PROJECT, build_stored(build_memory("old", created_ns=1), project_id=OTHER_PROJECT))
        archived = build_memory("archived", created_ns=0, status=MemoryStatus.ARCHIVED)
        store.write_memory(PROJECT, build_stored(archived))
        found = store.find_unembedded("new@1", 9)
        assert [(project, memory.id) for project, memory in found] == [
            (OTHER_PROJECT, "old"),
            (PROJECT, "young"),
            (PROJECT, "archived"),
        ]
        assert len(store.find_unembedded("new@1", 2)) == 2
        complete = replace(build_stored(archived), embedder_id="new@1", content_vector=(0.0, 1.0))
        halves = replace(build_stored(build_memory("young", created_ns=3)), embedder_id="new@1")
        assert len(store.write_vectors([complete, halves])) == 2
        assert [memory.id for _, memory in store.find_unembedded("new@1", 9)] == ["old", "young"]

    def test_a_second_embedder_stands_beside_the_first_until_that_is_given_up(self, store: Store) -> None:
        """Both are counted and found; each keeps its own dimensions."""
        memory = build_memory("a")
        store.write_memory(PROJECT, build_stored(memory, (1.0, 0.0)))
        new = replace(
            build_stored(memory), task_vector=(0.0, 0.6, 0.8), embedder_id="new@1", content_vector=(1.0, 0.0, 0.0)
        )
        assert [stored.memory for stored in store.write_vectors([new])] == [memory]
        assert {stored.embedder_id: len(stored.task_vector) for stored in store.find_vectors()} == {
            EMBEDDER_ID: 2,
            "new@1": 3,
        }
        assert (dict(store.count_embedded()), store.count_active_memories()) == ({EMBEDDER_ID: 1, "new@1": 1}, 1)
        store.delete_other_vectors("new@1")
        assert dict(store.count_embedded()) == {"new@1": 1}

    def test_vectors_of_what_a_memory_no_longer_says_are_refused_and_dropped(self, store: Store) -> None:
        """Embedding takes time: the text may have changed, or the memory have gone, meanwhile."""
        before, after = build_memory("a"), build_memory("a", reflection="ask for the day too")
        store.write_memory(PROJECT, build_stored(before))
        late = replace(build_stored(before), embedder_id="new@1", content_vector=(0.0, 1.0))
        gone = replace(late, memory=build_memory("gone"))
        assert len(store.write_vectors([late, gone])) == 1
        store.write_memory(PROJECT, build_stored(after))
        assert dict(store.count_embedded()) == {EMBEDDER_ID: 1}
        assert list(store.write_vectors([late])) == []
        assert dict(store.count_embedded()) == {EMBEDDER_ID: 1}

    def test_vectors_are_added_to_a_memory_whose_utility_moved_meanwhile(self, store: Store) -> None:
        """What comes back is the memory as it is now."""
        store.write_memory(PROJECT, build_stored(build_memory("a", utility=0.75, uses=2)))
        stale = replace(build_stored(build_memory("a")), embedder_id="new@1", content_vector=(0.0, 1.0))
        assert [stored.memory.utility for stored in store.write_vectors([stale])] == [0.75]

    def test_a_memory_drawn_without_vectors_is_stored_and_waits_for_them(self, store: Store) -> None:
        """The embedder may be out of reach when a run is learned from."""
        _review_and_learn(store, memory=build_memory("new", created_from="r"))
        assert store.find_memory(PROJECT, "new") == build_memory("new", created_from="r")
        assert [memory.id for _, memory in store.find_unembedded(EMBEDDER_ID, 9)] == ["new"]
        assert (store.count_active_memories(), list(store.find_vectors())) == (1, [])

    def test_a_memory_knows_when_it_was_last_served(self, store: Store) -> None:
        """The latest counts in whatever order the notes arrive; what was withheld was not served."""
        store.write_memory(PROJECT, build_stored(build_memory("m")))
        store.write_memory(OTHER_PROJECT, build_stored(build_memory("m"), project_id=OTHER_PROJECT))
        for offset, times in enumerate([(5, 7), (6,)], 1):
            served = [(PROJECT, Served(memory_id="m", run_id="r", served_ns=at)) for at in times]
            store.write_telemetry(build_batch(offset, served=served))
        withheld = Served(memory_id="m", run_id="r", served_ns=9, withheld=True)
        store.write_telemetry(build_batch(3, served=[(PROJECT, withheld)]))
        stored = [store.find_memory(project_id, "m") for project_id in (PROJECT, OTHER_PROJECT)]
        assert [memory.last_served_ns for memory in stored if memory is not None] == [7, 0]

    def test_an_outcome_is_committed_as_a_whole(self, store: Store) -> None:
        """Memory, vector, ledger and utilities; the run then names its memory."""
        store.write_memory(PROJECT, build_stored(build_memory("used")))
        memory = build_memory("new", created_from="r")
        event = UtilityEvent(
            memory_id="used",
            run_id="r",
            reward=1.0,
            alpha=0.3,
            sequence=4,
            before=0.5,
            after=0.65,
            reviewer="human:ada",
            excluded="why",
            result=ReviewResult.FAIL,
        )
        used = build_memory("used", utility=0.65, uses=1, passes=1)
        _review_and_learn(
            store,
            memory=memory,
            task_vector=(0.6, 0.8),
            content_vector=(1.0, 0.0),
            embedder_id=EMBEDDER_ID,
            events=[event],
            recomputed=[used],
        )
        assert store.find_memory(PROJECT, "new") == memory
        assert store.find_memory(PROJECT, "used") == used
        assert list(store.find_utility_events(PROJECT, run_id="r")) == [event]
        vectors = {stored.memory.id: [float(x) for x in stored.task_vector] for stored in store.find_vectors()}
        assert vectors["new"] == pytest.approx([0.6, 0.8])
        detail = store.find_run(PROJECT, "r")
        assert detail is not None
        assert detail.created_memory_id == "new"

    def test_events_of_a_run_are_replaced_and_those_of_others_updated(self, store: Store) -> None:
        """A changed review rewrites its own entries and the numbers behind them."""
        first = UtilityEvent(memory_id="m", run_id="r", reward=1.0, sequence=1)
        gone = UtilityEvent(memory_id="n", run_id="r", reward=1.0, sequence=1)
        _review_and_learn(store, events=[gone, first])
        behind = UtilityEvent(memory_id="m", run_id="s", reward=0.0, sequence=2)
        _review_and_learn(store, "s", events=[behind])
        changed, moved = replace(first, reward=0.0), replace(behind, before=0.4, after=0.3)
        _review_and_learn(store, feedback="changed", events=[changed], updated=[moved])
        assert list(store.find_utility_events(PROJECT, memory_ids=["m", "n"])) == [changed, moved]
        assert list(store.find_utility_events(PROJECT, run_id="s")) == [moved]
        assert list(store.find_utility_events(PROJECT)) == []
        assert list(store.find_utility_events(OTHER_PROJECT, memory_ids=["m"])) == []

    def test_a_memory_that_no_longer_holds_is_removed(self, store: Store) -> None:
        """With its vector; one drawn anew takes its place."""
        _review_and_learn(
            store, memory=build_memory("old", created_from="r"), task_vector=(1.0, 0.0), embedder_id="e"
        )
        fresh = build_memory("new", created_from="r")
        _review_and_learn(
            store, feedback="changed", memory=fresh, task_vector=(1.0, 0.0), embedder_id="e", removed_memory_id="old"
        )
        assert store.find_memory(PROJECT, "old") is None
        assert [stored.memory.id for stored in store.find_vectors()] == ["new"]
        detail = store.find_run(PROJECT, "r")
        assert detail is not None
        assert detail.created_memory_id == "new"

    def test_memories_outlive_the_run_they_were_drawn_from(self, store: Store) -> None:
        """And so does their ledger."""
        event = UtilityEvent(memory_id="m", run_id="r", reward=1.0)
        _review_and_learn(store, memory=build_memory("m", created_from="r"), events=[event])
        store.delete_runs(PROJECT, ["r"])
        assert store.find_memory(PROJECT, "m") is not None
        assert list(store.find_utility_events(PROJECT, memory_ids=["m"])) == [event]


def _review_and_learn(store: Store, run_id: str = "r", feedback: str | None = None, **parts: Any) -> None:
    store.write_runs([(build_run(run_id), None)])
    store.write_review(PROJECT, run_id, build_review(feedback=feedback))
    job = claim(store)
    assert job is not None
    assert store.write_learning(LearningOutcome(job=job, **parts))
