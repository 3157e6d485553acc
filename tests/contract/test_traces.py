"""The calls about traces and reviews give the same whichever way they go."""

import threading
import time

import pytest

from reflect_otel import DeadlineExceeded, NotFound, ReflectClient

from .runs import CHAT, FEEDBACK, TASK, learn


def test_a_run_comes_back_whole(client):
    submission = client.create_trace(
        TASK,
        CHAT,
        final_response="Refunded.",
        model="gpt-5.4-mini",
        metadata={"source": "cli", "attempt": 2},
        reference_context="A-2 was meant",
    )
    assert submission.ingest_status == "completed"
    trace = client.get_trace(submission.id)
    assert (trace.id, trace.task, trace.final_response, trace.model) == (
        submission.id,
        TASK,
        "Refunded.",
        "gpt-5.4-mini",
    )
    assert list(trace.trajectory) == CHAT
    assert {"source": "cli", "attempt": "2"}.items() <= dict(trace.metadata).items()
    assert (trace.review_status, trace.ingest_status, trace.tool_calls) == ("pending", "completed", 1)


def test_the_answer_is_the_last_assistant_message_when_none_is_given(client):
    assert client.create_trace_and_wait(TASK, CHAT).final_response == "I refunded order A-1."


def test_an_inline_review_is_learned_from_before_the_wait_ends(client):
    trace = learn(client, score=0.2, alpha=0.5)
    assert (trace.review_status, trace.ingest_status) == ("reviewed", "completed")
    assert (trace.review.result, trace.review.feedback, trace.review.score) == ("fail", FEEDBACK, 0.2)
    memory = client.get_memory(trace.created_memory_id)
    assert (memory.created_from, memory.success, memory.utility) == (trace.id, False, 0.5)


def test_a_deferred_review_is_learned_from_before_the_call_returns(client):
    run_id = client.create_trace(TASK, CHAT).id
    trace = client.review_trace(run_id, result="failure", feedback_text=FEEDBACK, source="code", name="unit test")
    assert (trace.review_status, trace.review.source, trace.review.name) == ("reviewed", "code", "unit test")
    assert client.get_trace(run_id).created_memory_id == trace.created_memory_id
    assert client.get_memory(trace.created_memory_id).created_from == run_id


def test_a_changed_review_moves_utilities_back_exactly(client):
    memory_id = learn(client).created_memory_id
    run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[memory_id]).id
    client.review_trace(run_id, result="pass")
    assert client.get_memory(memory_id).utility == 0.75
    client.review_trace(run_id, result="fail")
    assert client.get_memory(memory_id).utility == 0.25


def test_a_withdrawn_review_leaves_everything_as_if_it_had_never_been_given(client):
    learned = learn(client)
    memory_id = learned.created_memory_id
    run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[memory_id]).id
    client.review_trace(run_id, result="pass", source="code", identifier="ci")
    assert client.get_memory(memory_id).uses == 1
    for _ in range(2):
        trace = client.withdraw_review(run_id, source="code", identifier="ci")
        assert (trace.review, trace.review_status, trace.ingest_status) == (None, "pending", "completed")
    assert (client.get_memory(memory_id).uses, client.get_memory(memory_id).utility) == (0, 0.5)
    assert client.withdraw_review(learned.id).created_memory_id is None
    assert client.list_memories() == []
    client.review_trace(learned.id, result="fail", feedback_text=FEEDBACK)
    assert [memory.id for memory in client.list_memories()] == [memory_id]


def test_withdrawing_one_of_several_reviews_leaves_the_others(client):
    run_id = learn(client).id
    client.review_trace(run_id, result="pass", identifier="ada")
    trace = client.withdraw_review(run_id)
    assert (trace.review.identifier, trace.review.result, trace.review_status) == ("ada", "pass", "reviewed")


def test_every_review_that_stands_is_told_and_what_they_come_to_as_the_project_trusts_them(client):
    memory = client.create_memory(TASK, "Ask which order is meant.")
    run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[memory.id]).id
    client.review_trace(run_id, result="pass", identifier="ada", feedback_text="It asked.")
    judged = client.review_trace(run_id, result="fail", score=0.1, source="llm", name="judge", identifier="m-1")
    assert [(review.result, review.source, review.identifier) for review in judged.reviews] == [
        ("pass", "human", "ada"),
        ("fail", "llm", "m-1"),
    ]
    assert (judged.verdict, judged.reward) == ("pass", pytest.approx(0.7))
    client.update_project_settings(reviewer_weights={"human:ada": 0.0})
    (listed,) = client.list_traces()
    assert (listed.verdict, listed.reward) == ("fail", pytest.approx(0.1))
    assert client.get_trajectory(run_id).reward.aggregated_value == pytest.approx(0.1)
    (entry,) = client.get_memory_history(memory.id).entries
    assert (entry.result, entry.feedback) == ("fail", "")
    client.update_project_settings(reviewer_weights={"human": 0.0, "llm": 0.0})
    ignored = client.get_trace(run_id)
    assert (ignored.verdict, ignored.reward, len(ignored.reviews)) == (None, None, 2)
    assert client.get_trajectory(run_id).reward is None


def test_many_who_review_one_run_at_once_each_have_their_answer(client):
    """A review that comes while another call returns is not that call's deadline."""
    run_id = client.create_trace(TASK, CHAT).id
    told = []

    def judge(number):
        told.extend(
            client.review_trace(run_id, result="pass", score=n / 10, identifier=f"r{number}") for n in range(6)
        )

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(told), len(client.get_trace(run_id).reviews)] == [36, 6]


def test_withdrawing_a_review_that_was_never_given_names_those_that_were(client):
    run_id = learn(client).id
    with pytest.raises(NotFound, match="source 'human', identifier ''"):
        client.withdraw_review(run_id, identifier="nobody")


def test_the_same_run_twice_is_one_run(client):
    for _ in range(2):
        learn(client, trace_id="run-7")
    assert [trace.id for trace in client.list_traces()] == ["run-7"]
    assert len(client.list_memories()) == 1


def test_runs_are_listed_newest_first_by_filter_and_page(client, monkeypatch):
    monkeypatch.setattr("reflect_otel.client.trace_calls.PAGE_SIZE", 2)
    ids = [client.create_trace(TASK, CHAT).id for _ in range(5)]
    client.review_trace(ids[0], result="pass")
    assert [trace.id for trace in client.list_traces()] == ids[::-1]
    assert [trace.id for trace in client.iter_traces(review_status="pending")] == ids[:0:-1]
    assert [len(page) for page in client.iter_trace_pages()] == [2, 2, 1]
    assert client.list_traces(agent="nobody") == client.list_traces(session_id="none") == []


def test_deleted_runs_are_gone_and_their_memories_stay(client):
    trace = learn(client)
    other = client.create_trace(TASK, CHAT).id
    assert client.delete_traces([trace.id, "run-nobody"]) == 1
    with pytest.raises(NotFound):
        client.get_trace(trace.id)
    assert [left.id for left in client.list_traces()] == [other]
    assert client.get_memory(trace.created_memory_id).id == trace.created_memory_id


def test_a_run_is_waited_for_before_it_exists(client):
    creating = threading.Timer(
        0.2, lambda: client.create_trace(TASK, CHAT, trace_id="run-late", review_result="pass")
    )
    creating.start()
    trace = client.wait_for_trace("run-late", require_reviewed=True, wait_timeout=20)
    creating.join()
    assert (trace.id, trace.review_status) == ("run-late", "reviewed")


def test_waiting_ends_at_its_deadline_and_tells_how_far_the_run_came(client):
    run_id = client.create_trace(TASK, CHAT).id
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="completed, review pending"):
        client.wait_for_trace(run_id, require_reviewed=True, wait_timeout=0.3)
    with pytest.raises(TimeoutError, match="nothing of it has arrived"):
        client.wait_for_trace("run-never", wait_timeout=0.3)
    assert 0.6 <= time.monotonic() - began < 5


def test_projects_do_not_see_each_other(client, address, project):
    trace = learn(client)
    with ReflectClient(address, project_id=f"{project}-other") as stranger:
        for call in (
            lambda: stranger.get_trace(trace.id),
            lambda: stranger.review_trace(trace.id, result="pass"),
            lambda: stranger.get_memory(trace.created_memory_id),
        ):
            with pytest.raises(NotFound):
                call()
        assert stranger.list_traces() == stranger.list_memories() == stranger.query_memories(TASK) == []
        assert stranger.delete_traces([trace.id]) == 0
    assert client.get_trace(trace.id).review_status == "reviewed"


def test_threads_share_a_client(client):
    def work(number):
        ids.append(learn(client, trace_id=f"run-{number}").id)

    ids = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ids) == [f"run-{number}" for number in range(8)]
