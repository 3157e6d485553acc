"""Which memories a task gets: recall, the blend, the guards, and what the options promise."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import InvalidArgument
from reflect_otel.learning.ranking import build_closeness
from reflect_otel.model.explanation import build_near_cosine
from reflect_otel.model.memory import MemoryKind, RetrievalOptions
from reflect_otel.model.notes import strip_notes
from reflect_otel.ports import Settings

from .conftest import PlaneEmbedder, Shelf

ALL = RetrievalOptions(limit=100, similarity_threshold=-1.0)


def ids(memories):
    return [memory.id for memory in memories]


def random_shelf(seed, size=30):
    rng, shelf = random.Random(seed), Shelf()
    for number in range(size):
        shelf.put(
            f"m{number:02}",
            rng.choice([rng.uniform(-1, 1), 0.5]),
            utility=rng.choice([rng.random(), 0.5]),
            uses=rng.randrange(5),
            created_ns=rng.randrange(3),
        )
    return shelf


def newest_first(memory):
    return (-memory.created_ns, memory.id)


@pytest.mark.parametrize("seed", range(1000))
def test_lambda_one_is_exact_cosine_order_and_lambda_zero_exact_utility_order(seed):
    shelf = random_shelf(seed)
    by_cosine = shelf.retriever.find_memories("p", "task", replace(ALL, lambda_=1.0))
    by_utility = shelf.retriever.find_memories("p", "task", replace(ALL, lambda_=0.0))
    assert len(by_cosine) == len(by_utility) == 30
    assert by_cosine == sorted(by_cosine, key=lambda m: (-m.similarity, *newest_first(m)))
    assert by_utility == sorted(by_utility, key=lambda m: (-m.utility, -m.similarity, *newest_first(m)))
    assert all(memory.score == memory.utility for memory in by_utility)


@pytest.mark.parametrize("seed", range(50))
def test_of_more_than_the_pool_holds_the_nearest_are_ranked_and_ties_enter_it_by_id(seed):
    shelf = random_shelf(seed, 120)
    everything = shelf.retriever.find_memories("p", "task", replace(ALL, lambda_=1.0))
    pool = sorted(everything, key=lambda m: (-m.similarity, m.id))[:40]
    best = sorted(pool, key=lambda m: (-m.utility, -m.similarity, *newest_first(m)))[:10]
    options = replace(ALL, limit=10, lambda_=0.0)
    assert ids(shelf.retriever.find_memories("p", "task", options)) == ids(best)


@pytest.mark.parametrize("lambda_", [0.0, 1.0])
def test_at_the_ends_of_lambda_the_guards_are_off_for_augmentations_too(shelf, lambda_):
    for number in range(3):
        shelf.put(f"new{number}", 0.9)
        shelf.put(f"bad{number}", 0.8, uses=9, utility=0.1)
    options = RetrievalOptions(lambda_=lambda_, max_injected=10)
    assert len(shelf.retriever.augment("p", "task", options).memories) == 6


@given(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1))
def test_the_score_blends_the_rescaled_cosine_with_the_utility(lambda_, cosine, utility):
    shelf = Shelf()
    shelf.put("m", cosine, utility=utility)
    (memory,) = shelf.retriever.find_memories("p", "task", replace(ALL, lambda_=lambda_))
    closeness = build_closeness(memory.similarity, 0.2, build_near_cosine(0.2))
    assert memory.similarity == pytest.approx(cosine, abs=1e-4)
    assert memory.score == pytest.approx(lambda_ * closeness + (1 - lambda_) * utility, abs=1e-6)
    assert 0.0 <= memory.score <= 1.0


def test_closeness_runs_from_the_gate_to_three_fifths_of_the_way_to_identity():
    near = build_near_cosine(0.2)
    assert [build_closeness(cosine, 0.2, near) for cosine in (-1.0, 0.2, 0.69, 1.0)] == [0.0, 0.0, 1.0, 1.0]
    assert build_closeness(0.44, 0.2, near) == pytest.approx(0.5)


def test_a_memory_planted_right_on_the_task_does_not_outrank_one_that_is_near_and_proven(shelf):
    shelf.put("planted", 1.0)
    shelf.put("proven", 0.7, uses=3, utility=0.55)
    found = shelf.retriever.find_memories("p", "task", ALL)
    assert ids(found) == ["proven", "planted"]
    by_cosine = shelf.retriever.find_memories("p", "task", replace(ALL, lambda_=1.0))
    assert ids(by_cosine) == ["planted", "proven"]


def test_nothing_below_the_gate_comes_back_unless_asked_for(shelf):
    shelf.put("near", 0.21)
    shelf.put("far", 0.19)
    assert ids(shelf.retriever.find_memories("p", "task", RetrievalOptions())) == ["near"]
    assert ids(shelf.retriever.find_memories("p", "task", RetrievalOptions(similarity_threshold=0.1))) == [
        "near",
        "far",
    ]
    assert shelf.retriever.find_memories("p", "task", RetrievalOptions(similarity_threshold=0.9)) == []


def test_a_proven_memory_outranks_a_slightly_nearer_one_that_failed(shelf):
    shelf.put("failed", 0.8, utility=0.1, uses=4)
    shelf.put("proven", 0.7, utility=0.9, uses=4)
    assert ids(shelf.retriever.find_memories("p", "task", RetrievalOptions())) == ["proven", "failed"]


def test_limit_is_a_ceiling_and_the_pool_is_wider_than_it(shelf):
    for number in range(30):
        shelf.put(f"near{number}", 0.9, utility=0.3, uses=3)
    shelf.put("useful", 0.85, utility=1.0, uses=3)
    found = shelf.retriever.find_memories("p", "task", RetrievalOptions(limit=2))
    assert len(found) == 2
    assert found[0].id == "useful"


def test_a_fresh_store_injects_one_untried_memory_the_nearest(shelf):
    for number in range(5):
        shelf.put(f"m{number}", 0.5 + number / 10)
    augmented = shelf.retriever.augment("p", "Do it", RetrievalOptions())
    assert ids(augmented.memories) == ["m4"]
    assert augmented.augmented_task.startswith("Do it\n\n[notes")
    assert "lesson m4" in augmented.augmented_task


def test_an_augmentation_leaves_out_what_was_tried_and_mostly_failed(shelf):
    shelf.put("failed", 0.99, utility=0.39, uses=2)
    shelf.put("once unlucky", 0.9, utility=0.25, uses=1)
    shelf.put("proven", 0.5, utility=0.8, uses=9, passes=8)
    augmented = shelf.retriever.augment("p", "task", RetrievalOptions())
    assert set(ids(augmented.memories)) == {"once unlucky", "proven"}
    assert "8/9 runs passed" in augmented.augmented_task


def test_an_augmentation_holds_at_most_three_memories_or_what_is_set(shelf):
    for number in range(6):
        shelf.put(f"m{number}", 0.9, utility=0.8, uses=5)
    retriever = shelf.retriever
    assert len(retriever.augment("p", "task", RetrievalOptions()).memories) == 3
    assert len(retriever.augment("p", "task", RetrievalOptions(limit=2)).memories) == 2
    assert len(retriever.augment("p", "task", RetrievalOptions(max_injected=5)).memories) == 5
    assert retriever.augment("p", "task", RetrievalOptions(max_injected=0)).augmented_task == "task"
    assert len(Shelf(settings=Settings(max_injected=1)).retriever.augment("p", "t", RetrievalOptions()).memories) == 0


def test_a_text_that_several_memories_share_is_served_once_with_the_most_tried_one(shelf):
    for number in range(200):
        shelf.put(f"copy{number:03}", 0.95, reflection="the same lesson", uses=3 if number == 7 else 0, utility=0.7)
    shelf.put("other", 0.6, uses=3, utility=0.9)
    augmented = shelf.retriever.augment("p", "task", RetrievalOptions())
    assert set(ids(augmented.memories)) == {"copy007", "other"}
    assert augmented.augmented_task.count("the same lesson") == 1


def test_copies_of_a_text_do_not_hide_that_it_failed(shelf):
    shelf.put("tried", 0.9, reflection="a bad idea", uses=5, utility=0.1)
    shelf.put("copy", 0.9, reflection="a bad idea")
    assert shelf.retriever.augment("p", "task", RetrievalOptions()).memories == ()


def test_the_metadata_filter_finds_matches_far_behind_the_nearest(shelf):
    for number in range(300):
        shelf.put(f"other{number}", 0.9, metadata={"team": "a"})
    wanted = shelf.put("wanted", 0.5, metadata={"team": "b", "tier": "1"})
    options = RetrievalOptions(metadata_filter={"team": "b"})
    assert ids(shelf.retriever.find_memories("p", "task", options)) == [wanted.id]
    strict = RetrievalOptions(metadata_filter={"team": "b", "tier": "2"})
    assert shelf.retriever.find_memories("p", "task", strict) == []


def test_memories_of_another_project_are_never_served(shelf):
    shelf.put("theirs", 1.0, project="q")
    assert shelf.retriever.augment("p", "task", RetrievalOptions()).augmented_task == "task"


def test_the_same_task_is_embedded_once_and_an_empty_project_never(shelf):
    shelf.retriever.augment("p", "task", RetrievalOptions())
    assert shelf.embedder.asked == []
    shelf.put("m", 0.9)
    for _ in range(3):
        shelf.retriever.augment("p", "task", RetrievalOptions())
    assert shelf.embedder.asked == ["task"]


def test_the_notes_of_an_augmented_task_do_not_steer_the_next_search(shelf):
    shelf.put("m", 0.9)
    augmented = shelf.retriever.augment("p", "task", RetrievalOptions()).augmented_task
    again = shelf.retriever.augment("p", augmented, RetrievalOptions())
    assert shelf.embedder.asked == ["task"]
    assert again.augmented_task.startswith(augmented)
    assert strip_notes(again.augmented_task) == "task"


def test_the_block_puts_pitfalls_after_strategies_in_the_order_of_the_memories(shelf):
    shelf.put("pitfall", 0.9, kind=MemoryKind.PITFALL, uses=3, utility=0.9)
    shelf.put("strategy", 0.6, uses=3, utility=0.6)
    augmented = shelf.retriever.augment("p", "task", RetrievalOptions())
    assert ids(augmented.memories) == ["strategy", "pitfall"]
    assert augmented.augmented_task.index("lesson strategy") < augmented.augmented_task.index("lesson pitfall")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (RetrievalOptions(limit=0), "options.limit"),
        (RetrievalOptions(limit=101), "options.limit"),
        (RetrievalOptions(lambda_=1.01), "options.lambda"),
        (RetrievalOptions(lambda_=float("nan")), "options.lambda"),
        (RetrievalOptions(similarity_threshold=1.5), "options.similarity_threshold"),
        (RetrievalOptions(max_injected=-1), "options.max_injected"),
    ],
)
@pytest.mark.parametrize("call", ["augment", "find_memories"])
def test_an_option_out_of_range_is_refused_by_name(shelf, call, options, field):
    with pytest.raises(InvalidArgument, match=field.removeprefix("options.")) as caught:
        getattr(shelf.retriever, call)("p", "task", options)
    assert caught.value.field == field


def test_a_query_shows_every_memory_the_guards_would_hold_back():
    shelf = Shelf(embedder=PlaneEmbedder())
    shelf.put("failed", 0.9, utility=0.1, uses=5)
    for number in range(3):
        shelf.put(f"new{number}", 0.8)
    assert len(shelf.retriever.find_memories("p", "task", RetrievalOptions())) == 4
