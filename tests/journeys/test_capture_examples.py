"""The examples, offline: real processes, the scripted model server, the real service."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripted_llm import ScriptedLLM, text
from tests.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
TASK = "Explain transformer attention in one sentence"


@pytest.fixture
def llm():
    with ScriptedLLM([text("Every token looks at every other.")]) as llm:
        yield llm


def run_example(name: str, *arguments: str, typed: str = "", **settings: str) -> str:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "REFLECT_"))}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env={**inherited, **settings},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(service, llm, typed: str) -> str:
    return run_example(
        "interactive_feedback_cli.py",
        *("--base-url", service.url, "--project-id", "default", "--reflect-api-key", "rf_local", "--task", TASK),
        typed=typed,
        **llm.environment,
    )


@pytest.mark.parametrize("answer", ["y\n", "what?\nn\nToo vague: name the weights.\n"], ids=["pass", "fail"])
def test_the_interactive_example_learns_from_the_answer_it_is_given(service, llm, client, answer):
    printed = ask(service, llm, answer)
    assert "Every token looks at every other." in printed
    assert "Review:   reviewed" in printed
    memory = client.get_memory(re.search(r"Memory created: (\S+)", printed)[1])
    trace = client.get_trace(re.search(r"Trace id: (\S+)", printed)[1])
    assert memory.created_from == trace.id
    assert memory.success is answer.startswith("y")
    assert [message["role"] for message in trace.trajectory] == ["system", "user", "assistant"]
    assert "Retrieved 1 relevant memories." in ask(service, llm, "d\n")
    assert memory.reflection in llm.requests[-1]["messages"][1]["content"]


def test_the_interactive_example_can_defer_the_review(service, llm, client):
    printed = ask(service, llm, "d\n")
    assert "Review:   pending" in printed
    assert "Memory created" not in printed
    (pending,) = client.list_traces(review_status="pending")
    reviewed = client.review_trace(trace_id=pending.id, result="failure")
    assert (reviewed.review_status, bool(reviewed.created_memory_id)) == ("reviewed", True)


def test_the_plain_opentelemetry_example_becomes_a_memory(service, client):
    assert "reflect_otel" not in (EXAMPLES / "plain_otel.py").read_text()
    run_example("plain_otel.py", OTEL_EXPORTER_OTLP_ENDPOINT=service.url)
    (memory,) = wait_until(client.list_memories, 20)
    assert memory.success is False
    augmented = client.augment_with_memories("Return order B-2, which arrived damaged.")
    assert [served.id for served in augmented.memories] == [memory.id]
