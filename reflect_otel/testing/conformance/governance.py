"""The ``GovernanceStore`` suite."""

from dataclasses import replace

from reflect_otel.model.governance import (
    GovernanceChange,
    MemoryFilter,
    Origin,
    Quarantine,
    QuarantinedMemory,
)
from reflect_otel.model.memory import MemoryKind, MemoryStatus, Served, UtilityEvent
from reflect_otel.ports import LearningOutcome, Store
from reflect_otel.testing.conformance.store_case import (
    OTHER_PROJECT,
    PROJECT,
    TRACE,
    StoreCase,
    build_batch,
    build_memory,
    build_review,
    build_run,
    build_stored,
    claim,
    write_run,
)

_HELD = Quarantine(
    id="q",
    reason="odd",
    created_ns=5,
    members=(QuarantinedMemory(memory_id="a"), QuarantinedMemory(memory_id="b", status=MemoryStatus.ARCHIVED)),
    run_ids=("r", "s"),
)


class GovernanceConformance(StoreCase):
    """What one act changes is committed whole; what was reached is found by every way."""

    def test_a_change_is_committed_and_seen_by_its_project_only(self, store: Store) -> None:
        """Standing and ledger of memories, and the quarantine; texts and vectors stay."""
        for memory_id in ("a", "b"):
            store.write_memory(PROJECT, build_stored(build_memory(memory_id)))
        changed = build_memory(
            "a", status=MemoryStatus.QUARANTINED, status_reason="why", pinned=True, utility=0.25, uses=2, alarm="rose"
        )
        event = UtilityEvent(memory_id="a", run_id="r", reward=1.0, excluded="quarantined run")
        store.write_change(
            PROJECT, GovernanceChange(opened=_HELD, memories=[replace(changed, task="other")], events=[event])
        )
        assert store.find_memory(PROJECT, "a") == changed
        assert list(store.find_utility_events(PROJECT, run_ids=["r"])) == [event]
        assert list(store.find_quarantines(PROJECT)) == [_HELD]
        assert list(store.find_quarantines_of(PROJECT, memory_ids=["b"])) == [_HELD]
        assert list(store.find_quarantines_of(PROJECT, run_ids=["s"])) == [_HELD]
        assert list(store.find_quarantines_of(PROJECT, run_ids=["b"], memory_ids=["s"])) == []
        assert list(store.find_quarantines(OTHER_PROJECT)) == []

    def test_a_released_quarantine_is_remembered_and_a_freed_memory_leaves(self, store: Store) -> None:
        """Only open ones hold anything."""
        store.write_change(PROJECT, GovernanceChange(opened=_HELD))
        store.write_change(PROJECT, GovernanceChange(freed_memory_ids=["a"]))
        (held,) = store.find_quarantines(PROJECT, open_only=True)
        assert [member.memory_id for member in held.members] == ["b"]
        store.write_change(PROJECT, GovernanceChange(released_ids=["q"], released_ns=9))
        assert list(store.find_quarantines(PROJECT, open_only=True)) == []
        assert [item.released_ns for item in store.find_quarantines(PROJECT, quarantine_id="q")] == [9]
        assert list(store.find_quarantines_of(PROJECT, memory_ids=["b"])) == []

    def test_a_job_under_way_is_refused_after_a_change(self, store: Store) -> None:
        """It has read what is out of date, and is taken again."""
        write_run(store, "r")
        store.write_review(PROJECT, "r", build_review())
        job = claim(store)
        assert job is not None
        store.write_change(PROJECT, GovernanceChange())
        assert not store.write_learning(LearningOutcome(job=job))
        again = claim(store)
        assert again is not None
        assert store.write_learning(LearningOutcome(job=again))

    def test_runs_are_found_by_what_they_were_served(self, store: Store) -> None:
        """Noted by run or trace, named by the run itself, or known to the ledger; withheld is not served."""
        write_run(store, "r")
        served = [
            (PROJECT, Served(memory_id="noted", trace_id=TRACE, served_ns=1)),
            (PROJECT, Served(memory_id="kept", trace_id=TRACE, served_ns=1, withheld=True)),
        ]
        store.write_telemetry(build_batch(store.journal_offset() + 1, served=served))
        store.write_runs([(build_run("named", trace_ids=(), served_memory_ids=("noted", "other")), None)])
        event = UtilityEvent(memory_id="noted", run_id="gone", reward=1.0)
        store.write_change(PROJECT, GovernanceChange(events=[event]))
        found = store.find_runs_served(PROJECT, ["noted", "kept"])
        assert {run_id: list(ids) for run_id, ids in found.items()} == {
            "gone": ["noted"],
            "named": ["noted"],
            "r": ["noted"],
        }
        assert store.find_runs_served(OTHER_PROJECT, ["noted"]) == {}

    def test_memories_are_found_by_where_they_come_from(self, store: Store) -> None:
        """By id, source run, author and time; merged ones with the one that speaks for them."""
        memories = (
            build_memory("a", created_from="r", created_ns=1),
            build_memory("b", merged_into="a", status=MemoryStatus.MERGED, created_ns=2),
            build_memory("c", author="mallory", created_ns=3),
            build_memory("d", contrasted_with="r", created_ns=4, kind=MemoryKind.CONTRAST, agent="x"),
        )
        for memory in memories:
            store.write_memory(PROJECT, build_stored(memory))
        for origin, ids in (
            (Origin(memory_ids=("a",)), "ab"),
            (Origin(run_ids=("r",)), "ad"),
            (Origin(author="mallory"), "c"),
            (Origin(since_ns=2, until_ns=4), "bc"),
            (Origin(), ""),
        ):
            assert [memory.id for memory in store.find_memories_of(PROJECT, origin)] == list(ids)
        assert list(store.find_memories_of(OTHER_PROJECT, Origin(memory_ids=("a",)))) == []
        only = MemoryFilter(kind=MemoryKind.CONTRAST, agent="x")
        assert [item.id for item in store.find_memories(PROJECT, only=only, before=None, limit=9)] == ["d"]

    def test_kin_are_those_that_say_the_same(self, store: Store) -> None:
        """What a memory is merged into and what is merged into it, not the memory itself."""
        merged = {"merged_into": "a", "status": MemoryStatus.MERGED}
        for memory in (
            build_memory("a"),
            build_memory("b", **merged),
            build_memory("c", **merged),
            build_memory("d"),
        ):
            store.write_memory(PROJECT, build_stored(memory))
        for asked, kin in (("a", "bc"), ("b", "a"), ("ab", "c"), ("abcd", ""), ("d", ""), ("", ""), ("x", "")):
            assert [memory.id for memory in store.find_kin(PROJECT, list(asked))] == list(kin)
        assert list(store.find_kin(OTHER_PROJECT, ["a"])) == []

    def test_unworthy_memories_are_counted_as_they_are_found(self, store: Store) -> None:
        """By project; what is pinned, restored or not active is none of them."""
        failing = {"uses": 5, "utility": 0.1, "created_ns": 50}
        for project, memory in (
            (PROJECT, build_memory("failing", **failing)),
            (PROJECT, build_memory("idle", created_ns=1)),
            (PROJECT, build_memory("pinned", pinned=True, **failing)),
            (PROJECT, build_memory("archived", status=MemoryStatus.ARCHIVED, **failing)),
            (PROJECT, build_memory("restored", status_reason="restored by hand", **failing)),
            (OTHER_PROJECT, build_memory("well", uses=5, utility=0.25, created_ns=50)),
        ):
            store.write_memory(project, replace(build_stored(memory), project_id=project))
        counts = store.count_unworthy_by_project(min_uses=5, min_utility=0.25, idle_before_ns=9)
        assert counts == {PROJECT: 2}
        found = store.find_unworthy_memories(PROJECT, min_uses=5, min_utility=0.25, idle_before_ns=9, limit=9)
        assert [memory.id for memory in found] == ["idle", "failing"]

    def test_runs_are_found_by_what_they_were_served_beside_ids_that_are_no_text(self, store: Store) -> None:
        """Whatever a sender names beside it, a memory is found by its id."""
        write_run(store, "r", served_memory_ids=("a", "b\ud800", 'c"d', "e"))
        assert store.find_runs_served(PROJECT, ["a", "e", "c", "d"]) == {"r": ["a", "e"]}

    def test_a_large_change_is_read_back_whole(self, store: Store) -> None:
        """More members, memories and ledger entries than one statement takes."""
        names = [f"m{number:04}" for number in range(1200)]
        runs = tuple(f"r{number:04}" for number in range(700))
        opened = replace(_HELD, members=tuple(QuarantinedMemory(memory_id=name) for name in names), run_ids=runs)
        events = [UtilityEvent(memory_id=name, run_id="r", reward=1.0) for name in names]
        store.write_change(PROJECT, GovernanceChange(opened=opened, events=events))
        assert list(store.find_quarantines(PROJECT)) == [opened]
        assert list(store.find_utility_events(PROJECT, run_ids=["r"])) == events

    def test_a_deleted_memory_leaves_no_trace(self, store: Store) -> None:
        """Neither vectors nor ledger nor membership."""
        store.write_memory(PROJECT, build_stored(build_memory("a")))
        event = UtilityEvent(memory_id="a", run_id="r", reward=1.0)
        store.write_change(PROJECT, GovernanceChange(events=[event], opened=_HELD))
        store.write_change(PROJECT, GovernanceChange(deleted_memory_ids=["a"]))
        assert store.find_memory(PROJECT, "a") is None
        assert list(store.find_vectors_of(PROJECT, ["a"])) == []
        assert list(store.find_utility_events(PROJECT, memory_ids=["a"])) == []
        assert list(store.find_quarantines_of(PROJECT, memory_ids=["a"])) == []
