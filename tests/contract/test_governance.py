"""The calls about which memories may be served give the same whichever way they go."""

import asyncio

import pytest

from reflect_otel import AsyncReflectClient, FailedPrecondition, InvalidArgument, NotFound

from .runs import CHAT, TASK, learn


def test_a_memory_shows_where_it_comes_from_and_what_moved_it(client):
    learned = learn(client)
    run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[learned.created_memory_id]).id
    client.review_trace(run_id, result="pass", feedback_text="It helped.", source="code", identifier="ci")
    history = client.get_memory_history(learned.created_memory_id)
    assert (history.memory.id, history.source_runs[0]) == (learned.created_memory_id, learned.id)
    (entry,) = history.entries
    assert (entry.run_id, entry.result, entry.reviewer, entry.feedback) == (run_id, "pass", "code:ci", "It helped.")
    assert (entry.reward, entry.step, entry.before, entry.after, entry.excluded) == (1.0, 0.5, 0.5, 0.75, "")
    assert entry.reviewed_ns > 0


def test_a_run_that_failed_with_a_good_score_is_no_run_that_passed(client):
    memory = client.create_memory(TASK, "Ask which order is meant.")
    run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[memory.id]).id
    client.review_trace(run_id, result="fail", score=0.75)
    failed = client.get_memory(memory.id)
    assert (failed.uses, failed.passes, failed.utility) == (1, 0, 0.625)
    client.review_trace(run_id, result="pass", score=0.25)
    passed = client.get_memory(memory.id)
    assert (passed.uses, passed.passes, passed.utility) == (1, 1, 0.375)


def test_a_quarantine_is_listed_first_made_in_one_call_and_undone(client):
    bad = learn(client).created_memory_id
    run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[bad]).id
    child = client.review_trace(run_id, result="pass", feedback_text="Tell the weather in Oslo.").created_memory_id
    radius = client.find_blast_radius(memory_ids=bad)
    assert {item.memory.id for item in radius.memories} == {item for item in (bad, child) if item}
    assert [(item.run_id, item.depth, item.via) for item in radius.runs] == [(run_id, 1, bad)]
    made = client.create_quarantine(memory_ids=[bad], reason="poisoned")
    assert (made.reason, made.run_ids, made.spreads, made.released_ns) == ("poisoned", (run_id,), True, 0)
    assert client.get_memory(bad).status == "quarantined"
    assert (client.get_memory(bad).uses, "poisoned" in client.get_memory(bad).status_reason) == (0, True)
    assert client.augment_with_memories(TASK).memories == ()
    assert [item.id for item in client.list_quarantines(open_only=True)] == [made.id]
    assert client.release_quarantine(made.id).released_ns > 0
    assert (client.get_memory(bad).status, client.get_memory(bad).uses) == ("active", 1)
    assert client.list_quarantines(open_only=True) == []
    assert [item.id for item in client.list_quarantines()] == [made.id]


def test_a_quarantine_of_single_memories_ends_with_the_last_of_them(client):
    released, deleted = (client.create_memory(f"{TASK} {n}", f"Lesson {n}").id for n in range(2))
    client.update_memories([released, deleted], "quarantine", reason="odd")
    client.update_memories(released, "release")
    (left,) = client.list_quarantines(open_only=True)
    assert [member.memory_id for member in left.members] == [deleted]
    client.delete_memories(deleted)
    assert client.list_quarantines(open_only=True) == []
    client.update_memories(released, "quarantine")
    client.update_memories(released, "release")
    assert client.list_quarantines(open_only=True) == []
    assert [item.reason for item in client.list_quarantines()] == ["by hand", "odd"]


def test_single_memories_are_acted_on_and_listed_by_what_they_are(client):
    ids = [client.create_memory(f"{TASK} {n}", f"Lesson {n}", kind="contrast").id for n in range(3)]
    (archived,) = client.update_memories(ids[0], "archive", reason="old")
    assert (archived.status, archived.status_reason) == ("archived", "old")
    client.update_memories(ids[1:], "pin")
    assert [memory.pinned for memory in client.list_memories()] == [True, True, False]
    assert [memory.id for memory in client.list_memories(status="archived")] == [ids[0]]
    assert [memory.id for memory in client.iter_memories(status="active", kind="contrast")] == ids[:0:-1]
    assert client.list_memories(kind="strategy") == client.list_memories(alarmed=True) == []
    learned = learn(client)
    assert [memory.id for memory in client.list_memories(source_run_id=learned.id)] == [learned.created_memory_id]
    with pytest.raises(FailedPrecondition, match="unpin"):
        client.update_memories(ids, "archive")
    with pytest.raises(NotFound, match="mem-nobody"):
        client.update_memories([ids[0], "mem-nobody"], "restore")
    assert client.get_memory(ids[0]).status == "archived"


def test_an_end_user_is_known_by_their_runs_and_can_be_erased(client):
    run_ids = [learn(client, metadata={"user_id": user}).id for user in ("ada", "mallory")]
    assert [memory.author for memory in client.list_memories(author="mallory")] == ["mallory"]
    runs = client.find_blast_radius(author="mallory").runs
    assert run_ids[1] in [item.run_id for item in runs if item.depth == 0]
    assert client.delete_traces([run_ids[1]], with_memories=True) == 1
    assert client.list_memories(author="mallory") == []
    assert [memory.author for memory in client.list_memories()] == ["ada"]
    assert client.delete_memories([client.list_memories()[0].id, "mem-nobody"]) == 1
    assert client.list_memories() == []


def test_what_names_nothing_or_nothing_known_is_refused(client):
    with pytest.raises(InvalidArgument, match="origin"):
        client.find_blast_radius()
    with pytest.raises(InvalidArgument, match="action"):
        client.update_memories(["m"], "burn")
    with pytest.raises(InvalidArgument, match="until"):
        client.find_blast_radius(since_ns=2_000, until_ns=1_000)
    for beyond in ({"since_ns": 2**64, "until_ns": 2**62}, {"since_ns": 1, "until_ns": -(10**9)}):
        with pytest.raises(InvalidArgument, match="1970 to 2262"):
            client.create_quarantine(**beyond)
    for call in (
        lambda: client.find_blast_radius(run_ids="run-nobody"),
        lambda: client.create_quarantine(memory_ids="mem-nobody"),
        lambda: client.release_quarantine("nobody"),
        lambda: client.get_memory_history("mem-nobody"),
    ):
        with pytest.raises(NotFound, match="nobody"):
            call()
    with pytest.raises(FailedPrecondition, match="within reach"):
        client.create_quarantine(author="nobody")


def test_the_coroutines_do_the_same(address, project):
    async def act():
        async with AsyncReflectClient(address, project_id=project) as client:
            memory = await client.create_memory(TASK, "Refund to the card.")
            made = await client.create_quarantine(memory_ids=memory.id, reason="odd")
            assert (await client.find_blast_radius(memory_ids=memory.id)).memories[0].depth == 0
            assert [item.id for item in await client.list_quarantines()] == [made.id]
            await client.release_quarantine(made.id)
            await client.update_memories(memory.id, "pin")
            history = await client.get_memory_history(memory.id)
            assert (history.memory.pinned, history.entry_count) == (True, 0)
            return await client.delete_memories(memory.id)

    assert asyncio.run(act()) == 1
