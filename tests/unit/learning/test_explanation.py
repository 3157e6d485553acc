"""An explained augmentation: the same memories as without, and for every one near the task what became of it."""

import pytest

from reflect_otel.model.explanation import LeftOut
from reflect_otel.model.memory import RetrievalOptions

from .test_retrieval import ids, random_shelf


def explain(shelf, **options):
    augmented = shelf.retriever.augment("p", "task", RetrievalOptions(**options), is_explained=True)
    return augmented, {candidate.memory.id: candidate for candidate in augmented.explanation.candidates}


def reasons(candidates):
    return {memory_id: candidate.left_out for memory_id, candidate in candidates.items()}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("options", [{}, {"lambda_": 1.0}, {"mmr_lambda": 0.3, "max_injected": 5}, {"limit": 1}])
def test_whoever_has_no_reason_to_be_left_out_is_served_and_nobody_else(seed, options):
    shelf = random_shelf(seed)
    plain = shelf.retriever.augment("p", "task", RetrievalOptions(**options))
    augmented, candidates = explain(shelf, **options)
    assert (augmented.memories, augmented.augmented_task) == (plain.memories, plain.augmented_task)
    assert plain.explanation is None
    notes = sorted((c.note, c.memory.id) for c in candidates.values() if c.left_out is None)
    assert notes == list(enumerate(ids(augmented.memories), 1))
    assert all(candidate.note == 0 for candidate in candidates.values() if candidate.left_out)
    ranks = [candidate.rank for candidate in augmented.explanation.candidates if candidate.rank]
    assert ranks == list(range(1, len(ranks) + 1))


def test_the_numbers_are_those_that_ranked_it(shelf):
    shelf.put("m", 0.44, utility=0.8, uses=3)
    augmented, candidates = explain(shelf, lambda_=0.25)
    told = candidates["m"]
    assert (told.rank, told.note, told.memory.uses) == (1, 1, 3)
    assert told.closeness == pytest.approx(0.5)
    assert told.memory.score == pytest.approx(0.25 * 0.5 + 0.75 * 0.8)
    explanation = augmented.explanation
    assert (explanation.embedder_id, explanation.gate, explanation.threshold) == ("plane@1", 0.2, 0.2)
    assert explanation.near == pytest.approx(0.68)
    assert (explanation.lambda_, explanation.guarded, explanation.max_injected) == (0.25, True, 3)
    assert not explain(shelf, lambda_=1.0)[0].explanation.guarded


def test_distance_metadata_guards_and_places_are_told_apart(shelf):
    team = {"metadata": {"team": "a"}}
    shelf.put("far", 0.1, **team)
    shelf.put("theirs", 0.9, metadata={"team": "b"})
    shelf.put("failed", 0.9, uses=4, utility=0.2, **team)
    for number in range(2):
        shelf.put(f"new{number}", 0.9 - number / 10, **team)
    for number in range(3):
        shelf.put(f"proven{number}", 0.8, uses=4, utility=0.9 - number / 10, **team)
    shelf.put("copy", 0.7, reflection="lesson proven0", uses=2, utility=0.9, **team)
    _, candidates = explain(shelf, metadata_filter={"team": "a"}, max_injected=3)
    assert reasons(candidates) == {
        "far": LeftOut.BELOW_GATE,
        "theirs": LeftOut.METADATA,
        "failed": LeftOut.UTILITY_FLOOR,
        "new0": LeftOut.MAX_INJECTED,
        "new1": LeftOut.PROBE_RATION,
        "proven0": None,
        "proven1": None,
        "proven2": None,
        "copy": LeftOut.SAME_TEXT,
    }
    assert [candidates[name].rank for name in ("far", "theirs", "copy")] == [0, 0, 0]


def test_a_full_pool_is_told(shelf):
    for number in range(41):
        shelf.put(f"m{number:02}", 0.9 - number / 100, uses=3, utility=0.9)
    _, candidates = explain(shelf)
    assert reasons(candidates)["m39"] is LeftOut.MAX_INJECTED
    assert "m40" not in candidates  # the search does not reach farther than it needs to
    shelf.put("theirs", 0.95)
    assert reasons(explain(shelf, metadata_filter={"team": "x"})[1])["theirs"] is LeftOut.METADATA


def test_likeness_and_lack_of_room_are_told(shelf):
    shelf.put("a", 0.9, uses=3, utility=0.9, reflection="look up the order first")
    shelf.put("b", 0.9, uses=3, utility=0.8, reflection="look up the order first please")
    shelf.put("c", 0.5, uses=3, utility=0.7, reflection="greet every customer kindly")
    assert reasons(explain(shelf, max_injected=2, mmr_lambda=0.5)[1])["b"] is LeftOut.DIVERSITY
    long = " ".join(f"Sentence {number} of a lesson that never ends." for number in range(200))
    for number in range(5):
        shelf.put(f"long{number}", 0.95, uses=3, utility=1.0, reflection=f"{number} {long}")
    _, candidates = explain(shelf, max_injected=5)
    assert LeftOut.TOKEN_BUDGET in reasons(candidates).values()


def test_a_project_without_memories_has_nothing_to_explain(shelf):
    augmented, candidates = explain(shelf)
    assert (augmented.augmented_task, candidates) == ("task", {})
