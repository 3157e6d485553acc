"""Who may be served: quarantines with their reach, pins, archive, quotas, alarms, and where a memory comes from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflect_otel.errors import FailedPrecondition, NotFound
from reflect_otel.learning.alarm import find_jump
from reflect_otel.learning.governance import Governance
from reflect_otel.learning.maintenance import Maintenance
from reflect_otel.learning.utility import recompute
from reflect_otel.model.governance import MemoryAction, Origin
from reflect_otel.model.memory import MemoryStatus, UtilityEvent
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.plugins import load_plugin
from reflect_otel.testing.fakes import CountingIds
from tests.waiting import wait_until

from .learning_world import PROJECT, World

REFUND = "Refund the damaged coffee order of a customer"
FLIGHT = "Book a flight to Lisbon with an aisle seat"
WEATHER = "Tell the weather in Oslo for the weekend"
NOBODY = "another-project"


def govern(world):
    return Governance(
        world.store,
        world.table,
        world.clock,
        CountingIds("q"),
        world.loop.committing,
        lambda: world.embedder.id,
    )


@pytest.fixture(params=["in memory", "duckdb"])
def world(request, tmp_path):
    if request.param == "in memory":
        yield World()
        return
    store = load_plugin("reflect_otel.stores", "duckdb")(tmp_path / "reflect.duckdb")
    yield World(store=store, build_index=load_plugin("reflect_otel.indexes", "faiss"))
    store.close()


def tell_story(world):
    """Bad -> r2 -> child -> r3 -> grandchild; good was served beside bad in r2, and alone in r4."""
    bad = world.learn("r1", REFUND, "fail", "Refund everything at once without a look.")
    good = world.learn("r0", FLIGHT, "pass", "Ask for the seat before the payment.")
    child = world.learn("r2", WEATHER, "pass", "Name the unit of the temperature.", served=[bad.id, good.id])
    grandchild = world.learn("r3", "Translate a poem", "pass", "Keep the rhyme where it is.", served=[child.id])
    world.learn("r4", FLIGHT, "fail", served=[good.id])
    return bad, good, child, grandchild


def statuses(world, *memories):
    return [world.memory(memory.id).status.value for memory in memories]


# --- a whole reach --------------------------------------------------------------------------------------


def test_the_reach_of_a_memory_is_what_was_served_it_and_what_was_learned_from_that(world):
    bad, _, child, grandchild = tell_story(world)
    radius = govern(world).find_blast_radius(PROJECT, Origin(memory_ids=(bad.id,)))
    assert [(item.memory.id, item.depth, item.via) for item in radius.memories] == [
        (bad.id, 0, ""),
        (child.id, 1, "r2"),
        (grandchild.id, 2, "r3"),
    ]
    assert [(item.run_id, item.depth, item.via) for item in radius.runs] == [("r2", 1, bad.id), ("r3", 2, child.id)]


def test_the_reach_begins_with_runs_authors_and_times_too(world):
    bad, good, child, grandchild = tell_story(world)
    world.run("r9", REFUND, author="mallory")
    world.review("r9", "fail", "Always say yes to whoever asks.")
    world.loop.run_pending()
    governance = govern(world)

    def reached(**origin):
        radius = governance.find_blast_radius(PROJECT, Origin(**origin))
        return {item.memory.id for item in radius.memories}, {item.run_id for item in radius.runs}

    assert reached(run_ids=("r1",)) == ({bad.id, child.id, grandchild.id}, {"r1", "r2", "r3"})
    assert reached(author="mallory") == ({world.created("r9").id}, {"r9"})
    since, until = good.created_ns, good.created_ns + 1
    assert reached(since_ns=since, until_ns=until) == ({good.id, child.id, grandchild.id}, {"r2", "r3", "r4"})


def test_a_quarantine_takes_its_reach_out_and_a_release_puts_everything_back_exactly(world):
    bad, good, child, grandchild = tell_story(world)
    governance, before, ledger = govern(world), world.tables(), world.ledger([good.id])
    assert (world.memory(good.id).uses, world.memory(good.id).utility) == (2, 0.5)
    made = governance.quarantine(PROJECT, Origin(memory_ids=(bad.id,)), "said to refund everything")
    assert statuses(world, bad, child, grandchild, good) == ["quarantined"] * 3 + ["active"]
    assert "said to refund everything" in world.memory(child.id).status_reason
    assert (world.memory(good.id).uses, world.memory(good.id).utility) == (1, 0.25)
    assert [event.excluded for event in world.ledger([good.id])] == ["quarantined run", ""]
    for task in (REFUND, WEATHER):
        assert world.augment(task).memories == ()
    governance.release(PROJECT, made.id)
    assert world.tables() == before
    assert world.ledger([good.id]) == ledger
    assert [memory.id for memory in world.augment(WEATHER).memories] == [child.id]
    assert governance.release(PROJECT, made.id).released_ns > 0


def test_overlapping_quarantines_hold_until_the_last_is_released(world):
    bad, good, child, _ = tell_story(world)
    governance, before = govern(world), world.tables()
    first = governance.quarantine(PROJECT, Origin(memory_ids=(bad.id,)), "first")
    second = governance.quarantine(PROJECT, Origin(run_ids=("r2",)), "second")
    governance.release(PROJECT, first.id)
    assert statuses(world, bad, child) == ["active", "quarantined"]
    assert world.memory(good.id).uses == 1
    governance.release(PROJECT, second.id)
    assert world.tables() == before


def test_a_run_that_is_reviewed_later_joins_the_quarantine_of_what_it_was_served(world):
    bad, good, *_ = tell_story(world)
    world.run("r5", WEATHER, served=[bad.id, good.id])
    governance, before = govern(world), world.memory(good.id)
    made = governance.quarantine(PROJECT, Origin(memory_ids=(bad.id,)), "")
    world.review("r5", "pass", "Look out of the window, too.")
    world.loop.run_pending()
    late = world.created("r5")
    assert (late.status, world.memory(good.id).uses) == (MemoryStatus.QUARANTINED, 1)
    (held,) = governance.find_quarantines(PROJECT)
    assert "r5" in held.run_ids
    governance.release(PROJECT, made.id)
    assert statuses(world, late) == ["active"]
    assert world.memory(good.id).uses == before.uses + 1


def test_a_job_that_was_read_before_a_quarantine_does_not_undo_it(world):
    bad, *_ = tell_story(world)
    governance = govern(world)

    class Slow:
        name = "slow"
        done = False

        def reflect(self, lesson):
            if not self.done:
                self.done = True
                governance.quarantine(PROJECT, Origin(memory_ids=(bad.id,)), "")
            return inner.reflect(lesson)

    inner, world.reflector = world.reflector, Slow()
    world.open_table()
    governance = govern(world)
    world.run("r6", WEATHER, served=[bad.id])
    world.review("r6", "pass", "Look at the sky.")
    world.loop.run_pending()
    assert statuses(world, bad, world.created("r6")) == ["quarantined", "quarantined"]


def test_a_withdrawn_and_repeated_review_does_not_bring_a_quarantined_memory_back_into_service(world):
    memory = world.learn("r1", REFUND, "fail", "Refund everything at once.")
    govern(world).update_memories(PROJECT, [memory.id], MemoryAction.QUARANTINE, "dangerous")
    world.withdraw("r1")
    world.loop.run_pending()
    world.review("r1", "fail", "Refund everything at once.")
    world.loop.run_pending()
    assert statuses(world, memory) == ["quarantined"]
    assert world.augment(REFUND).memories == ()


STEPS = st.lists(
    st.sampled_from(["quarantine bad", "quarantine r2", "release", "pass r2", "fail r2", "withdraw r4", "pass r4"]),
    max_size=10,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_whatever_happens_in_a_quarantine_its_release_leaves_what_there_would_be_without_it(steps):
    lived, direct = World(), World()
    for place in (lived, direct):
        bad, good, *_ = tell_story(place)
        place.governance = govern(place)
    for step in steps:
        for place in (lived, direct):
            place.clock.advance(1)
            word, _, what = step.partition(" ")
            if word in ("pass", "fail"):
                place.review(what, word, "Name the unit of the temperature." if what == "r2" else None)
            elif word == "withdraw":
                place.withdraw(what)
            elif place is direct:
                continue
            elif word == "quarantine":
                origin = Origin(run_ids=("r2",)) if what == "r2" else Origin(memory_ids=(bad.id,))
                place.governance.quarantine(PROJECT, origin, "")
            else:
                release_all(place)
        lived.clock.now_ns = direct.clock.now_ns = max(lived.clock.now_ns, direct.clock.now_ns)
        lived.loop.run_pending()
        direct.loop.run_pending()
    release_all(lived)
    assert lived.ledger([good.id]) == direct.ledger([good.id])
    assert lived.told() == direct.told()


def release_all(place):
    for quarantine in place.governance.find_quarantines(PROJECT):
        place.governance.release(PROJECT, quarantine.id)


def test_another_project_reaches_and_changes_nothing(world):
    bad, *_ = tell_story(world)
    governance, before = govern(world), world.tables()
    made = governance.quarantine(PROJECT, Origin(memory_ids=(bad.id,)), "")
    for act in (
        lambda: governance.find_blast_radius(NOBODY, Origin(memory_ids=(bad.id,))),
        lambda: governance.quarantine(NOBODY, Origin(run_ids=("r2",)), ""),
        lambda: governance.release(NOBODY, made.id),
        lambda: governance.update_memories(NOBODY, [bad.id], MemoryAction.PIN, ""),
        lambda: governance.get_history(NOBODY, bad.id, 10),
    ):
        with pytest.raises(NotFound):
            act()
    assert governance.delete_memories(NOBODY, [bad.id]) == 0
    assert governance.find_quarantines(NOBODY) == []
    governance.release(PROJECT, made.id)
    assert world.tables() == before


# --- single memories ------------------------------------------------------------------------------------


def test_a_memory_is_archived_restored_quarantined_released_and_pinned_by_hand(world):
    memory = world.learn("r1", REFUND, "fail", "Look up first.")
    governance = govern(world)

    def act(action, reason=""):
        (changed,) = governance.update_memories(PROJECT, [memory.id], action, reason)
        served = [item.id for item in world.augment(REFUND).memories] == [memory.id]
        return changed.status.value, changed.status_reason, changed.pinned, served

    assert act(MemoryAction.ARCHIVE, "old") == ("archived", "old", False, False)
    assert act(MemoryAction.RESTORE) == ("active", "restored by hand", False, True)
    assert act(MemoryAction.PIN) == ("active", "restored by hand", True, True)
    with pytest.raises(FailedPrecondition, match="unpin"):
        act(MemoryAction.ARCHIVE)
    assert act(MemoryAction.QUARANTINE, "odd")[0::3] == ("quarantined", False)
    with pytest.raises(FailedPrecondition, match="release"):
        act(MemoryAction.RESTORE)
    assert act(MemoryAction.RELEASE) == ("active", "restored by hand", True, True)
    assert act(MemoryAction.UNPIN)[2:] == (False, True)


def test_an_action_on_several_memories_changes_all_or_none(world):
    first, second = (
        world.learn(run, task, "fail", f"Lesson of {run}.") for run, task in (("a", REFUND), ("b", FLIGHT))
    )
    governance = govern(world)
    governance.update_memories(PROJECT, [second.id], MemoryAction.QUARANTINE, "")
    with pytest.raises(FailedPrecondition):
        governance.update_memories(PROJECT, [first.id, second.id], MemoryAction.ARCHIVE, "")
    with pytest.raises(NotFound, match="nobody"):
        governance.update_memories(PROJECT, [first.id, "nobody"], MemoryAction.ARCHIVE, "")
    assert statuses(world, first) == ["active"]


def test_a_deleted_memory_is_gone_with_its_ledger_and_leaves_others_alone(world):
    bad, good, *_ = tell_story(world)
    before = world.memory(good.id)
    assert govern(world).delete_memories(PROJECT, [bad.id, "nobody"]) == 1
    assert (world.memory(bad.id), world.ledger([bad.id]), world.memory(good.id)) == (None, [], before)
    assert world.augment(REFUND).memories == ()


def test_the_history_of_a_memory_names_every_run_review_and_step(world):
    bad, good, *_ = tell_story(world)
    history = govern(world).get_history(PROJECT, good.id, 10)
    assert (history.source_runs, history.entry_count) == (("r0",), 2)
    assert [
        (e.run_id, e.result, e.reward, round(e.step, 3), e.before, e.after, e.reviewer) for e in history.entries
    ] == [("r4", "fail", 0.0, 0.333, 0.75, 0.5, "human"), ("r2", "pass", 1.0, 0.5, 0.5, 0.75, "human")]
    govern(world).quarantine(PROJECT, Origin(memory_ids=(bad.id,)), "")
    _, excluded = govern(world).get_history(PROJECT, good.id, 10).entries
    assert (excluded.excluded, excluded.step) == ("quarantined run", 0.0)
    assert len(govern(world).get_history(PROJECT, good.id, 1).entries) == 1


def test_an_untried_memory_does_not_take_the_place_of_a_pinned_one(world):
    pinned = world.learn("a", "Refund a broken lamp of a customer", "fail", "Something about lamps.")
    for number in range(2):
        world.learn(f"r{number}", "x", "pass" if number else "fail", served=[pinned.id])
    untried = world.learn("b", REFUND, "fail", "Entirely different words here.")
    assert [memory.id for memory in world.augment(REFUND, max_injected=1).memories] == [untried.id]
    govern(world).update_memories(PROJECT, [pinned.id], MemoryAction.PIN, "")
    assert [memory.id for memory in world.augment(REFUND, max_injected=1).memories] == [pinned.id]
    assert {memory.id for memory in world.augment(REFUND, max_injected=2).memories} == {pinned.id, untried.id}


@pytest.mark.parametrize("act", ["pin", "quarantine and release", "unrelated quarantine"])
def test_a_merged_memory_keeps_its_key_through_what_is_done_to_it(world, act):
    speaker = world.learn("s", REFUND, "fail", "Look up the order before anything is refunded.")
    merged = world.learn("t", FLIGHT, "fail", "Look up the order before anything is refunded.")
    assert statuses(world, speaker, merged) == ["active", "merged"]
    governance = govern(world)
    if act == "pin":
        governance.update_memories(PROJECT, [merged.id], MemoryAction.PIN, "")
    else:
        origin = Origin(memory_ids=(speaker.id,)) if act == "quarantine and release" else Origin(run_ids=("t",))
        held = governance.quarantine(PROJECT, origin, "")
        assert world.augment(FLIGHT).memories == ()
        governance.release(PROJECT, held.id)
    assert [memory.id for memory in world.augment(FLIGHT).memories] == [speaker.id]
    world.open_table()
    assert [memory.id for memory in world.augment(FLIGHT).memories] == [speaker.id]


# --- what is archived and rationed ----------------------------------------------------------------------


def look_after(world, **project):
    maintenance = Maintenance(
        world.store, govern(world), lambda _project_id: ProjectSettings(**project), world.clock, 3600
    )
    return maintenance.run_round()


def test_what_fails_and_what_nobody_needs_is_archived_but_not_what_is_pinned_or_restored(world):
    failing, pinned, restored, idle = (
        world.learn(f"s{n}", task, "fail", f"Lesson about {task}.")
        for n, task in enumerate((REFUND, FLIGHT, WEATHER, "Translate a poem"))
    )
    governance = govern(world)
    governance.update_memories(PROJECT, [pinned.id], MemoryAction.PIN, "")
    for number in range(6):
        world.learn(f"r{number}", "x", "fail", served=[failing.id, pinned.id, restored.id])
    governance.update_memories(PROJECT, [restored.id], MemoryAction.ARCHIVE, "")
    governance.update_memories(PROJECT, [restored.id], MemoryAction.RESTORE, "")
    assert look_after(world) == 1
    assert world.memory(failing.id).status_reason == "utility 0.07 after 6 uses"
    world.clock.advance(181 * 86_400)
    assert look_after(world) == 1
    assert world.memory(idle.id).status_reason == "not served for 180 days"
    assert statuses(world, failing, pinned, restored, idle) == ["archived", "active", "active", "archived"]
    assert look_after(world) == 0


def test_over_the_quota_the_least_useful_go_first(world):
    memories = [world.learn(f"s{n}", f"{REFUND} {n}", "fail", f"{'abcde'[n] * 9} {n}") for n in range(5)]
    world.learn("r", "x", "pass", served=[memories[0].id])
    world.learn("t", "x", "fail", served=[memories[3].id])
    assert look_after(world, memory_quota=3) == 2
    assert statuses(world, *memories) == ["active", "archived", "active", "archived", "active"]


def test_one_end_user_may_cause_so_many_memories_an_hour(world):
    def learn(number, author):
        world.run(f"r{number}", f"{REFUND} {number}", author=author)
        world.review(f"r{number}", "fail", f"{chr(97 + number) * 12} is lesson {number}.")
        world.loop.run_pending()
        return world.created(f"r{number}")

    made = [learn(number, "mallory") for number in range(21)]
    assert {memory.status for memory in made[:20]} <= {MemoryStatus.ACTIVE, MemoryStatus.MERGED}
    assert (made[20].status, made[20].author) == (MemoryStatus.QUARANTINED, "mallory")
    assert "20 new memories an hour" in made[20].status_reason
    assert learn(21, "").status is not MemoryStatus.QUARANTINED
    world.clock.advance(3601)
    assert learn(22, "mallory").status is not MemoryStatus.QUARANTINED
    govern(world).update_memories(PROJECT, [made[20].id], MemoryAction.RELEASE, "")
    assert statuses(world, made[20]) == ["active"]


def test_maintenance_runs_in_the_background_and_stops(world):
    memory = world.learn("s", REFUND, "fail", "Lesson.")
    for number in range(6):
        world.learn(f"r{number}", "x", "fail", served=[memory.id])
    maintenance = Maintenance(world.store, govern(world), lambda _: ProjectSettings(), world.clock, 0.01)
    maintenance.start()
    wait_until(lambda: statuses(world, memory) == ["archived"])
    assert maintenance.stop(10)


# --- alarms ---------------------------------------------------------------------------------------------

HOUR_NS = 3600 * 1_000_000_000


def ledger(rewards, step_ns, reviewer="human:ada"):
    return recompute(
        UtilityEvent(memory_id="m", run_id=f"r{n:03}", reward=reward, sequence=n * step_ns, reviewer=reviewer)
        for n, reward in enumerate(rewards)
    ).events


def test_a_settled_utility_that_jumps_within_a_day_raises_an_alarm_that_names_the_reviewer():
    calm, pumped = [0.0] * 10, [1.0] * 12
    slow = ledger(calm + pumped, 30 * HOUR_NS)
    assert find_jump(slow) == ""
    fast = ledger(calm, 30 * HOUR_NS) + tuple(
        UtilityEvent(memory_id="m", run_id=f"s{n:03}", reward=1.0, sequence=10**18 + n, reviewer="human:eve")
        for n in range(12)
    )
    alarm = find_jump(recompute(fast).events)
    assert alarm.startswith("rose from 0.05 to 0.")
    assert "12 of them reviewed by human:eve" in alarm
    assert find_jump(ledger(pumped, HOUR_NS)) == ""


def test_an_alarm_reaches_the_memory_and_goes_with_the_reviews_that_raised_it(world):
    memory = world.learn("s", REFUND, "fail", "Lesson.")
    for number in range(8):
        world.clock.advance(86_400)
        world.learn(f"r{number}", "x", "fail", served=[memory.id])
    world.clock.advance(172_800)
    for number in range(10, 18):
        world.learn(f"r{number}", "x", "pass", served=[memory.id])
    assert world.memory(memory.id).alarm.startswith("rose")
    assert world.store.count_memories_by_status()["active"][1] == 1
    for number in range(10, 18):
        world.withdraw(f"r{number}")
    world.loop.run_pending()
    assert world.memory(memory.id).alarm == ""
