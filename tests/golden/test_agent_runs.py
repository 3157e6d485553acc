"""The 60 recorded agent runs say the same as OTLP spans and as plain chat messages."""

import gzip
import json
from typing import Any

import pytest

from reflect_otel.dialects.parts import read_arguments
from reflect_otel.model.trajectory import Message, Trajectory

from .samples import DATA, read_trajectories

PLAIN = DATA / "trajectories" / "tau-sample.jsonl.gz"
SPANS = DATA / "trajectories" / "tau-sample.otlp.jsonl.gz"


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[list[dict[str, Any]], Trajectory]]:
    with gzip.open(PLAIN, "rt", encoding="utf-8") as lines:
        plain = {run["id"]: run["messages"] for run in map(json.loads, lines)}
    return {
        got.task.conversation_id or "": (plain[got.task.conversation_id or ""], got)
        for got in read_trajectories(SPANS)
    }


def test_messages_and_tool_calls_are_identical_in_60_of_60(
    runs: dict[str, tuple[list[dict[str, Any]], Trajectory]],
) -> None:
    same = [_seen(chat) == [_message(message) for message in got.messages] for chat, got in runs.values()]
    assert (len(same), sum(same)) == (60, 60)


def test_final_responses_are_identical_in_60_of_60(runs: dict[str, tuple[list[dict[str, Any]], Trajectory]]) -> None:
    same = [_last_answer(chat) == got.final_response for chat, got in runs.values()]
    assert (len(same), sum(same)) == (60, 60)


def _seen(chat: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The chat without the user's parting word, which comes after the last model call and so in no span."""
    spoken = chat[:-1] if chat[-1]["role"] == "user" else chat
    return [_chat(message) for message in spoken]


def _chat(message: dict[str, Any]) -> tuple[Any, ...]:
    calls = [
        (call["id"], call["function"]["name"], read_arguments(call["function"]["arguments"]))
        for call in message.get("tool_calls") or []
    ]
    return message["role"], message["content"], calls, message.get("tool_call_id")


def _message(message: Message) -> tuple[Any, ...]:
    calls = [(call.id, call.name, call.arguments) for call in message.tool_calls or ()]
    return message.role.value, message.content, calls, message.tool_response.id if message.tool_response else None


def _last_answer(chat: list[dict[str, Any]]) -> str:
    answers = [message["content"] for message in chat if message["role"] == "assistant" and message["content"]]
    return str(answers[-1])
