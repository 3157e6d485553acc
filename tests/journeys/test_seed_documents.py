"""Every code block of the Reflect documents does what the document says, with only its import changed.

The blocks are quoted as they stand: ``...`` stays, where a document leaves a value out. Names that a block takes from
the reader's program (``client``, ``my_agent``, ``messages``) are the surroundings of the test.
"""

import asyncio
import os
import textwrap
from itertools import count

import pytest

from reflect_otel import ReflectClient
from tests.scripted_llm import ScriptedLLM, text

from .service_process import ServiceProcess

MESSAGES = [{"role": "user", "content": "Parse the CSV"}, {"role": "assistant", "content": "Here are the top 5 rows"}]

# --- traces and reviews: creating, reviewing, waiting, listing ------------------------------------------

CREATE = """
submission = client.create_trace(
    task="Parse the CSV and return the top 5 rows",
    trajectory=[
        {"role": "user", "content": "Parse the CSV..."},
        {"role": "assistant", "content": "Here are the top 5 rows: ..."},
    ],
    retrieved_memory_ids=["mem-abc", "mem-def"],
    model="gpt-5.4-mini",
    metadata={"source": "cli", "run_id": "run-123"},
    # final_response is optional — auto-extracted from the last assistant message
)
print(submission.id) # trace UUID
print(submission.ingest_status) # "completed" (no review) or "queued" (with review)
"""

INLINE_REVIEW = """
submission = client.create_trace(
    task="...",
    trajectory=[...],
    retrieved_memory_ids=["mem-abc"],
    review_result="success",
)
# submission.ingest_status == "queued"
"""

DEFERRED_REVIEW = """
submission = client.create_trace(
    task="...",
    trajectory=[...],
)
# Later, after human evaluation:
trace = client.review_trace(
    trace_id=submission.id,
    result="failure",
)
# trace.review_status == "reviewed"
# trace.created_memory_id is set
"""

WAIT = """
trace = client.wait_for_trace(
    submission.id,
    require_reviewed=True,
    poll_interval=0.25,
    wait_timeout=60.0,
)
"""

CREATE_AND_WAIT = """
trace = client.create_trace_and_wait(
    task="...",
    trajectory=[...],
    review_result="pass",
    poll_interval=0.5,
    wait_timeout=30.0,
)
# Returns the fully processed Trace
"""

LIST_AND_GET = """
pending = client.list_traces(review_status="pending")
reviewed = client.list_traces(review_status="reviewed")
all_traces = client.list_traces()

# Fetch a specific trace
trace = client.get_trace(trace_id="abc-123")
"""

# --- the three patterns ---------------------------------------------------------------------------------

CONTEXT_MANAGER = """
with client.trace("Parse the CSV and return the top 5 rows") as ctx:
    # ctx.augmented_task - the task with relevant memories appended
    # ctx.memories - the retrieved Memory objects
    response = my_agent(ctx.augmented_task)

    ctx.set_output(
        trajectory=[
            {"role": "user", "content": ctx.augmented_task},
            {"role": "assistant", "content": response},
        ],
        result="pass",
        model="gpt-5.4-mini",
    )
# Trace auto-submitted on exit with correct retrieved_memory_ids
# ctx.trace_id is now available for deferred review or logging
"""

BLOCKING = """
with client.trace("...", blocking=True) as ctx:
    response = my_agent(ctx.augmented_task)
    ctx.set_output(trajectory=messages, result="pass")
# Memory is guaranteed to exist here - the next task can retrieve it
"""

ASYNC_CONTEXT_MANAGER = """
async with client.trace_async("Debug login timeout") as ctx:
    response = await my_llm(ctx.augmented_task)
    ctx.set_output(trajectory=messages, result="pass")
"""

DECORATOR = """
from reflect_otel import TraceContext, TraceResult, reflect_trace

@reflect_trace(client, task=lambda question: question)
def answer(ctx: TraceContext, question: str) -> TraceResult:
    messages = [{"role": "user", "content": ctx.augmented_task}]
    response = my_llm(messages)
    messages.append({"role": "assistant", "content": response})
    return TraceResult(
        output=response,       # returned to the caller
        trajectory=messages,
        result="pass",
        model="gpt-5.4-mini",
    )

# Calling the function queries memories, runs your code, and submits the trace
result = answer("Parse the CSV and return the top 5 rows")
# result == response (the output from TraceResult)
"""

ASYNC_DECORATOR = """
@reflect_trace(client, task=lambda question: question)
async def answer(ctx: TraceContext, question: str) -> TraceResult:
    ...
"""

EXPLICIT = """
augmented = client.augment_with_memories(
    task="Parse the CSV and return the top 5 rows",
)
response = my_agent(augmented.augmented_task)

submission = client.create_trace(
    task="Parse the CSV and return the top 5 rows",
    trajectory=[
        {"role": "user", "content": augmented.augmented_task},
        {"role": "assistant", "content": response},
    ],
    retrieved_memory_ids=[m.id for m in augmented.memories],
    model="gpt-5.4-mini",
    review_result="pass",
)
"""

WAIT_OR_NOT = """
# Non-blocking - returns immediately
submission = client.create_trace(task="...", trajectory=[...], review_result="pass")
# submission.ingest_status == "queued"

# Blocking - waits for the memory to be created
trace = client.create_trace_and_wait(
    task="...",
    trajectory=[...],
    review_result="pass",
    poll_interval=0.25,    # seconds between polls
    wait_timeout=60.0,     # max seconds to wait
)
# trace.review_status == "reviewed"
# trace.created_memory_id is set
"""

INLINE_REVIEWS = """
# Context manager
with client.trace("...") as ctx:
    response = my_agent(ctx.augmented_task)
    ctx.set_output(trajectory=messages, result="pass")

# Decorator
@reflect_trace(client, task=lambda q: q)
def answer(ctx, question):
    ...
    return TraceResult(output=response, trajectory=messages, result="pass")

# Explicit
client.create_trace(task="...", trajectory=[...], review_result="pass")
"""

DEFERRED_REVIEWS = """
# Step 1: Create trace without a review
with client.trace("Summarize the quarterly report") as ctx:
    response = my_agent(ctx.augmented_task)
    ctx.set_output(trajectory=messages)  # no result - review deferred

# ctx.trace_id is available after the with block exits
print(f"Trace submitted: {ctx.trace_id}")

# Step 2: Later, after human evaluation
trace = client.review_trace(
    trace_id=ctx.trace_id,
    result="fail",
    feedback_text="Summary missed the revenue decline in Q3",
)
# trace.review_status == "reviewed"
# trace.created_memory_id is now set
"""

# --- the steps of the interactive example; the whole of it is examples/interactive_feedback_cli.py --------

STEPS = """
reflect = ReflectClient(
    base_url="http://localhost:8000",
    api_key=os.getenv("REFLECT_API_KEY"),
    project_id=os.getenv("REFLECT_PROJECT_ID"),
)
augmented = reflect.augment_with_memories(task=args.task, limit=3)
# augmented.augmented_task  - task text with memories injected
# augmented.memories        - list of Memory objects (ids needed later)
messages = [
    {"role": "system", "content": "Solve the user's task. Use any relevant memories."},
    {"role": "user", "content": augmented.augmented_task},
]
response = openai.chat.completions.create(model="gpt-5.4-mini", messages=messages)
answer = response.choices[0].message.content
trajectory = messages + [{"role": "assistant", "content": answer}]
feedback = None
trace = reflect.create_trace_and_wait(
    task=args.task,
    trajectory=trajectory,
    retrieved_memory_ids=[m.id for m in augmented.memories],
    model="gpt-5.4-mini",
    review_result="pass",   # or "fail", or None to defer
    feedback_text=feedback, # only meaningful on fail
)
"""


_projects = count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with ServiceProcess(tmp_path_factory.mktemp("seeds") / "data", "--settle-seconds", "0.2") as process:
        yield process


@pytest.fixture
def project():
    """An empty project of the one service."""
    return f"document-{next(_projects)}"


@pytest.fixture
def client(service, project):
    with ReflectClient(service.url, project_id=project, augment_timeout=10) as client:
        yield client


def run(block: str, client: ReflectClient, **names) -> dict:
    """Execute a block and hand its names back; ``[...]`` stands for the messages the reader has."""
    scope = {
        "client": client,
        "my_agent": lambda task: "Here are the top 5 rows",
        "my_llm": lambda messages: "Here are the top 5 rows",
        "messages": list(MESSAGES),
        "response": "Here are the top 5 rows",
        **names,
    }
    exec(block.replace("trajectory=[...]", "trajectory=messages"), scope)  # noqa: S102 - our own text
    return scope


def memory_of(client, trace_id):
    trace = client.wait_for_trace(trace_id, require_reviewed=True)
    return client.get_memory(trace.created_memory_id)


def test_create_trace_answers_with_the_submission(client, capsys):
    submission = run(CREATE, client)["submission"]
    assert capsys.readouterr().out.split() == [submission.id, "completed"]
    stored = client.wait_for_trace(submission.id)
    assert stored.final_response == "Here are the top 5 rows: ..."
    assert stored.metadata == {"source": "cli", "run_id": "run-123"}
    assert (stored.model, stored.retrieved_memory_ids) == ("gpt-5.4-mini", ("mem-abc", "mem-def"))


def test_an_inline_review_is_queued_and_waited_for(client):
    submission = run(INLINE_REVIEW, client)["submission"]
    assert submission.ingest_status == "queued"
    trace = run(WAIT, client, submission=submission)["trace"]
    assert (trace.review_status, trace.review.result) == ("reviewed", "pass")


def test_a_deferred_review_returns_the_reviewed_trace(client):
    trace = run(DEFERRED_REVIEW, client)["trace"]
    assert (trace.review_status, trace.review.result) == ("reviewed", "fail")
    assert client.get_memory(trace.created_memory_id).success is False


def test_create_and_wait_returns_the_processed_trace(client):
    trace = run(CREATE_AND_WAIT, client)["trace"]
    assert (trace.review_status, trace.ingest_status) == ("reviewed", "completed")
    assert trace.created_memory_id


def test_traces_are_listed_by_review_status_and_fetched_by_id(client):
    client.create_trace("t", MESSAGES, trace_id="abc-123")
    client.create_trace_and_wait("u", MESSAGES, review_result="pass")
    scope = run(LIST_AND_GET, client)
    assert [[t.task for t in scope[name]] for name in ("pending", "reviewed")] == [["t"], ["u"]]
    assert sorted(t.task for t in scope["all_traces"]) == ["t", "u"]
    trace = scope["trace"]
    assert (trace.id, trace.task, trace.review_status, trace.ingest_status) == (
        "abc-123",
        "t",
        "pending",
        "completed",
    )
    assert (list(trace.trajectory), trace.created_memory_id, trace.review) == (MESSAGES, None, None)


def test_the_context_manager_submits_on_exit_with_the_memories_it_served(client):
    first = run(CONTEXT_MANAGER, client)["ctx"]
    memory = memory_of(client, first.trace_id)
    second = run(CONTEXT_MANAGER, client)["ctx"]
    assert second.memory_ids == (memory.id,)
    assert second.augmented_task.startswith("Parse the CSV and return the top 5 rows\n")
    trace = client.wait_for_trace(second.trace_id, require_reviewed=True)
    assert (trace.retrieved_memory_ids, trace.model) == ((memory.id,), "gpt-5.4-mini")
    assert client.get_memory(memory.id).uses == 1


def test_trace_id_is_none_inside_the_block_and_known_after_it(client):
    with client.trace("t") as ctx:
        assert ctx.trace_id is None
    assert client.wait_for_trace(ctx.trace_id).task == "t"


def test_a_blocking_run_has_left_its_memory_when_the_block_ends(client):
    ctx = run(BLOCKING, client)["ctx"]
    assert [memory.created_from for memory in client.list_memories()] == [ctx.trace_id]


def test_the_async_variant_records_the_same(client):
    async def my_llm(task):
        return "Here are the top 5 rows"

    program = "async def main():\n" + textwrap.indent(ASYNC_CONTEXT_MANAGER, "    ") + "\n    return ctx"
    ctx = asyncio.run(run(program, client, my_llm=my_llm)["main"]())
    assert memory_of(client, ctx.trace_id).task == "Debug login timeout"


def test_the_decorator_returns_the_output_and_records_the_rest(client):
    assert run(DECORATOR, client)["result"] == "Here are the top 5 rows"
    (trace,) = client.list_traces()
    trace = client.wait_for_trace(trace.id, require_reviewed=True)
    assert (trace.task, trace.review.result) == ("Parse the CSV and return the top 5 rows", "pass")
    assert [message["role"] for message in trace.trajectory] == ["user", "assistant"]


def test_an_async_function_is_detected(client):
    names = run(DECORATOR, client)
    answer = run(ASYNC_DECORATOR, client, **{k: names[k] for k in ("reflect_trace", "TraceContext", "TraceResult")})
    assert asyncio.run(answer["answer"]("What now?")) is None
    assert client.list_traces()[0].task == "What now?"


def test_explicit_calls_close_the_loop(client):
    memory = memory_of(client, run(EXPLICIT, client)["submission"].id)
    second = run(EXPLICIT, client)
    assert [m.id for m in second["augmented"].memories] == [memory.id]
    client.wait_for_trace(second["submission"].id, require_reviewed=True)
    assert client.get_memory(memory.id).uses == 1


def test_waiting_is_the_only_difference_between_the_two_create_calls(client):
    scope = run(WAIT_OR_NOT, client)
    assert scope["submission"].ingest_status == "queued"
    assert scope["trace"].review_status == "reviewed"
    assert scope["trace"].created_memory_id
    assert client.wait_for_trace(scope["submission"].id, require_reviewed=True).review_status == "reviewed"


def test_inline_reviews_of_all_three_patterns_teach(client):
    names = run(DECORATOR, client)
    scope = run(INLINE_REVIEWS, client, reflect_trace=names["reflect_trace"], TraceResult=names["TraceResult"])
    assert scope["answer"]("q") == "Here are the top 5 rows"
    traces = [client.wait_for_trace(trace.id, require_reviewed=True) for trace in client.list_traces()]
    assert [trace.review.result for trace in traces] == ["pass"] * 4


def test_a_run_recorded_without_a_result_is_reviewed_later(client, capsys):
    scope = run(DEFERRED_REVIEWS, client)
    assert capsys.readouterr().out == f"Trace submitted: {scope['ctx'].trace_id}\n"
    trace = scope["trace"]
    assert (trace.review_status, trace.review.feedback) == ("reviewed", "Summary missed the revenue decline in Q3")
    assert "Summary missed the revenue decline in Q3" in client.get_memory(trace.created_memory_id).reflection


def test_the_steps_of_the_interactive_example(service, client, project, monkeypatch):
    import openai

    monkeypatch.setenv("REFLECT_API_KEY", "rf_local")
    monkeypatch.setenv("REFLECT_PROJECT_ID", project)
    with (
        ScriptedLLM([text("Every token looks at every other.")]) as llm,
        openai.OpenAI(base_url=llm.base_url, api_key="sk-scripted") as model,
    ):
        args = type("Arguments", (), {"task": "Explain transformer attention in one sentence"})
        block = STEPS.replace("http://localhost:8000", service.url)
        trace = run(block, client, os=os, args=args, openai=model, ReflectClient=ReflectClient)["trace"]
    assert trace.trajectory[-1]["content"] == "Every token looks at every other."
    assert trace.created_memory_id
