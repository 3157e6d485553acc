"""The ``VectorIndex`` suite."""

import math
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from reflect_otel.errors import InvalidArgument
from reflect_otel.ports import VectorIndex

_DIMENSIONS = 16


class VectorIndexConformance:
    """Exact search in a set that changes. Subclass it as ``Test...`` and override ``open_index``."""

    def open_index(self, dimensions: int) -> VectorIndex:
        """An empty index under test."""
        raise NotImplementedError("override open_index in the adapter's test class")

    @pytest.fixture
    def index(self) -> VectorIndex:
        """An empty index."""
        return self.open_index(_DIMENSIONS)

    def test_an_empty_index_finds_nothing(self, index: VectorIndex) -> None:
        """Nor does a search for none."""
        assert list(index.search(_unit(0), 5)) == []
        index.add("a", _unit(1))
        assert list(index.search(_unit(0), 0)) == []
        assert len(index) == 1

    def test_the_nearest_come_first_with_their_cosine(self, index: VectorIndex) -> None:
        """A limit beyond the size returns all."""
        for at in range(5):
            index.add(f"m{at}", _axis(at))
        query = [0.8, 0.6, *[0.0] * (_DIMENSIONS - 2)]
        found = index.search(query, 99)
        assert [memory_id for memory_id, _ in found] == ["m0", "m1", "m2", "m3", "m4"]
        assert [cosine for _, cosine in found[:3]] == pytest.approx([0.8, 0.6, 0.0])

    def test_equal_cosines_are_ordered_by_id_at_every_limit(self, index: VectorIndex) -> None:
        """Whatever the order of insertion and removal was."""
        names = [f"m{at:02d}" for at in range(40)]
        random.Random(1).shuffle(names)
        index.add("gone", _axis(0))
        for name in names:
            index.add(name, _axis(0))
        index.remove("gone")
        for limit in (1, 7, 39, 40):
            assert [memory_id for memory_id, _ in index.search(_axis(0), limit)] == sorted(names)[:limit]

    def test_adding_again_replaces(self, index: VectorIndex) -> None:
        """The size does not grow."""
        index.add("a", _axis(0))
        index.add("b", _axis(1))
        index.add("a", _axis(2))
        assert len(index) == 2
        assert [memory_id for memory_id, _ in index.search(_axis(2), 1)] == ["a"]

    def test_removed_ids_are_forgotten(self, index: VectorIndex) -> None:
        """First, last, only and unknown ones."""
        for at in range(4):
            index.add(f"m{at}", _axis(at))
        for memory_id, left in (("m0", 3), ("m3", 2), ("none", 2), ("m0", 2), ("m1", 1), ("m2", 0)):
            index.remove(memory_id)
            assert len(index) == left
            assert memory_id not in dict(index.search(_axis(0), 9))
        index.add("m0", _axis(0))
        assert dict(index.search(_axis(0), 9)) == pytest.approx({"m0": 1.0})

    def test_many_are_added_and_removed_at_once(self, index: VectorIndex) -> None:
        """As if one by one; with one that cannot be compared, none is added."""
        index.add("m0", _axis(5))
        index.add_all([(f"m{at}", _axis(at % 3)) for at in range(6)])
        assert len(index) == 6
        assert [memory_id for memory_id, _ in index.search(_axis(0), 2)] == ["m0", "m3"]
        with pytest.raises(InvalidArgument):
            index.add_all([("new", _axis(1)), ("bad", [1.0])])
        index.remove_all(["m0", "none", "m4", "m0"])
        index.add_all([])
        index.remove_all([])
        assert sorted(dict(index.search(_axis(0), 9))) == ["m1", "m2", "m3", "m5"]

    @pytest.mark.parametrize(
        "vector",
        [[1.0], [math.nan, *[0.0] * (_DIMENSIONS - 1)], [math.inf, *[0.0] * (_DIMENSIONS - 1)]],
        ids=["another length", "NaN", "infinity"],
    )
    def test_a_vector_that_cannot_be_compared_is_refused(self, index: VectorIndex, vector: list[float]) -> None:
        """And leaves the index as it was."""
        index.add("a", _axis(0))
        with pytest.raises(InvalidArgument):
            index.add("b", vector)
        with pytest.raises(InvalidArgument):
            index.search(vector, 1)
        assert [memory_id for memory_id, _ in index.search(_axis(0), 9)] == ["a"]

    def test_searches_run_while_the_index_changes(self, index: VectorIndex) -> None:
        """A memory that stays is always found, with its own cosine."""
        index.add("anchor", _axis(0))

        def change(number: int) -> None:
            for at in range(150):
                index.add(f"w{number}-{at % 9}", _unit(at))
                index.remove(f"w{number}-{(at + 4) % 9}")

        def look(_: int) -> list[float]:
            return [dict(index.search(_axis(0), 50))["anchor"] for _ in range(150)]

        with ThreadPoolExecutor(4) as pool:
            changes = [pool.submit(change, number) for number in range(2)]
            looks = [pool.submit(look, number) for number in range(2)]
        assert all(change.exception() is None for change in changes)
        assert {round(cosine, 5) for look in looks for cosine in look.result()} == {1.0}

    def test_searches_and_changes_have_their_turns(self, index: VectorIndex) -> None:
        """Neither waits for the end of the other, however many there are of it."""
        index.add("anchor", _axis(0))
        over = threading.Event()

        def go_on(act: Callable[[], object]) -> None:
            while not over.is_set():
                act()

        def change() -> None:
            index.add("b", _axis(1))
            index.remove("b")

        with ThreadPoolExecutor(4) as pool:
            others = [pool.submit(go_on, act) for act in (change, lambda: index.search(_axis(0), 9))]
            for act in (change, lambda: index.search(_axis(0), 9)):
                for _ in range(50):
                    act()
            over.set()
        assert [other.exception() for other in others] == [None, None]


def _axis(at: int) -> list[float]:
    return [float(position == at) for position in range(_DIMENSIONS)]


def _unit(seed: int) -> list[float]:
    values = [random.Random(f"{seed} {position}").gauss(0, 1) for position in range(_DIMENSIONS)]
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]
