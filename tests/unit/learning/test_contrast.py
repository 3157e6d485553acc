"""A contrast says what set a success apart from a failure; it stands as long as the failure does."""

import pytest

from reflect_otel.learning.loop import LearningLoop
from reflect_otel.model.memory import MemoryKind
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.model.reflection import Reflection
from reflect_otel.model.review import ReviewResult
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.store.faiss_index import FaissIndex

from .learning_world import World

TASK = "Refund the order of the customer who got the wrong coffee machine"


class ContrastingReflector:
    """Compares with the failed run where there is one, and repeats why that one failed."""

    name = "contrasting"

    def reflect(self, lesson):
        if lesson.failed_run is not None:
            text = f"Look the order up first; where nobody did, it was said: {lesson.failed_run.feedback}"
            return Reflection(kind=MemoryKind.CONTRAST, text=text)
        passed = lesson.result is ReviewResult.PASS
        kind = MemoryKind.STRATEGY if passed else MemoryKind.PITFALL
        return Reflection(kind=kind, text="Look the order up" if passed else "Never refund unseen")


@pytest.fixture(params=["in memory", "duckdb"])
def world(request, tmp_path):
    if request.param == "in memory":
        yield World(reflector=ContrastingReflector())
        return
    store = DuckDBStore(tmp_path / "store.duckdb")
    yield World(store=store, build_index=FaissIndex, reflector=ContrastingReflector())
    store.close()


@pytest.fixture
def contrast(world):
    world.learn("failed", TASK, "fail", "the order was never looked up")
    memory = world.learn("passed", TASK, "pass")
    assert (memory.kind, memory.contrasted_with) == (MemoryKind.CONTRAST, "failed")
    return memory


def learn_again(world):
    world.loop.run_pending()
    return world.created("passed")


def test_a_failure_that_is_taken_back_leaves_what_the_success_shows_alone(world, contrast):
    world.withdraw("failed")
    again = learn_again(world)
    assert (again.kind, again.contrasted_with, again.reflection) == (MemoryKind.STRATEGY, "", "Look the order up")
    assert world.memory(contrast.id) is None
    served = world.augment(TASK).memories
    assert [memory.id for memory in served] == [again.id]


def test_a_failure_that_turns_out_a_success_is_no_contrast_any_more(world, contrast):
    world.review("failed", "pass")
    assert learn_again(world).kind is MemoryKind.STRATEGY
    assert world.memory(contrast.id) is None


def test_a_failure_told_in_other_words_is_contrasted_with_as_it_reads_now(world, contrast):
    world.review("failed", "fail", "the customer was never asked")
    again = learn_again(world)
    assert (again.id, "never asked" in again.reflection) == (contrast.id, True)


def test_a_failure_that_comes_back_is_drawn_as_a_contrast_when_the_success_is_learned_from_again(world, contrast):
    world.withdraw("failed")
    learn_again(world)
    world.review("failed", "fail", "the order was never looked up")
    world.loop.run_pending()
    world.review("passed", "pass", "well done")
    assert learn_again(world).id == contrast.id


def test_the_weights_of_the_project_decide_whether_a_run_counts_as_failed(world):
    world.loop = LearningLoop(
        world.store,
        world.table,
        world.embedder,
        world.reflector,
        world.clock,
        find_settings=lambda _project_id: ProjectSettings(reviewer_weights={"human:bob": 0.0}),
    )
    world.run("failed", TASK)
    for identifier, result in (("ada", "fail"), ("bob", "pass"), ("bob's friend", "pass")):
        world.review("failed", result, identifier=identifier.partition("'")[0], name=identifier)
    world.loop.run_pending()
    assert world.learn("passed", TASK, "pass").contrasted_with == "failed"
