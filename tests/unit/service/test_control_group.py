"""The share of runs that get no memory: who they are, what is noted about them, and that a stop serves nobody."""

import pytest

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.lift import LiftScope
from reflect_otel.model.memory import RetrievalOptions
from reflect_otel.model.review import Review, ReviewResult
from tests.unit.service.backend import TASK

PASS = Review(result=ReviewResult.PASS)


@pytest.fixture
def shop(backend):
    """A project with one memory that fits the task."""
    backend.operations.create_memory("shop", task=TASK, reflection="Ask for the order number first.")
    return backend


def augment(backend, **run):
    return backend.operations.augment("shop", TASK, RetrievalOptions(), **run)


def set_share(backend, share):
    backend.operations.projects.update_settings("shop", {"control_share": share})


def count_arms(backend):
    counts = backend.store.find_arm_counts("shop", LiftScope.PROJECT)
    return {(count.withheld, count.control_share): (count.runs, count.reviewed, count.passes) for count in counts}


def test_without_a_control_share_everyone_is_served_and_nothing_is_compared(shop):
    for number in range(20):
        assert augment(shop, run_id=f"run-{number}").memories
    assert {(served.withheld, served.control_share) for _, served in shop.intake.served} == {(False, 0.0)}
    shop.create_run(run_id="run-1", review=PASS)
    shop.loop.run_pending()
    assert count_arms(shop) == {}


def test_a_run_of_the_control_group_gets_its_task_unchanged_and_no_memory_is_named(shop):
    set_share(shop, 1.0)
    augmented = augment(shop, run_id="run-1")
    assert (augmented.augmented_task, augmented.memories, augmented.control) == (TASK, (), True)
    ((_, withheld),) = shop.intake.served
    assert (withheld.withheld, withheld.control_share, withheld.rank) == (True, 1.0, 1)


def test_what_was_withheld_earns_no_credit_and_is_not_a_memory_of_the_run(shop):
    set_share(shop, 1.0)
    augment(shop, run_id="run-1")
    shop.create_run(run_id="run-1", review=PASS)
    shop.loop.run_pending()
    assert shop.operations.get_trace("shop", "run-1").retrieved_memory_ids == ()
    (memory,) = [m for m in shop.operations.list_memories("shop").items if not m.created_from]
    assert (memory.uses, memory.utility) == (0, 0.5)
    assert count_arms(shop) == {(True, 1.0): (1, 1, 1)}


def test_a_caller_that_has_gone_on_was_served_nothing_and_denied_nothing(shop):
    for share in (0.0, 1.0):
        set_share(shop, share)
        augmented = augment(shop, run_id="run-1", is_awaited=lambda: False)
        assert (augmented.augmented_task, augmented.memories, augmented.degraded) == (TASK, (), True)
    assert shop.intake.served == []


def test_every_augmentation_of_a_run_falls_to_the_same_side(shop):
    set_share(shop, 0.5)
    sides = {}
    for number in range(40):
        for _ in range(3):
            sides.setdefault(number, set()).add(augment(shop, run_id=f"run-{number}").control)
    assert all(len(side) == 1 for side in sides.values())
    assert {side.pop() for side in sides.values()} == {True, False}


def test_the_trace_is_the_run_key_where_no_run_is_named(shop):
    set_share(shop, 0.5)
    traces = [bytes([number]) * 16 for number in range(1, 41)]
    first = [augment(shop, trace_id=trace).control for trace in traces]
    assert [augment(shop, trace_id=trace).control for trace in traces] == first
    assert len(set(first)) == 2


def test_without_a_run_key_each_call_is_drawn_and_nothing_is_noted(shop):
    set_share(shop, 0.5)
    assert {augment(shop).control for _ in range(100)} == {True, False}
    assert shop.intake.served == []


def test_a_run_for_which_nothing_was_eligible_is_on_neither_side(shop):
    set_share(shop, 1.0)
    augmented = shop.operations.augment("shop", "Water the tulips", RetrievalOptions(), run_id="run-1")
    assert (augmented.augmented_task, augmented.control) == ("Water the tulips", False)
    assert shop.intake.served == []


def test_a_stopped_project_serves_nobody_says_why_and_notes_nothing(shop):
    shop.operations.projects.update_settings("shop", {"serving": False, "control_share": 0.5})
    for number in range(10):
        augmented = augment(shop, run_id=f"run-{number}")
        assert (augmented.augmented_task, augmented.memories, augmented.control) == (TASK, (), False)
        assert augmented.serving_stopped_reason == "stopped by hand"
    assert shop.intake.served == []
    assert shop.operations.query_memories("shop", TASK, RetrievalOptions())
    with pytest.raises(InvalidArgument):
        shop.operations.augment("shop", TASK, RetrievalOptions(limit=0))
    shop.operations.projects.update_settings("shop", {"serving": True, "control_share": 0.0})
    assert augment(shop).memories


def test_another_project_is_not_stopped(shop):
    shop.operations.projects.update_settings("bank", {"serving": False})
    assert augment(shop).memories
