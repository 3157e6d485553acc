"""Recorded spans of real instrumentations in, whole trajectories out; ``--rewrite-goldens`` writes them anew."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from collector_plugin.commands.read import describe
from reflect_otel.model.trajectory import Trajectory

from .samples import GOLDEN, NAMES, expected_runs, read_trajectories, sample_files, whole, write_golden

LEAST_RECALL = 0.99
COUNTS = ("llm_calls", "llm_errors", "input_tokens", "output_tokens", "tool_calls", "tool_errors")
TOKEN_NAMES = {"cached_input_tokens": "cached_input_tokens", "reasoning_output_tokens": "reasoning_output_tokens"}


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_reads_as_its_golden_trajectories(name: str, rewrite_goldens: bool) -> None:
    got = [whole(trajectory) for trajectory in read_trajectories(*sample_files(name))]
    golden = GOLDEN / name / "trajectories.json"
    if rewrite_goldens:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(write_golden(got), encoding="utf-8")
    assert json.loads(write_golden(got)) == json.loads(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_growing_prefixes_of_one_conversation(name: str) -> None:
    for trajectory in read_trajectories(*sample_files(name)):
        lengths = [len(step.messages) for step in trajectory.steps]
        assert lengths == sorted(lengths)
        assert all(
            list(step.messages) == list(trajectory.messages[: len(step.messages)]) for step in trajectory.steps
        )


def test_recall_of_known_facts_is_at_least_99_percent() -> None:
    facts = [(name, *fact) for name in NAMES for fact in _sample_facts(name)]
    missed = [f"{name} {run}: {fact}" for name, run, fact, found in facts if not found]
    assert len(facts) > 1500
    assert 1 - len(missed) / len(facts) >= LEAST_RECALL, "\n".join(missed)


def _sample_facts(name: str) -> Iterator[tuple[str, str, bool]]:
    trajectories = read_trajectories(*sample_files(name))
    for run, absent in expected_runs(name):
        matches = [got for got in trajectories if set(run["trace_ids"]) & set(got.trace_ids)]
        got = max(matches, key=lambda trajectory: len(trajectory.messages))
        for fact, found in _run_facts(run, absent, got):
            yield run["name"], fact, found


def _run_facts(run: dict[str, Any], absent: list[str], got: Trajectory) -> Iterator[tuple[str, bool]]:
    told = describe(got)
    for index, message in enumerate(run["messages"]):
        place = f"messages[{index}] ({message['role']})"
        if message.get("content") and not any(fact.startswith(f"{place}.content") for fact in absent):
            yield f"{place} text", _says(told["messages"], message["role"], message["content"])
        for call in message.get("tool_calls") or []:
            if f"{place}.tool_calls.name" not in absent:
                yield f"{place} call {call['name']}", _asks(told["messages"], call)
    answer_at = f"messages[{len(run['messages']) - 1}] (assistant).content"
    if run["final_response"] and answer_at not in absent:
        yield "final_response", _fold(run["final_response"]) in _fold(told["final_response"] or "")
    for key in (*COUNTS, *TOKEN_NAMES):
        if not any(fact.startswith(key) for fact in absent):
            yield f"{key} {run[key]} {told[key]}", told[key] == run[key]
    for key, found in (("model", told["model"]), ("agent", told["agent"]), ("conversation_id", told["session_id"])):
        if run.get(key) and not any(fact.startswith(key) for fact in absent):
            yield f"{key} {run[key]} {found}", str(found).startswith(run[key])


def _says(messages: list[dict[str, Any]], role: str, text: str) -> bool:
    return any(message["role"] == role and _fold(text) in _fold(message["content"] or "") for message in messages)


def _asks(messages: list[dict[str, Any]], call: dict[str, Any]) -> bool:
    calls = [asked for message in messages for asked in message.get("tool_calls") or []]
    return any(asked["name"] == call["name"] and asked["arguments"] == call["arguments"] for asked in calls)


def _fold(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
