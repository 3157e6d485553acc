"""Memories that say the same: one text is served, one record kept, every task a key; and who follows."""

import random
from dataclasses import replace

import pytest

from reflect_otel.errors import Unavailable
from reflect_otel.learning.lesson import read_cosine
from reflect_otel.learning.merging import MERGE_COSINE, read_succession, resettle
from reflect_otel.learning.reembedding import Reembedding
from reflect_otel.learning.serving_embedder import ServingEmbedder
from reflect_otel.model.governance import GovernanceChange
from reflect_otel.model.memory import INITIAL_UTILITY, MemoryStatus, RetrievalOptions
from reflect_otel.providers.hashing import HashingEmbedder
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.store.faiss_index import FaissIndex

from .learning_world import PROJECT, World

REFUND = "Refund the order of the customer who got the wrong coffee machine"
LATE = "My parcel has not arrived for three weeks, please send the money back"
LESSON = "Look up the order before you promise the customer any refund at all"
ECHO = "Look up the order before you promise the customer any refund at all!"


@pytest.fixture(params=["in memory", "duckdb"])
def world(request, tmp_path):
    if request.param == "in memory":
        yield World()
        return
    store = DuckDBStore(tmp_path / "store.duckdb")
    yield World(store=store, build_index=FaissIndex)
    store.close()


def standing(memory):
    return memory.status, memory.merged_into


def test_a_memory_that_says_the_same_is_merged_into_the_older_one(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    newer = world.learn("r2", LATE, "pass", ECHO)
    assert standing(newer) == (MemoryStatus.MERGED, older.id)
    assert standing(world.memory(older.id)) == (MemoryStatus.ACTIVE, "")
    assert newer.reflection == ECHO


def test_the_older_text_is_served_for_the_newer_task_too(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    assert world.augment(LATE).memories == ()
    world.learn("r2", LATE, "pass", ECHO)
    assert [memory.id for memory in world.augment(LATE).memories] == [older.id]
    assert world.augment(LATE).memories[0].similarity == pytest.approx(1.0)
    assert [memory.id for memory in world.retriever.find_memories(PROJECT, LATE, RetrievalOptions())] == [older.id]


def test_a_strategy_is_never_merged_with_a_pitfall(world):
    world.learn("r1", REFUND, "pass", LESSON)
    assert standing(world.learn("r2", REFUND, "fail", LESSON)) == (MemoryStatus.ACTIVE, "")


def test_other_metadata_keeps_memories_apart(world):
    world.learn("r1", REFUND, "pass", LESSON)
    world.run("r2", REFUND, metadata={"tenant": "b"})
    world.review("r2", "pass", LESSON)
    world.loop.run_pending()
    assert standing(world.created("r2")) == (MemoryStatus.ACTIVE, "")


def test_rewards_of_both_make_one_record(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    newer = world.learn("r2", LATE, "pass", ECHO)
    world.learn("r3", REFUND, "pass", served=[older.id])
    world.learn("r4", REFUND, "fail", served=[newer.id])  # as if it had been served while it stood alone
    world.learn("r5", REFUND, "pass", served=[newer.id, older.id])
    united = world.memory(older.id)
    assert (united.uses, united.passes) == (3, 2)
    assert world.memory(newer.id).uses == 0
    assert [event.memory_id for event in world.store.find_utility_events(PROJECT, memory_ids=[older.id])] == [
        older.id,
        newer.id,
        newer.id,
    ]


def test_the_oldest_merged_one_takes_the_place_of_a_memory_that_goes_and_carries_on_its_record(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    second = world.learn("r2", LATE, "pass", ECHO)
    third = world.learn("r3", LATE, "pass", LESSON)
    world.learn("r4", REFUND, "pass", served=[older.id])
    world.review("r1", "fail", "Something else entirely went wrong in this run")
    world.loop.run_pending()
    assert world.memory(older.id) is None
    heir = world.memory(second.id)
    assert standing(heir) == (MemoryStatus.ACTIVE, "")
    assert (heir.uses, heir.passes) == (1, 1)
    assert standing(world.memory(third.id)) == (MemoryStatus.MERGED, second.id)
    assert [memory.id for memory in world.augment(LATE).memories] == [second.id]
    world.review("r4", "fail")
    world.loop.run_pending()
    assert (world.memory(second.id).uses, world.memory(second.id).passes) == (1, 0)
    again = world.learn("r5", LATE, "pass", LESSON)
    assert standing(again) == (MemoryStatus.MERGED, second.id)


def test_a_memory_that_returns_has_its_record_again(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    second = world.learn("r2", LATE, "pass", ECHO)
    world.learn("r4", REFUND, "pass", served=[older.id])
    for result, feedback in (("fail", "Something else entirely went wrong in this run"), ("pass", LESSON)):
        world.review("r1", result, feedback)
        world.loop.run_pending()
    assert standing(world.memory(older.id)) == (MemoryStatus.MERGED, second.id)
    assert (world.memory(second.id).uses, world.memory(second.id).passes) == (1, 1)


def test_a_merged_memory_that_goes_leaves_the_others_as_they_are(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    newer = world.learn("r2", LATE, "pass", ECHO)
    world.learn("r3", LATE, "pass", served=[newer.id])
    world.review("r2", "fail", "Something else entirely went wrong in this run")
    world.loop.run_pending()
    assert world.memory(newer.id) is None
    assert world.memory(older.id).uses == 1
    assert [memory.id for memory in world.augment(LATE).memories] == [world.created("r2").id]


def test_a_memory_that_says_something_else_by_now_lets_go_of_those_merged_into_it(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    second = world.learn("r2", LATE, "pass", ECHO)
    world.learn("r4", REFUND, "pass", served=[older.id])
    world.review("r1", "pass", "Greet every customer by name and thank them for their patience")
    world.loop.run_pending()
    assert standing(world.memory(older.id)) == (MemoryStatus.ACTIVE, "")
    assert world.memory(older.id).uses == 1
    assert standing(world.memory(second.id)) == (MemoryStatus.ACTIVE, "")
    assert (world.memory(second.id).uses, world.memory(second.id).utility) == (0, INITIAL_UTILITY)


def test_a_merged_memory_that_says_something_else_by_now_speaks_for_itself(world):
    world.learn("r1", REFUND, "pass", LESSON)
    world.learn("r2", LATE, "pass", ECHO)
    world.review("r2", "pass", "Greet every customer by name and thank them for their patience")
    world.loop.run_pending()
    assert standing(world.created("r2")) == (MemoryStatus.ACTIVE, "")


class AwayEmbedder(HashingEmbedder):
    """Does not answer while it is away."""

    away = False

    def embed(self, texts):
        if self.away:
            raise Unavailable("the endpoint does not answer")
        return super().embed(texts)


@pytest.fixture
def interrupted(world):
    """A world whose embedder may go away, and what embeds later what it could not."""
    world.embedder = AwayEmbedder()
    world.open_table()
    serving = ServingEmbedder(world.embedder)
    return world, Reembedding(world.store, world.table, serving, world.embedder, world.loop.merge_late)


def learn_while_away(world, *arguments, **options):
    world.embedder.away = True
    memory = world.learn(*arguments, **options)
    world.embedder.away = False
    assert standing(memory) == (MemoryStatus.ACTIVE, "")
    return memory


def test_a_memory_drawn_while_the_embedder_was_away_is_merged_once_it_can_be_compared(interrupted):
    world, reembedding = interrupted
    older = world.learn("r1", REFUND, "pass", LESSON)
    newer = learn_while_away(world, "r2", LATE, "pass", ECHO)
    assert reembedding.run_pending() == 1
    assert standing(world.memory(newer.id)) == (MemoryStatus.MERGED, older.id)
    assert [memory.id for memory in world.augment(LATE).memories] == [older.id]
    before = world.augment(LATE), world.tables()
    world.open_table()
    assert (world.augment(LATE), world.tables()) == before
    world.learn("r3", LATE, "pass", served=[newer.id])
    assert (world.memory(older.id).uses, world.memory(newer.id).uses) == (1, 0)


@pytest.mark.parametrize("reason", ["another text", "pinned", "used"])
def test_one_that_says_something_else_is_pinned_or_was_used_meanwhile_speaks_for_itself(interrupted, reason):
    world, reembedding = interrupted
    world.learn("r1", REFUND, "pass", LESSON)
    text = "Greet every customer by name and thank them for it" if reason == "another text" else ECHO
    newer = learn_while_away(world, "r2", LATE, "pass", text)
    if reason == "pinned":
        world.store.write_change(PROJECT, GovernanceChange(memories=[replace(newer, pinned=True)]))
    if reason == "used":
        world.learn("r3", LATE, "pass", served=[newer.id])
    assert reembedding.run_pending() == 1
    assert standing(world.memory(newer.id)) == (MemoryStatus.ACTIVE, "")
    assert newer.id in [memory.id for memory in world.augment(LATE).memories]


def test_who_follows_a_memory_is_told_before_it_is_gone(world):
    older = world.learn("r1", REFUND, "pass", LESSON)
    second = world.learn("r2", LATE, "pass", ECHO)
    world.learn("r3", REFUND, "pass", served=[older.id])
    succession = read_succession(world.store, PROJECT, older.id, world.embedder.id)
    world.store.write_succession(PROJECT, succession)
    world.table.remove(PROJECT, older.id)
    world.table.write_succession(PROJECT, succession)
    assert succession.heir_id == second.id
    assert world.memory(second.id).uses == 1
    assert [memory.id for memory in world.augment(LATE).memories] == [second.id]
    assert read_succession(world.store, PROJECT, "unknown", world.embedder.id) is None


def test_those_who_lost_their_speaker_are_merged_among_themselves_where_they_say_the_same(world):
    memories = [world.learn(f"r{number}", REFUND, "pass", LESSON) for number in range(3)]
    vectors = [(1.0, 0.0), (0.95, 0.3122), (0.0, 1.0)]
    settled = resettle(list(zip(memories, vectors, strict=True)))
    assert [standing(memory) for memory, _ in settled] == [
        (MemoryStatus.ACTIVE, ""),
        (MemoryStatus.MERGED, memories[0].id),
        (MemoryStatus.ACTIVE, ""),
    ]
    assert read_cosine(vectors[0], vectors[1]) >= MERGE_COSINE


@pytest.mark.parametrize("seed", range(6))
def test_any_history_survives_a_restart_and_ends_in_records_that_the_ledger_gives(world, seed):
    source = random.Random(seed)
    texts = [LESSON, ECHO, "Greet every customer by name and thank them for their patience"]
    for step in range(25):
        run_id = f"r{source.randrange(8)}"
        if world.store.find_run(PROJECT, run_id) is None:
            known = world.store.find_memories(PROJECT, before=None, limit=9)
            served = [memory.id for memory in source.sample(list(known), min(len(known), 2))]
            world.run(run_id, source.choice([REFUND, LATE]), served=served)
        world.review(run_id, source.choice(["pass", "pass", "fail"]), source.choice(texts))
        world.loop.run_pending()
        if step % 7 == 0:
            before = world.augment(LATE), world.augment(REFUND)
            world.open_table()
            assert (world.augment(LATE), world.augment(REFUND)) == before
    for memory in world.store.find_memories(PROJECT, before=None, limit=99):
        if memory.status is MemoryStatus.MERGED:
            assert world.memory(memory.merged_into).status is MemoryStatus.ACTIVE
        else:
            events = world.store.find_utility_events(PROJECT, memory_ids=[memory.id])
            runs = {event.run_id for event in events}
            passed = {event.run_id for event in events if event.reward >= 0.5}
            assert (memory.uses, memory.passes) == (len(runs), len(passed))
