"""Settings of a project: changed by one caller, in force for all, the same whichever way."""

import asyncio

import pytest

from reflect_otel import AsyncReflectClient, InvalidArgument, ProjectSettings, ReflectClient
from tests.waiting import wait_until

from .runs import CHAT, TASK


def test_a_project_starts_with_the_defaults(client):
    assert client.get_project_settings() == ProjectSettings()


def test_what_is_given_changes_and_the_rest_stays(client):
    client.update_project_settings(control_share=0.05, reviewer_weights={"llm": 0.25}, review_names=["Quality"])
    changed = client.update_project_settings(max_injected=0, pass_score=0.0, stop_on_harm=False, memory_quota=9)
    assert changed == client.get_project_settings()
    assert changed == ProjectSettings(
        control_share=0.05,
        reviewer_weights={"llm": 0.25},
        review_names=("quality",),
        max_injected=0,
        pass_score=0.0,
        stop_on_harm=False,
        memory_quota=9,
    )
    assert client.update_project_settings(reset=["memory_quota"], review_names=[], max_injected=None) == (
        ProjectSettings(control_share=0.05, reviewer_weights={"llm": 0.25}, pass_score=0.0, stop_on_harm=False)
    )


def test_a_wrong_value_is_refused_by_name_and_changes_nothing(client):
    for change in ({"control_share": 1.5}, {"control_share": "much"}, {"max_injected": 2**40}, {"no_such": 1}):
        with pytest.raises(InvalidArgument) as refused:
            client.update_project_settings(memory_quota=9, **change)
        assert next(iter(change)) in refused.value.field
    assert client.get_project_settings() == ProjectSettings()


def test_another_project_is_not_touched(address, client, project):
    client.update_project_settings(control_share=0.5)
    with ReflectClient(address, project_id=f"{project}-other") as other:
        assert other.get_project_settings() == ProjectSettings()


def test_the_coroutines_do_the_same(address, project):
    async def main():
        async with AsyncReflectClient(address, project_id=project) as client:
            await client.update_project_settings(author_quota_per_hour=3)
            return await client.get_project_settings()

    assert asyncio.run(main()) == ProjectSettings(author_quota_per_hour=3)


def test_the_most_memories_of_a_project_hold_from_the_next_call_on(client):
    for number in range(3):
        client.create_memory(TASK, f"Lesson {number}")
    assert client.augment_with_memories(TASK, lambda_=1.0).memories
    client.update_project_settings(max_injected=0)
    assert client.augment_with_memories(TASK, lambda_=1.0).memories == ()
    client.update_project_settings(max_injected=2)
    assert len(client.augment_with_memories(TASK, lambda_=1.0).memories) == 2


def test_trusting_a_reviewer_otherwise_moves_what_was_learned_already(client):
    memory = client.create_memory(TASK, "Refund to the card.")
    run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[memory.id]).id
    client.review_trace(run_id, result="pass", identifier="ada")
    client.review_trace(run_id, result="fail", identifier="bob")
    assert client.get_memory(memory.id).utility == 0.5
    client.update_project_settings(reviewer_weights={"human:bob": 0.0})
    wait_until(lambda: client.get_memory(memory.id).utility == 0.75)
    client.update_project_settings(reset=["reviewer_weights"])
    wait_until(lambda: client.get_memory(memory.id).utility == 0.5)
