"""The in-process table: written through, scoped by project and embedder, readable while it is written."""

import threading
from dataclasses import replace

from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus
from reflect_otel.ports import StoredVector
from reflect_otel.testing.fakes import InMemoryIndex

from .conftest import at_cosine


def found(shelf, project="p", embedder_id="plane@1", limit=10):
    near = shelf.table.search(project, embedder_id, at_cosine(1.0), limit)
    return [(item.memory.id, round(item.cosine, 3)) for item in near]


def test_search_finds_the_nearest_first(shelf):
    shelf.put("far", 0.3)
    shelf.put("near", 0.9)
    assert found(shelf) == [("near", 0.9), ("far", 0.3)]
    assert found(shelf, limit=1) == [("near", 0.9)]


def test_projects_do_not_see_each_other(shelf):
    shelf.put("mine", 0.9)
    shelf.put("theirs", 0.95, project="q")
    assert found(shelf) == [("mine", 0.9)]
    assert found(shelf, project="q") == [("theirs", 0.95)]
    assert found(shelf, project="r") == []
    assert shelf.table.find("q", "mine") is None


def test_vectors_of_another_embedder_are_never_searched(shelf):
    shelf.put("old", 0.9, embedder_id="other@1")
    assert found(shelf) == []
    assert shelf.table.count("p", "plane@1") == 0
    shelf.put("old", 0.8)
    assert found(shelf) == [("old", 0.8)]
    assert found(shelf, embedder_id="other@1") == []


def test_a_utility_is_written_through_without_touching_the_vector(shelf):
    memory = shelf.put("m", 0.9)
    shelf.table.write_utility("p", replace(memory, utility=0.75, uses=1))
    assert shelf.table.find("p", "m").utility == 0.75
    assert found(shelf) == [("m", 0.9)]
    shelf.table.write_utility("p", replace(memory, id="unknown"))
    assert shelf.table.find("p", "unknown") is None


def test_only_active_memories_stay(shelf):
    memory = shelf.put("m", 0.9)
    shelf.table.write_utility("p", replace(memory, status=MemoryStatus.QUARANTINED))
    assert found(shelf) == []
    shelf.put("n", 0.9)
    shelf.put("n", 0.9, status=MemoryStatus.ARCHIVED)
    assert found(shelf) == []
    shelf.table.remove("p", "never there")


def test_load_tells_how_many_vectors_each_embedder_has():
    table = MemoryTable(InMemoryIndex)
    stored = [
        StoredVector(
            project_id="p",
            memory=Memory(id=str(i), task="t", reflection="r", kind=MemoryKind.PITFALL),
            task_vector=at_cosine(0.5),
            embedder_id=f"e{i % 2}@1",
        )
        for i in range(5)
    ]
    assert table.load(stored) == {"e0@1": 3, "e1@1": 2}


def test_readers_see_whole_memories_while_writers_write(shelf):
    for number in range(20):
        shelf.put(f"m{number}", 0.9)
    faults, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            near = shelf.table.search("p", "plane@1", at_cosine(1.0), 50)
            faults.extend(item for item in near if item.memory.reflection != f"lesson {item.memory.id}")

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for round_number in range(30):
        for number in range(20):
            shelf.put(f"m{number}", 0.9, uses=round_number)
            shelf.table.remove("p", f"m{(number + 7) % 20}")
    stop.set()
    for reader in readers:
        reader.join()
    assert not faults


def test_many_are_taken_out_at_once_and_may_come_back(shelf):
    memories = [shelf.put(f"m{number}", 0.5 + number / 1000) for number in range(200)]
    shelf.put("theirs", 0.9, project="q")
    shelf.table.remove_all("p", [*(memory.id for memory in memories[:150]), "never there"])
    assert {memory_id for memory_id, _ in found(shelf, limit=200)} == {memory.id for memory in memories[150:]}
    assert shelf.table.count("p", "plane@1") == 50
    assert found(shelf, project="q") == [("theirs", 0.9)]
    back = [
        StoredVector(project_id="p", memory=memory, task_vector=at_cosine(0.9), embedder_id="plane@1")
        for memory in memories[:150]
    ]
    back += [replace(stored, embedder_id="other@1", task_vector=at_cosine(0.8)) for stored in back]
    shelf.table.add_all(back)
    assert shelf.table.count("p", "other@1") == 150
    assert shelf.table.count("p", "plane@1") == 200
