"""The learning loop: memories and utilities follow the reviews, exactly, whatever happens in between."""

import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflect_otel.errors import NotFound, StoreError
from reflect_otel.learning.augmentation import render
from reflect_otel.learning.lesson import build_memory_id
from reflect_otel.learning.loop import MAX_TRIES
from reflect_otel.model.memory import MemoryKind
from reflect_otel.model.review import ReviewSource
from reflect_otel.model.spans import RunState
from reflect_otel.model.trajectory import ExecutionMetrics, TerminationReason
from reflect_otel.plugins import load_plugin
from reflect_otel.testing.fakes import InMemoryStore

from .learning_world import PROJECT, World, conversation

REFUND = "Refund the damaged coffee order of a customer"


@pytest.fixture(params=["in memory", "duckdb"])
def world(request, tmp_path):
    """On the public fake and on the real store: both must lead to the same learning."""
    if request.param == "in memory":
        yield World()
        return
    store = load_plugin("reflect_otel.stores", "duckdb")(tmp_path / "reflect.duckdb")
    yield World(store=store, build_index=load_plugin("reflect_otel.indexes", "faiss"))
    store.close()


# --- what is learned ------------------------------------------------------------------------------------


def test_a_reviewed_run_becomes_a_memory_that_the_next_task_is_served(world):
    memory = world.learn("r1", REFUND, "fail", "Look up the order before refunding.")
    assert (memory.kind, memory.task, memory.utility, memory.uses) == (MemoryKind.PITFALL, REFUND, 0.5, 0)
    assert (memory.created_from, memory.success) == ("r1", False)
    augmented = world.augment("Refund a broken tea order of a customer")
    assert [item.id for item in augmented.memories] == [memory.id]
    assert "Look up the order before refunding." in augmented.augmented_task


def test_a_run_keeps_waiting_until_it_is_closed(world):
    world.run("r1", REFUND, state=RunState.OPEN)
    world.review("r1", "fail", "reason")
    assert world.loop.run_pending() == 0
    world.run("r1", REFUND)
    assert world.loop.run_pending() == 1


def test_a_run_that_shows_nothing_leaves_no_memory_but_is_learned(world):
    assert world.learn("r1", REFUND, "pass") is None
    assert world.store.find_run(PROJECT, "r1").learned


def test_the_run_gives_its_agent_and_metadata_to_the_memory(world):
    world.run("r1", REFUND, agent="support", metadata={"team": "a"})
    world.review("r1", "pass", "It works.")
    world.loop.run_pending()
    memory = world.created("r1")
    assert (memory.agent, memory.metadata) == ("support", {"team": "a"})
    assert world.augment(REFUND, metadata_filter={"team": "b"}).memories == ()


def test_a_run_without_a_task_is_found_by_its_lesson(world):
    world.run("r1", "", trajectory=conversation(""))
    world.review("r1", "fail", "Look up the coffee order before refunding it.")
    world.loop.run_pending()
    assert world.augment("refunding a coffee order").memories


# --- who gets the reward --------------------------------------------------------------------------------


def test_every_memory_served_gets_the_reward_once_except_the_runs_own(world):
    first = world.learn("r1", REFUND, "pass", "Look up first.")
    second = world.learn("r2", "Cancel a flight", "pass", "Ask for the booking code.")
    world.learn("r3", REFUND, "pass", served=[first.id, second.id, first.id, "mem-unknown"])
    world.learn("r4", REFUND, "fail", served=[first.id])
    assert [(m.uses, m.passes, m.utility) for m in map(world.memory, (first.id, second.id))] == [
        (2, 1, 0.5),
        (1, 1, 0.75),
    ]
    world.run("r1", REFUND, served=[first.id])
    world.review("r1", "pass", "Look up first.", identifier="again")
    world.loop.run_pending()
    assert world.memory(first.id).uses == 2


def test_utilities_reach_the_table_that_augmentations_read(world):
    memory = world.learn("r1", REFUND, "pass", "Look up first.")
    world.learn("r2", REFUND, "pass", served=[memory.id])
    assert world.augment(REFUND).memories[0].utility == 0.75
    for number in range(3, 6):
        world.learn(f"r{number}", REFUND, "fail", served=[memory.id])
    assert world.augment(REFUND).memories == ()


def test_a_graded_score_and_a_step_size_move_the_utility_as_told(world):
    memory = world.learn("r1", REFUND, "pass", "Look up first.")
    world.run("r2", REFUND, served=[memory.id])
    world.review("r2", "pass", score=0.7, alpha=0.5)
    world.loop.run_pending()
    assert world.memory(memory.id).utility == pytest.approx(0.6)


def test_an_automatic_judge_counts_half_against_a_person(world):
    memory = world.learn("r1", REFUND, "pass", "Look up first.")
    world.run("r2", REFUND, served=[memory.id])
    world.review("r2", "pass", source=ReviewSource.LLM)
    world.review("r2", "fail", source=ReviewSource.HUMAN)
    world.loop.run_pending()
    (event,) = world.store.find_utility_events(PROJECT, run_id="r2")
    assert event.reward == pytest.approx(1 / 3)


def test_a_run_that_gets_its_name_late_is_credited_once(world):
    trace_id = b"\x01" * 16
    memory = world.learn("r1", REFUND, "pass", "Look up first.")
    world.run(trace_id.hex(), REFUND, served=[memory.id])
    world.join(trace_id, trace_id.hex())
    world.review(trace_id.hex(), "pass", "It worked after all and nobody complained.")
    world.loop.run_pending()
    world.join(trace_id, "named")
    world.loop.run_pending()
    assert world.memory(memory.id).uses == 1
    assert [event.run_id for event in world.store.find_utility_events(PROJECT, memory_ids=[memory.id])] == ["named"]
    assert world.created("named").created_from == "named"
    assert len(world.tables()[0]) == 2


# --- changed reviews ------------------------------------------------------------------------------------


def test_a_changed_review_gives_the_tables_it_would_have_given_at_once(world):
    other = World()
    for place, early in ((world, "fail"), (other, "pass")):
        memory = place.learn("r1", REFUND, "pass", "Look up first.")
        for number, result in enumerate((early, "pass", "fail", "pass"), 2):
            place.learn(f"r{number}", REFUND, result, served=[memory.id])
    assert world.tables() != other.tables()
    world.review("r2", "pass")
    world.loop.run_pending()
    assert world.tables() == other.tables()


def test_a_flipped_result_replaces_the_memory_drawn_from_the_run(world):
    strategy = world.learn("r1", REFUND, "pass", "Refund right away.")
    world.learn("r2", REFUND, "pass", served=[strategy.id])
    world.review("r1", "fail", "Do not refund before looking the order up.")
    world.loop.run_pending()
    pitfall = world.created("r1")
    assert (pitfall.kind, pitfall.utility, pitfall.uses) == (MemoryKind.PITFALL, 0.5, 0)
    assert world.memory(strategy.id) is None
    assert [memory.id for memory in world.augment(REFUND).memories] == [pitfall.id]


def test_a_flipped_result_with_nothing_to_say_removes_the_memory(world):
    memory = world.learn("r1", REFUND, "fail", "The refund was missing.")
    world.review("r1", "pass")
    world.loop.run_pending()
    assert world.memory(memory.id) is None
    assert world.created("r1") is None
    assert world.augment(REFUND).memories == ()


def test_better_feedback_rewrites_the_lesson_and_keeps_its_record(world):
    memory = world.learn("r1", REFUND, "fail", "Wrong.")
    world.learn("r2", REFUND, "pass", served=[memory.id])
    world.review("r1", "fail", "The refund went to the wrong card.")
    world.loop.run_pending()
    rewritten = world.created("r1")
    assert (rewritten.id, rewritten.uses, rewritten.created_ns) == (memory.id, 1, memory.created_ns)
    assert rewritten.reflection == "The refund went to the wrong card."


REVIEWS = st.lists(st.tuples(st.integers(2, 5), st.sampled_from(["pass", "fail"])), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(REVIEWS)
def test_any_history_of_changed_reviews_ends_where_the_last_reviews_lead(history):
    changing, direct = World(), World()
    last = dict(history)
    for place in (changing, direct):
        place.learn("r1", REFUND, "pass", "Look up first.")
        memory_id = place.created("r1").id
        for number in range(2, 6):
            place.run(f"r{number}", REFUND, served=[memory_id])
    for number in range(2, 6):
        for place, result in ((changing, "pass"), (direct, last.get(number, "pass"))):
            place.review(f"r{number}", result)
            place.loop.run_pending()
    for number, result in history:
        changing.review(f"r{number}", result)
        changing.loop.run_pending()
    assert changing.tables() == direct.tables()


REVIEWERS = ("", "ada", "bob")
WORDS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(REVIEWERS), st.sampled_from(["pass", "fail", "take back"])),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_any_history_of_given_changed_and_withdrawn_reviews_ends_in_the_ledger_of_those_that_stand(words):
    """Of memories that come and go with the reviews of their own runs, too."""
    lived, direct = World(), World()
    ids = [build_memory_id(PROJECT, "r1", kind) for kind in (MemoryKind.STRATEGY, MemoryKind.PITFALL)]
    for place in (lived, direct):
        for number in range(1, 5):
            place.run(f"r{number}", REFUND, served=ids)
    standing = {}
    for number, reviewer, word in words:
        key = (f"r{number}", reviewer)
        if word == "take back":
            if standing.pop(key, None):
                lived.withdraw(key[0], identifier=reviewer)
        else:
            feedback = f"Lesson {number} for the one who asks." if number == 1 else None
            lived.review(key[0], word, feedback, identifier=reviewer)
            # a changed review keeps the place of the first one
            standing[key] = (standing[key][0] if key in standing else lived.clock(), word, feedback)
        lived.loop.run_pending()
    for (run_id, reviewer), (given_ns, word, feedback) in standing.items():
        direct.clock.now_ns = given_ns - 1_000_000_000
        direct.review(run_id, word, feedback, identifier=reviewer)
    direct.loop.run_pending()
    assert lived.ledger(ids) == direct.ledger(ids)
    assert lived.told() == direct.told()


def test_a_withdrawn_review_takes_its_memory_and_credit_along_and_a_new_one_brings_them_back(world):
    memory = world.learn("r1", REFUND, "pass", "Look up first.")
    world.learn("r2", REFUND, "pass", served=[memory.id])
    before = world.told()
    world.withdraw("r1")
    world.withdraw("r2")
    world.loop.run_pending()
    assert world.memory(memory.id) is None
    assert world.augment(REFUND).memories == ()
    assert world.ledger([memory.id]) == []
    world.review("r2", "pass")
    world.review("r1", "pass", "Look up first.")
    world.loop.run_pending()
    assert world.told() == before
    assert [item.id for item in world.augment(REFUND).memories] == [memory.id]


# --- what does not count --------------------------------------------------------------------------------


STOPPED = ExecutionMetrics(termination_reason=TerminationReason.CANCELLED)


@pytest.mark.parametrize("how", ["by its telemetry", "by the client's word"])
def test_a_cancelled_run_counts_for_nothing_whoever_reviews_it(world, how):
    memory = world.learn("r1", REFUND, "pass", "Look up first.")
    if how == "by its telemetry":
        stopped = replace(conversation(REFUND), execution_metrics=STOPPED)
        world.run("r2", REFUND, served=[memory.id], trajectory=stopped)
    else:
        world.run("r2", REFUND, served=[memory.id], metadata={"cancelled": "KeyboardInterrupt"})
    world.review("r2", "fail", "It took too long.")
    world.review("r2", "pass", source=ReviewSource.CODE)
    assert world.loop.run_pending() == 1
    assert world.store.find_run(PROJECT, "r2").learned
    assert (world.memory(memory.id).uses, world.created("r2"), world.ledger([memory.id])) == (0, None, [])


def test_one_reviewer_moves_a_memory_so_often_a_day_and_no_more(world, monkeypatch):
    monkeypatch.setattr("reflect_otel.learning.utility.REVIEWER_DAILY_CAP", 2)
    memory = world.learn("r1", REFUND, "fail", "Look up first.")
    for number, reviewer in enumerate(("ada", "ada", "ada", "bob"), 2):
        world.run(f"r{number}", REFUND, served=[memory.id])
        world.review(f"r{number}", "pass", identifier=reviewer)
        world.loop.run_pending()
    assert world.memory(memory.id).uses == 3
    assert [event.excluded for event in world.ledger([memory.id])] == ["", "", "reviewer's daily cap", ""]
    world.withdraw("r2", identifier="ada")
    world.loop.run_pending()
    assert [event.excluded for event in world.ledger([memory.id])] == ["", "", ""]
    world.clock.advance(86_400)
    world.run("r9", REFUND, served=[memory.id])
    world.review("r9", "pass", identifier="ada")
    world.loop.run_pending()
    assert world.memory(memory.id).uses == 4


# --- nothing twice --------------------------------------------------------------------------------------


def test_the_same_reviews_again_change_nothing(world):
    memory = world.learn("r1", REFUND, "fail", "Look up first.")
    world.learn("r2", REFUND, "pass", "It worked after looking the order up.", served=[memory.id])
    before = world.tables()
    world.review("r1", "fail", "Look up first.")
    world.review("r2", "pass", "It worked after looking the order up.")
    assert world.loop.run_pending() == 0
    assert world.tables() == before


def test_taking_a_job_again_gives_the_same_tables(world):
    memory = world.learn("r1", REFUND, "fail", "Look up first.")
    world.run("r2", REFUND, served=[memory.id])
    world.review("r2", "pass", "It worked after looking the order up.")
    world.loop.run_pending()
    before = world.tables()
    world.review("r2", "fail", "Nothing worked at all this time.")
    world.loop.run_pending()
    world.review("r2", "pass", "It worked after looking the order up.")
    world.loop.run_pending()
    memories, events, vectors = world.tables()
    assert (memories[0].id, events, vectors.keys()) == (before[0][0].id, before[1], before[2].keys())
    assert [(m.id, m.reflection, m.utility, m.uses) for m in memories] == [
        (m.id, m.reflection, m.utility, m.uses) for m in before[0]
    ]


def test_a_restart_finds_the_same_memories(world):
    world.learn("r1", REFUND, "fail", "Look up first.")
    before = world.augment(REFUND)
    world.open_table()
    assert world.augment(REFUND) == before


def test_a_review_that_arrives_while_its_run_is_learned_is_not_lost(world):
    class LateReview:
        name = "late"

        def reflect(self, lesson):
            if not world.store.find_run(PROJECT, "r1").reviews[0].feedback.startswith("second"):
                world.review("r1", "fail", "second thoughts")
            return inner.reflect(lesson)

    inner, world.reflector = world.reflector, LateReview()
    world.open_table()
    world.run("r1", REFUND)
    world.review("r1", "fail", "first impression")
    assert world.loop.run_pending() == 1
    assert world.created("r1").reflection == "second thoughts"


# --- the recall loop ------------------------------------------------------------------------------------


def test_served_notes_are_cut_out_of_what_the_reflector_and_the_memory_see(world):
    memory = world.learn("r1", REFUND, "fail", "Look up the order first.")
    augmented = render(REFUND, [memory])
    world.run("r2", augmented, served=[memory.id], trajectory=conversation(augmented))
    world.review("r2", "pass", "An entirely different insight about courtesy.")
    world.loop.run_pending()
    lesson = world.reflector.seen[-1]
    assert lesson.task == lesson.trajectory.messages[0].content == REFUND
    assert lesson.trajectory.steps[0].messages[0].content == REFUND
    assert lesson.served_texts == ("Look up the order first.",)
    assert world.created("r2").task == REFUND


@pytest.mark.parametrize("echo", ["Look up the coffee order first.", "look up the coffee order first!"])
def test_a_reflection_that_repeats_a_served_memory_only_adds_evidence(world, echo):
    memory = world.learn("r1", REFUND, "pass", "Look up the coffee order first.")
    assert world.learn("r2", REFUND, "pass", echo, served=[memory.id]) is None
    assert world.memory(memory.id).uses == 1
    assert world.learn("r3", REFUND, "pass", echo) is not None


# --- driving --------------------------------------------------------------------------------------------


def test_one_bad_run_does_not_hold_up_the_others(world):
    for number in range(5):
        world.run(f"r{number}", REFUND)
        world.review(f"r{number}", "fail", "raise" if number == 0 else f"Lesson number {number} of many.")
    assert world.loop.run_pending() == 4
    detail = world.store.find_run(PROJECT, "r0")
    assert (detail.attempts, detail.last_error, detail.learned) == (1, "RuntimeError: raise", False)
    assert world.loop.counts.failed == 1


def test_a_failing_job_is_tried_again_later_and_later_then_parked_until_the_next_review(world):
    world.run("r1", REFUND)
    world.review("r1", "fail", "raise always")
    waited = []
    for _ in range(MAX_TRIES):
        world.loop.run_pending()
        seconds = 0
        while world.store.find_run(PROJECT, "r1").attempts <= len(waited) + 1 and seconds < 100:
            world.clock.advance(1)
            seconds += 1
            world.loop.run_pending()
        waited.append(seconds)
    assert waited == [1, 2, 4, 8, 16, 100]
    assert world.store.find_run(PROJECT, "r1").attempts == MAX_TRIES
    assert world.loop.counts.parked == 1
    assert world.loop.learn(PROJECT, "r1", 5) is False
    world.review("r1", "fail", "A reason that works.")
    assert world.loop.run_pending() == 1


def test_a_job_that_has_to_wait_does_not_hold_up_one_that_is_due(world):
    world.run("old", REFUND)
    world.review("old", "fail", "raise always")
    for step in range(14):  # tried at 0, 1, 3 and 7 seconds, and due at 15
        if step == 11:  # tried at 13 and 14, has to wait until 16, and stands first with its fewer tries
            world.run("new", REFUND)  # takes a second, and so does the review
            world.review("new", "fail", "raise always")
        world.loop.run_pending()
        world.clock.advance(1)
    assert [world.store.find_run(PROJECT, run_id).attempts for run_id in ("old", "new")] == [5, 2]


def test_a_new_review_is_learned_from_at_once_whatever_failed_before(world):
    world.run("r1", REFUND)
    world.review("r1", "fail", "raise")
    world.loop.run_pending()
    world.review("r1", "fail", "A reason.")
    assert world.loop.run_pending() == 1


def test_the_thread_learns_when_woken_and_stops_in_time(world):
    of_others = set(threading.enumerate())
    world.loop.start()
    world.run("r1", REFUND)
    world.review("r1", "fail", "Look up first.")
    world.loop.wake()
    assert world.loop.learn(PROJECT, "r1", 5)
    assert world.loop.stop(5)
    assert world.changed == [(PROJECT, "r1")]
    left = set(threading.enumerate()) - of_others
    assert not [thread for thread in left if thread.name == "reflect-learning"]


def test_learn_waits_no_longer_than_told(world):
    world.run("r1", REFUND, state=RunState.OPEN)
    world.review("r1", "fail", "reason")
    world.loop.start()
    started = time.monotonic()
    assert world.loop.learn(PROJECT, "r1", 0.2) is False
    assert 0.2 <= time.monotonic() - started < 5
    world.loop.stop(5)


def test_learn_without_the_thread_does_the_work_itself(world):
    world.run("r1", REFUND)
    world.review("r1", "fail", "Look up first.")
    assert world.loop.learn(PROJECT, "r1", 5)
    assert world.created("r1") is not None


def test_learning_from_a_run_that_does_not_exist_says_so(world):
    with pytest.raises(NotFound, match="nowhere"):
        world.loop.learn(PROJECT, "nowhere", 1)


def test_callers_that_review_at_once_all_get_their_memory(world):
    world.loop.start()
    learned = []

    def review(number):
        world.run(f"r{number}", REFUND)
        world.review(f"r{number}", "fail", f"Insight {number}: {'abcdefgh'[number] * 30}.")
        learned.append(world.loop.learn(PROJECT, f"r{number}", 10))

    callers = [threading.Thread(target=review, args=(number,)) for number in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(15)
    world.loop.stop(5)
    assert learned == [True] * 8
    assert len(world.tables()[0]) == 8


def test_a_store_that_fails_for_a_while_does_not_end_the_thread():
    class Hiccup(InMemoryStore):
        broken = True
        asked = threading.Event()

        def claim_jobs(self, limit):
            if self.broken:
                self.asked.set()
                raise StoreError("the disk is full; free some space")
            return super().claim_jobs(limit)

    store = Hiccup()
    world = World(store=store)
    world.run("r1", REFUND)
    world.review("r1", "fail", "Look up first.")
    world.loop.start()
    assert store.asked.wait(5)
    store.broken = False
    assert world.loop.learn(PROJECT, "r1", 5)
    assert world.loop.stop(5)


def test_a_listener_that_fails_does_not_undo_the_learning(world):
    world.changed = None
    assert world.learn("r1", REFUND, "fail", "Look up first.") is not None


def test_a_run_deleted_before_it_was_learned_from_ends_its_job(world):
    world.run("r1", REFUND)
    world.review("r1", "fail", "reason")
    claimed = iter([world.store.claim_jobs(1), []])
    world.store.delete_runs(PROJECT, ["r1"])
    world.store.claim_jobs = lambda limit: next(claimed)
    world.loop.run_pending()
    assert world.tables() == ([], [], {})
