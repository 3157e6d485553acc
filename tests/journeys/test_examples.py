"""The examples of the patterns, offline: real processes, the scripted model server, one real service."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from reflect_otel import ReflectClient
from tests.scripted_llm import ScriptedLLM, text, tool_call

from .service_process import ServiceProcess, wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"
_projects = count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with ServiceProcess(tmp_path_factory.mktemp("examples") / "data", "--settle-seconds", "0.2") as process:
        yield process


@pytest.fixture
def project():
    """An empty project of the one service."""
    return f"examples-{next(_projects)}"


@pytest.fixture
def client(service, project):
    with ReflectClient(service.url, project_id=project, augment_timeout=10) as client:
        yield client


def environment(service, llm, project) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "REFLECT_"))}
    return {**inherited, **llm.environment, "REFLECT_ENDPOINT": service.url, "REFLECT_PROJECT_ID": project}


def run_example(name, service, llm, project) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name],
        env=environment(service, llm, project),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prompt_of(request: dict) -> str:
    return request["messages"][-1]["content"]


def test_three_patterns_learn_from_each_other(service, client, project):
    def answer(request):
        learned = "NOT EXISTS" in prompt_of(request)
        return text(
            "SELECT * FROM customer WHERE NOT EXISTS (...)" if learned else "SELECT * FROM customer JOIN orders"
        )

    with ScriptedLLM(answer) as llm:
        printed = run_example("three_patterns.py", service, llm, project).splitlines()
    assert re.match(r"context manager: fail, with 0 memories, trace \S{36}$", printed[0])
    assert printed[1].startswith("decorator: pass, with 1 memories")
    assert printed[2].startswith("explicit calls: pass, with ")
    assert sorted(trace.review.result for trace in client.list_traces()) == ["fail", "pass", "pass"]
    assert max(memory.uses for memory in client.list_memories()) == 2


def test_a_batch_reviewed_at_its_end_does_better_the_next_time(service, client, project):
    gold = {"jacket": "30", "mattress": "100", "furniture": "Freightways"}

    def answer(request):
        prompt = prompt_of(request)
        word = next(word for word in gold if word in prompt.splitlines()[0])
        return text(gold[word] if f"is {gold[word]}" in prompt else "14")

    with ScriptedLLM(answer) as llm:
        printed = run_example("batch_evaluation.py", service, llm, project)
    first, second = map(int, re.findall(r"(\d) of 3", printed))
    assert first == 0
    assert second == 3
    assert {trace.review.name for trace in client.list_traces(review_status="reviewed")} == {"exact-answer"}


def test_a_langgraph_run_is_read_from_its_spans(service, client, project):
    with ScriptedLLM(
        [text("It helped. Often. Nearly always."), text("It helped most runs that were served it.")]
    ) as llm:
        printed = run_example("langgraph_agent.py", service, llm, project).splitlines()
    assert printed[0] == "It helped most runs that were served it."
    assert re.match(r"pass: 2 model calls, [1-9]\d* tokens read", printed[1])
    (trace,) = client.list_traces()
    assert (trace.agent, trace.model) == ("explainer", "gpt-5.4-mini")


def test_an_agent_of_the_openai_agents_sdk_learns(service, client, project):
    def answer(request):
        if request["messages"][-1]["role"] == "user":
            return tool_call("find_order", {"order_id": "A-1"})
        learned = "Say how the order was paid" in json.dumps(request["messages"])
        return text("Order A-1 is refunded as a voucher." if learned else "Order A-1 is refunded to the card.")

    with ScriptedLLM(answer) as llm:
        printed = run_example("openai_agents.py", service, llm, project).splitlines()
    assert printed[:2] == ["Order A-1 is refunded to the card.", "Order A-1 is refunded as a voucher."]
    trace = client.get_trace(client.list_traces()[0].id)
    assert [message["role"] for message in trace.trajectory] == ["user", "assistant", "tool", "assistant"]
    assert (trace.agent, trace.tool_calls) == ("returns-desk", 1)


@pytest.fixture
def web(service, project):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with ScriptedLLM([text("Call us by phone.")]) as llm:
        process = subprocess.Popen(
            [sys.executable, EXAMPLES / "web_service.py", "--port", str(port)], env=environment(service, llm, project)
        )
        try:
            wait_for(lambda: _answers(port), bool)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(port: int, path: str, body: dict) -> tuple[int, dict, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, json.dumps(body))
    response = connection.getresponse()
    answered = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return answered


def test_a_web_service_streams_and_its_users_review_later(client, web):
    status, headers, answer = post(web, "/ask", {"question": "How do I cancel an order?"})
    assert (status, answer.strip()) == (200, "Call us by phone.")
    trace = client.wait_for_trace(headers["x-trace-id"])
    assert (trace.task, trace.final_response.strip()) == ("How do I cancel an order?", "Call us by phone.")
    review = {"trace_id": headers["x-trace-id"], "helped": False, "why": "I wanted the app, not the phone"}
    status, _, body = post(web, "/feedback", review)
    assert status == 200
    assert "I wanted the app" in client.get_memory(json.loads(body)["learned"]).reflection
    assert post(web, "/feedback", {**review, "trace_id": "none"})[0] == 404
