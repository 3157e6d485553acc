"""Trusting reviewers differently: every run that comes to another verdict is learned from again, no other."""

import pytest

from reflect_otel.model.review import Review, ReviewResult, ReviewSource
from reflect_otel.testing.conformance.store_case import claim
from tests.unit.service.backend import TASK

PROJECT = "shop"


@pytest.fixture
def shop(backend):
    """A memory that three runs were served: disputed by a model, agreed upon, and reviewed by a model alone."""
    memory = backend.operations.create_memory(PROJECT, task=TASK, reflection="Ask for the order number first.")
    for run_id, verdicts in {
        "disputed": {"human": "pass", "llm": "fail"},
        "agreed": {"human": "pass", "code": "pass"},
        "judged": {"llm": "fail"},
    }.items():
        backend.create_run(PROJECT, run_id, retrieved_memory_ids=(memory.id,))
        for source, result in verdicts.items():
            review(backend, run_id, source, result)
    backend.memory_id = memory.id
    return backend


def review(backend, run_id, source, result):
    backend.clock.advance(1)
    given = Review(result=ReviewResult(result), source=ReviewSource(source), created_ns=backend.clock())
    backend.operations.review_trace(PROJECT, run_id, given)


def rewards(backend):
    events = backend.store.find_utility_events(PROJECT, memory_ids=[backend.memory_id])
    return {event.run_id: round(event.reward, 3) for event in events}


def set_weights(backend, weights):
    backend.operations.projects.update_settings(PROJECT, {"reviewer_weights": weights})
    queued = [run_id for run_id in ("disputed", "agreed", "judged") if not is_learned(backend, run_id)]
    backend.loop.run_pending()
    return queued


def is_learned(backend, run_id):
    return backend.store.find_run(PROJECT, run_id).learned


def standing(backend):
    memory = backend.store.find_memory(PROJECT, backend.memory_id)
    return memory.uses, memory.passes, round(memory.utility, 6)


def test_runs_whose_verdict_changes_are_learned_from_again_and_no_others(shop):
    assert rewards(shop) == {"disputed": 0.667, "agreed": 1.0, "judged": 0.0}
    before = standing(shop)
    assert set_weights(shop, {"llm": 1.0}) == ["disputed"]
    assert rewards(shop) == {"disputed": 0.5, "agreed": 1.0, "judged": 0.0}
    assert set_weights(shop, {"llm": 0.0}) == ["disputed", "judged"]
    assert rewards(shop) == {"disputed": 1.0, "agreed": 1.0}
    assert standing(shop)[:2] == (2, 2)
    assert set_weights(shop, {}) == ["disputed", "judged"]
    assert (standing(shop), rewards(shop)) == (before, {"disputed": 0.667, "agreed": 1.0, "judged": 0.0})


def test_other_settings_and_other_projects_set_nothing_in_motion(shop):
    shop.operations.projects.update_settings(PROJECT, {"control_share": 0.2})
    shop.operations.projects.update_settings("bank", {"reviewer_weights": {"llm": 0.0}})
    assert claim(shop.store) is None


def test_what_was_read_by_the_old_weights_is_not_committed_once_the_new_ones_hold(shop):
    """The job of the disputed run is on its way when the weights change."""
    review(shop, "disputed", "llm", "fail")  # says nothing new
    shop.store.write_project_settings(PROJECT, shop.project_settings.find(PROJECT), relearned_run_ids=["disputed"])
    original = shop.store.write_learning
    changes = [{"llm": 1.0}]

    def change_first(outcome):
        if changes:
            shop.operations.projects.update_settings(PROJECT, {"reviewer_weights": changes.pop()})
        return original(outcome)

    shop.store.write_learning = change_first
    shop.loop.run_pending()
    assert rewards(shop)["disputed"] == 0.5
    assert is_learned(shop, "disputed")


def test_weights_that_cannot_be_written_do_not_hold(shop):
    def refuse(*_arguments, **_options):
        raise OSError("disk on fire")

    original, shop.store.write_project_settings = shop.store.write_project_settings, refuse
    with pytest.raises(OSError, match="disk on fire"):
        shop.operations.projects.update_settings(PROJECT, {"reviewer_weights": {"llm": 0.0}})
    shop.store.write_project_settings = original
    assert shop.operations.projects.get_settings(PROJECT).reviewer_weights == {}
    assert set_weights(shop, {"llm": 0.5}) == []
