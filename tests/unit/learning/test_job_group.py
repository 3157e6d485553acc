"""Queued jobs taken together end as if taken one by one, and whoever fails, fails alone."""

import itertools
import random

import pytest

from reflect_otel.errors import StoreError
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.testing.fakes import InMemoryStore

from .learning_world import PROJECT, World

TASKS = ("Refund the damaged coffee order", "Ship the parcel to Oslo", "Cancel the flight of Mr Lee")
LESSONS = (
    "Look the order up before promising money.",
    "Look the order up before promising money!",  # says the same as the first one
    "Ask for a photo of the damage.",
    "Check the passport number against the booking.",
    "Tell the customer which rule forbids it.",
)


@pytest.fixture(params=["memory", "duckdb"])
def new_world(request, tmp_path):
    stores = []
    numbers = itertools.count()

    def build():
        if request.param == "memory":
            return World(store=InMemoryStore())
        stores.append(DuckDBStore(tmp_path / f"{next(numbers)}.duckdb"))
        return World(store=stores[-1])

    yield build
    for store in stores:
        store.close()


def teach(world):
    """Three memories that speak for themselves, drawn one by one; their ids."""
    drawn = [world.learn(f"first-{at}", TASKS[at], "fail", LESSONS[2 + at]).id for at in range(3)]
    assert len(set(drawn)) == 3
    return drawn


def queue(world, served, count=30, seed=5):
    """Reviewed runs that share memories, repeat lessons and tasks, and come out of order."""
    chance = random.Random(seed)
    for number in range(count):
        world.run(
            f"r{number}", chance.choice(TASKS), served=chance.sample(served, min(len(served), chance.randrange(4)))
        )
    for number in chance.sample(range(count), count):
        feedback = chance.choice((*LESSONS, f"Only here, {number}: {'abcdefgh'[number % 8] * 20}.", None))
        world.review(f"r{number}", chance.choice(("pass", "fail")), feedback)


def one_by_one(world):
    claim = world.store.claim_jobs
    world.store.claim_jobs = lambda _limit: claim(1)


def count_writes(world):
    sizes = []
    write = world.store.write_learning

    def counted(*outcomes):
        sizes.append(len(outcomes))
        return write(*outcomes)

    world.store.write_learning = counted
    return sizes


def everything(world):
    """What is stored and what is served."""
    served = [(task, [(m.id, m.utility) for m in world.augment(task, max_injected=10).memories]) for task in TASKS]
    return world.tables(), served, world.loop.counts.learned


@pytest.mark.parametrize("seed", range(2))
def test_many_together_leave_what_they_leave_one_by_one(new_world, seed):
    together, apart = new_world(), new_world()
    for world in (together, apart):
        queue(world, teach(world), seed=seed)
    one_by_one(apart)
    sizes = count_writes(together)
    for world in (together, apart):
        assert world.loop.run_pending() >= 30
    assert max(sizes) > 4
    assert everything(together) == everything(apart)


def test_runs_learned_from_again_together_with_new_ones_leave_the_same(new_world):
    together, apart = new_world(), new_world()
    for world in (together, apart):
        queue(world, teach(world))
        world.loop.run_pending()
        for number in range(0, 30, 3):
            world.review(f"r{number}", "pass" if number % 2 else "fail", LESSONS[number % 5])
            world.run(f"later-{number}", TASKS[number % 3])
            world.review(f"later-{number}", "fail", LESSONS[(number + 1) % 5])
        world.withdraw("r3")
        world.withdraw("first-1")
    one_by_one(apart)
    for world in (together, apart):
        world.loop.run_pending()
    assert everything(together) == everything(apart)


def test_a_job_that_fails_in_a_group_is_given_back_and_the_others_are_learned_from(new_world):
    world = new_world()
    for number in range(12):
        world.run(f"r{number}", TASKS[0])
        world.review(f"r{number}", "fail", "raise: no answer" if number == 7 else f"{'abcdefghijkl'[number] * 30}.")
    assert world.loop.run_pending() == 11
    details = {f"r{number}": world.store.find_run(PROJECT, f"r{number}") for number in range(12)}
    assert [run_id for run_id, detail in details.items() if not detail.learned] == ["r7"]
    assert (details["r7"].attempts, world.loop.counts.failed) == (1, 1)


def test_a_run_that_the_store_cannot_take_holds_up_no_other_of_its_group(new_world):
    world = new_world()
    memories = teach(world)
    queue(world, memories, count=20)
    write = world.store.write_learning

    def refuse(*outcomes):
        if any(outcome.job.run_id == "r7" for outcome in outcomes):
            raise StoreError("the disk is full; free some space")
        return write(*outcomes)

    world.store.write_learning = refuse
    assert world.loop.run_pending() == 19
    assert not world.store.find_run(PROJECT, "r7").learned
    assert {event.run_id for event in world.ledger(memories)}.isdisjoint({"r7"})
    world.store.write_learning = write
    world.clock.advance(60)
    world.loop.run_pending()
    assert world.store.find_run(PROJECT, "r7").learned


def test_what_could_not_be_committed_is_not_served(new_world):
    world = new_world()
    teach(world)
    before = everything(world)
    queue(world, [], count=10)

    def refuse(*_outcomes):
        raise StoreError("the disk is full; free some space")

    world.store.write_learning = refuse
    assert world.loop.run_pending() == 0
    assert everything(world) == before


def test_what_could_not_be_committed_before_a_job_that_fails_is_not_served(new_world):
    world = new_world()
    before = everything(world)
    for run_id, feedback in (("r0", LESSONS[0]), ("r1", LESSONS[2]), ("r2", LESSONS[3]), ("r3", "raise: no answer")):
        world.run(run_id, TASKS[0])
        world.review(run_id, "fail", feedback)

    def refuse(*_outcomes):
        raise StoreError("the disk is full; free some space")

    world.store.write_learning = refuse
    assert world.loop.run_pending() == 0
    assert world.loop.counts.failed == 4
    assert everything(world) == before


def test_a_run_that_cannot_be_read_is_told_of_and_the_others_are_learned_from(new_world):
    world = new_world()
    queue(world, [], count=12)
    find = world.store.find_evidence

    def fail(project_id, run_ids, memory_ids):
        if "r7" in run_ids:
            raise StoreError("the trajectory of r7 is damaged")
        return find(project_id, run_ids, memory_ids)

    world.store.find_evidence = fail
    assert world.loop.run_pending() == 11
    assert "damaged" in world.store.find_run(PROJECT, "r7").last_error


def test_a_review_that_changes_while_a_group_is_worked_out_is_learned_from_as_it_is_now(new_world):
    world = new_world()
    for number in range(12):
        world.run(f"r{number}", TASKS[0])
        world.review(f"r{number}", "fail", f"{'abcdefghijkl'[number] * 30}.")
    write = world.store.write_learning

    def change_first(*outcomes):
        if any(outcome.job.run_id == "r9" for outcome in outcomes):
            world.store.write_learning = write
            world.review("r9", "fail", "Only what was said last counts.")
        return write(*outcomes)

    world.store.write_learning = change_first
    assert world.loop.run_pending() == 12
    assert world.created("r9").reflection == "Only what was said last counts."
    assert len(world.tables()[0]) == 12
