"""Changing the embedder: the old one serves until the new one has every memory, and nothing is compared across."""

import threading
from dataclasses import replace

import pytest

from reflect_otel.errors import Unavailable
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.memory_vectors import embed_memories
from reflect_otel.learning.reembedding import BATCH_MEMORIES, Reembedding
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.learning.serving_embedder import ServingEmbedder
from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus, RetrievalOptions
from reflect_otel.ports import Settings
from reflect_otel.providers.hashing import HashingEmbedder
from reflect_otel.testing.fakes import InMemoryIndex, InMemoryStore
from tests.waiting import wait_until

from .learning_world import PROJECT, FeedbackReflector

CITIES = ("oslo", "lima", "rome", "cairo", "delhi", "tokyo", "quito", "sofia", "minsk", "accra", "lagos", "dakar")
TASKS = [f"{verb} the flight to {city}" for city in CITIES for verb in ("cancel", "book", "move", "refund")]


class OtherEmbedder:
    """The hashing embedder with its dimensions reversed and halved in range: other vectors under another id."""

    dimensions, lexical, gate = 256, True, 0.1

    def __init__(self, embedder_id="other@1"):
        self.id = embedder_id
        self.failure = None
        self.on_embed = lambda texts: None
        self._hashing = HashingEmbedder()

    def embed(self, texts):
        if self.failure:
            raise self.failure
        self.on_embed(texts)
        found = []
        for vector in self._hashing.embed(texts):
            folded = vector[:256] + vector[256:][::-1]
            found.append(folded / max(1e-9, float((folded * folded).sum()) ** 0.5))
        return found


def memory(number, task):
    return Memory(
        id=f"m{number}", task=task, reflection=f"lesson {number}", kind=MemoryKind.STRATEGY, created_ns=number
    )


class Scene:
    """A store filled by one embedder, opened with another, as a restart with other settings does."""

    def __init__(self, serving, target, store=None):
        self.store = store or InMemoryStore()
        self.table = MemoryTable(InMemoryIndex)
        self.table.load(self.store.find_vectors())
        self.serving, self.target = ServingEmbedder(serving), target
        self.loop = LearningLoop(self.store, self.table, self.serving, FeedbackReflector(), lambda: 1)
        self.retriever = Retriever(self.table, self.serving, Settings())
        self.reembedding = Reembedding(self.store, self.table, self.serving, target)

    def fill(self, tasks=TASKS):
        for number, task in enumerate(tasks):
            self.loop.write_memory(PROJECT, memory(number, task))
        return self

    def reopened(self, serving, target):
        return Scene(serving, target, self.store)

    def nearest(self, task):
        found = self.retriever.find_memories(PROJECT, task, RetrievalOptions(lambda_=1.0, limit=1))
        return found[0].task if found else None

    def progress(self):
        return self.reembedding.read_progress()


@pytest.fixture
def changed():
    """Filled by hashing, to be used with the other embedder."""
    return Scene(HashingEmbedder(), HashingEmbedder()).fill().reopened(HashingEmbedder(), OtherEmbedder())


def test_the_former_embedder_serves_until_every_memory_has_the_new_vectors(changed):
    seen = []
    changed.target.on_embed = lambda texts: seen.append((changed.serving.id, changed.nearest(TASKS[40])))
    assert changed.reembedding.run_pending() == len(TASKS)
    assert len(seen) == -(-len(TASKS) // BATCH_MEMORIES)
    assert set(seen) == {("hashing@1", TASKS[40])}
    changed.target.on_embed = lambda texts: None
    assert changed.serving.id == "other@1"
    assert all(changed.nearest(task) == task for task in TASKS)


def test_what_the_former_embedder_made_is_deleted_at_the_end(changed):
    changed.reembedding.run_pending()
    assert dict(changed.store.count_embedded()) == {"other@1": len(TASKS)}
    assert changed.table.count(PROJECT, "hashing@1") == 0
    assert changed.table.count(PROJECT, "other@1") == len(TASKS)


def test_both_vectors_are_made_anew(changed):
    changed.reembedding.run_pending()
    assert list(changed.store.find_unembedded("other@1", 9)) == []  # lacks neither task nor content


def test_progress_tells_from_what_to_what_and_how_far(changed):
    before = changed.progress()
    assert (before.serving_id, before.target_id) == ("hashing@1", "other@1")
    assert (before.embedded, before.total, before.error) == (0, len(TASKS), "")
    changed.reembedding.run_pending()
    assert (changed.progress().serving_id, changed.progress().embedded) == ("other@1", len(TASKS))


def test_work_that_was_cut_short_goes_on_where_it_stopped(changed):
    embedded = []

    def stop_after_the_first_batch(texts):
        embedded.extend(texts)
        changed.reembedding.stop(0)

    changed.target.on_embed = stop_after_the_first_batch
    assert changed.reembedding.run_pending() == BATCH_MEMORIES
    again = changed.reopened(HashingEmbedder(), OtherEmbedder())
    assert again.progress().embedded == BATCH_MEMORIES
    assert again.nearest(TASKS[-1]) == TASKS[-1]  # by the former embedder, which has them all
    again.target.on_embed = embedded.extend
    assert again.reembedding.run_pending() == len(TASKS) - BATCH_MEMORIES
    assert len(embedded) == len(set(embedded)) == 2 * len(TASKS)


def test_without_the_former_embedder_the_new_one_serves_what_it_has(changed):
    other = OtherEmbedder()
    alone = changed.reopened(other, other)
    counts = []
    other.on_embed = lambda texts: counts.append(alone.table.count(PROJECT, "other@1"))
    assert alone.nearest(TASKS[0]) is None
    alone.reembedding.run_pending()
    assert counts[:2] == [0, BATCH_MEMORIES]
    assert all(alone.nearest(task) == task for task in TASKS)


def test_a_memory_that_comes_meanwhile_is_embedded_too(changed):
    added = []

    def add_once(texts):
        if not added:
            added.append(memory(999, "translate the menu"))
            changed.loop.write_memory(PROJECT, added[0])

    changed.target.on_embed = add_once
    changed.reembedding.run_pending()
    assert changed.nearest("translate the menu") == "translate the menu"
    assert dict(changed.store.count_embedded()) == {"other@1": len(TASKS) + 1}


def test_a_memory_that_changes_its_text_meanwhile_is_embedded_as_it_reads_now(changed):
    changes = [replace(memory(0, TASKS[0]), task="translate the menu")]

    def change_once(texts):
        if changes:
            changed.loop.write_memory(PROJECT, changes.pop())

    changed.target.on_embed = change_once
    changed.reembedding.run_pending()
    assert changed.nearest("translate the menu") == "translate the menu"
    assert list(changed.store.find_unembedded("other@1", 9)) == []


def test_a_utility_that_moves_meanwhile_is_not_set_back(changed):
    used = replace(memory(5, TASKS[5]), utility=0.75, uses=1)

    def move(texts):
        changed.table.write_utility(PROJECT, used)

    changed.target.on_embed = move
    changed.reembedding.run_pending()
    assert changed.table.find(PROJECT, "m5").utility == 0.75


def test_memories_that_are_not_served_keep_up_as_well():
    scene = Scene(HashingEmbedder(), HashingEmbedder()).fill(TASKS[:3])
    scene.loop.write_memory(PROJECT, replace(memory(7, "rest"), status=MemoryStatus.ARCHIVED))
    changed = scene.reopened(HashingEmbedder(), OtherEmbedder())
    assert changed.reembedding.run_pending() == 4
    assert changed.table.find(PROJECT, "m7") is None


class ExchangingStore(InMemoryStore):
    """Does something once, when it is asked for a number or for what lacks a vector and has nothing."""

    then = staticmethod(lambda: None)

    def _do(self):
        act, self.then = self.then, lambda: None
        act()

    def count_embedded(self):
        self._do()
        return super().count_embedded()

    def find_unembedded(self, embedder_id, limit):
        found = super().find_unembedded(embedder_id, limit)
        if not found:
            self._do()
        return found


def test_progress_read_while_the_embedders_are_exchanged_never_names_the_new_one_with_old_numbers():
    store = ExchangingStore()
    changed = Scene(HashingEmbedder(), HashingEmbedder(), store).fill().reopened(HashingEmbedder(), OtherEmbedder())
    store.then = lambda: setattr(changed.serving, "current", changed.target)
    told = changed.progress()
    assert (told.serving_id, told.embedded) == ("hashing@1", 0)


def test_a_memory_that_comes_at_the_moment_of_the_exchange_is_embedded_at_once():
    store = ExchangingStore()
    changed = Scene(HashingEmbedder(), HashingEmbedder(), store).fill().reopened(HashingEmbedder(), OtherEmbedder())
    changed.reembedding.run_pending()
    again = changed.reopened(changed.target, HashingEmbedder())
    store.then = lambda: again.loop.write_memory(PROJECT, memory(999, "translate the menu"))
    again.reembedding.run_pending()
    assert again.serving.id == "hashing@1"
    assert again.nearest("translate the menu") == "translate the menu"


def test_a_memory_whose_embedding_outlasted_the_exchange_is_found_soon_after(changed):
    changed.reembedding.start()
    try:
        wait_until(lambda: changed.serving.id == "other@1")
        late = embed_memories([(PROJECT, memory(999, "translate the menu"))], HashingEmbedder())[0]
        changed.store.write_memory(PROJECT, late)
        changed.table.write(late)
        wait_until(lambda: changed.nearest("translate the menu") == "translate the menu")
    finally:
        assert changed.reembedding.stop(5)


def test_an_endpoint_that_fails_is_tried_again_and_the_fault_is_told():
    changed = Scene(HashingEmbedder(), HashingEmbedder()).fill().reopened(HashingEmbedder(), OtherEmbedder())
    changed.target.failure = Unavailable("no answer from the endpoint")
    changed.reembedding.start()
    try:
        wait_until(lambda: "no answer from the endpoint" in changed.progress().error)
        assert changed.serving.id == "hashing@1"
        changed.target.failure = None
        wait_until(lambda: changed.serving.id == "other@1")
        wait_until(lambda: changed.progress().error == "")
    finally:
        assert changed.reembedding.stop(5)


def test_searches_beside_the_exchange_always_find_their_memory(changed):
    faults, ended = [], threading.Event()

    def search():
        while not ended.is_set():
            faults.extend(task for task in TASKS[::7] if changed.nearest(task) != task)

    searcher = threading.Thread(target=search)
    searcher.start()
    changed.reembedding.run_pending()
    ended.set()
    searcher.join(20)
    assert faults == []
