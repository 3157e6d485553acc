"""The part of the ``MemoryStore`` suite about memories that say the same."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from reflect_otel.model.memory import MemoryStatus, UtilityEvent
from reflect_otel.ports import LearningOutcome, Store, Succession, Vector
from reflect_otel.testing.conformance.store_case import (
    EMBEDDER_ID,
    OTHER_PROJECT,
    PROJECT,
    StoreCase,
    build_memory,
    build_review,
    build_run,
    build_stored,
    claim,
)

_ROOT = build_memory("root", created_ns=1)
_CHILD = build_memory("child", created_ns=2, status=MemoryStatus.MERGED, merged_into="root")


class MemoryFamilyConformance(StoreCase):
    """A merged memory lends its retrieval key; whoever speaks for it carries the record of all."""

    def test_the_vectors_of_merged_memories_are_retrieval_keys(self, store: Store) -> None:
        """Content vectors come with the memories that speak for themselves; no other status has keys."""
        _put(store, "root", "child")
        store.write_memory(PROJECT, build_stored(build_memory("old", status=MemoryStatus.ARCHIVED)))
        found = {stored.memory.id: stored for stored in store.find_vectors()}
        assert set(found) == {"root", "child"}
        assert _floats(found["root"].content_vector) == pytest.approx([0.6, 0.8])
        assert found["child"].content_vector is None
        assert dict(store.count_embedded()) == {EMBEDDER_ID: 1}

    def test_a_merged_memory_is_spoken_for(self, store: Store) -> None:
        """A memory that stands alone speaks for itself; unknown ids and other projects have nobody."""
        _put(store, "root", "child")
        speakers = store.find_speakers(PROJECT, ["child", "root", "nobody"])
        assert {asked: memory.id for asked, memory in speakers.items()} == {"child": "root", "root": "root"}
        assert dict(store.find_speakers(OTHER_PROJECT, ["child"])) == {}

    def test_merged_memories_are_found_oldest_first_with_their_content(self, store: Store) -> None:
        """One without a vector by this embedder is found all the same."""
        _put(store, "root", "child")
        store.write_memory(PROJECT, build_stored(replace(_CHILD, id="elder", created_ns=0)))
        found = store.find_merged(PROJECT, "root", EMBEDDER_ID)
        assert [(memory.id, vector is None) for memory, vector in found] == [("elder", True), ("child", False)]
        assert _floats(found[1][1]) == pytest.approx([0.6, 0.8])
        assert list(store.find_merged(PROJECT, "child", EMBEDDER_ID)) == []

    def test_the_ledger_of_a_memory_holds_that_of_those_merged_into_it(self, store: Store) -> None:
        """But not the other way round."""
        _put(store, "root", "child")
        of_child = UtilityEvent(memory_id="child", run_id="r", reward=1.0)
        of_root = UtilityEvent(memory_id="root", run_id="s", reward=0.0)
        _learn(store, "r", events=[of_child])
        _learn(store, "s", events=[of_root])
        assert list(store.find_utility_events(PROJECT, memory_ids=["root"])) == [of_child, of_root]
        assert list(store.find_utility_events(PROJECT, memory_ids=["child"])) == [of_child]

    def test_an_heir_carries_on_the_record_of_a_memory_that_is_gone(self, store: Store) -> None:
        """Also the record that one had carried on, until the memory itself returns."""
        _put(store, "root", "child")
        event = UtilityEvent(memory_id="root", run_id="s", reward=1.0)
        _learn(store, "s", events=[event])
        heir = replace(_CHILD, status=MemoryStatus.ACTIVE, merged_into="", uses=7, alarm="rose")
        followed = Succession(gone_id="root", heir_id="child", resettled=[(heir, None)])
        _learn(store, "r", removed_memory_id="root", succession=followed)
        assert store.find_memory(PROJECT, "child") == heir
        assert _speakers(store, "root", "child") == ["child", "child"]
        assert list(store.find_utility_events(PROJECT, memory_ids=["child"])) == [event]
        store.write_memory(PROJECT, build_stored(replace(heir, id="third")))
        _learn(store, "t", removed_memory_id="child", succession=Succession(gone_id="child", heir_id="third"))
        assert _speakers(store, "root", "child") == ["third", "third"]
        assert list(store.find_utility_events(PROJECT, memory_ids=["third"])) == [event]
        _learn(store, "u", memory=_ROOT)
        assert _speakers(store, "root") == ["root"]
        assert list(store.find_utility_events(PROJECT, memory_ids=["third"])) == []

    def test_an_heir_that_is_merged_later_hands_the_record_on(self, store: Store) -> None:
        """Two steps lead to who speaks."""
        _put(store, "root", "child")
        event = UtilityEvent(memory_id="gone", run_id="s", reward=1.0)
        _learn(store, "s", events=[event])
        moved = replace(event, before=0.4)
        store.write_succession(PROJECT, Succession(gone_id="gone", heir_id="child", updated=[moved]))
        assert _speakers(store, "gone") == ["root"]
        assert list(store.find_utility_events(PROJECT, memory_ids=["root"])) == [moved]


def _put(store: Store, *names: str) -> None:
    for memory in (_ROOT, _CHILD):
        if memory.id in names:
            store.write_memory(PROJECT, replace(build_stored(memory), content_vector=(0.6, 0.8)))


def _speakers(store: Store, *memory_ids: str) -> list[str]:
    found = store.find_speakers(PROJECT, memory_ids)
    return [found[memory_id].id for memory_id in memory_ids]


def _floats(vector: Vector | None) -> list[float]:
    assert vector is not None
    return [float(value) for value in vector]


def _learn(store: Store, run_id: str, *, events: Iterable[UtilityEvent] = (), **parts: Any) -> None:
    store.write_runs([(build_run(run_id), None)])
    store.write_review(PROJECT, run_id, build_review())
    job = claim(store)
    assert job is not None
    outcome = LearningOutcome(job=job, events=tuple(events), **parts)
    assert store.write_learning(outcome)
