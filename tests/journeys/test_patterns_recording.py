"""The patterns against a real service: however a run ends, it is recorded once, and says how it ended."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

import reflect_otel
from reflect_otel import AsyncReflectClient, ReflectClient, TraceContext, TraceResult, reflect_trace

from .service_process import ServiceProcess

TASK = "Refund the damaged coffee order"
ANSWER = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "Refunded."}]
_projects = count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with ServiceProcess(tmp_path_factory.mktemp("patterns") / "data", "--settle-seconds", "0.2") as process:
        yield process


@pytest.fixture
def project():
    """An empty project of the one service."""
    return f"patterns-{next(_projects)}"


@pytest.fixture
def client(service, project):
    with ReflectClient(service.url, project_id=project, augment_timeout=10) as client:
        yield client


class Broken(Exception):
    pass


def only_trace(client, *, reviewed=False):
    client._submissions.close(10)  # what was handed to the background has arrived then
    (trace,) = client.list_traces()
    return client.wait_for_trace(trace.id, require_reviewed=reviewed)


# --- every shape of agent, as (client, what happens inside) ----------------------------------------------


def by_with(client, inside):
    with client.trace(TASK) as ctx:
        inside(ctx)


def by_async_with(client, inside):
    async def main():
        async with client.trace_async(TASK) as ctx:
            inside(ctx)

    asyncio.run(main())


def by_function(client, inside):
    @reflect_trace(client)
    def agent(ctx: TraceContext, task: str):
        inside(ctx)

    agent(TASK)


def by_coroutine(client, inside):
    @reflect_trace(client)
    async def agent(ctx: TraceContext, task: str):
        await asyncio.sleep(0)
        inside(ctx)

    asyncio.run(agent(TASK))


def by_coroutine_of_the_async_client(client, inside):
    async def main():
        async with AsyncReflectClient(
            f"http://{client._channel._address.target}", project_id=project_of(client)
        ) as aio:
            await reflect_trace(aio, TASK)(agent)()

    async def agent(ctx):
        inside(ctx)

    asyncio.run(main())


def by_generator(client, inside):
    @reflect_trace(client)
    def agent(ctx: TraceContext, task: str):
        yield 1
        inside(ctx)

    list(agent(TASK))


def by_async_generator(client, inside):
    @reflect_trace(client)
    async def agent(ctx: TraceContext, task: str):
        yield 1
        inside(ctx)

    async def main():
        return [item async for item in agent(TASK)]

    asyncio.run(main())


def by_method(client, inside):
    class Agent:
        @reflect_trace(client)
        def answer(self, ctx: TraceContext, task: str):
            inside(ctx)

    Agent().answer(TASK)


def by_thread(client, inside):
    errors = []

    def work():
        try:
            by_with(client, inside)
        except Broken as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def project_of(client):
    return client._channel._headers["x-reflect-project"]


SHAPES = [
    by_with,
    by_async_with,
    by_function,
    by_coroutine,
    by_coroutine_of_the_async_client,
    by_generator,
    by_async_generator,
    by_method,
    by_thread,
]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)


def raising(error):
    def inside(ctx):
        raise error

    return inside


@shapes
def test_an_exception_before_set_output_is_exactly_one_failed_trace(client, shape):
    with pytest.raises(Broken, match="no such order"):
        shape(client, raising(Broken("no such order")))
    trace = only_trace(client, reviewed=True)
    assert (trace.task, trace.review.result, trace.review.source) == (TASK, "fail", "code")
    assert trace.review.feedback == "Broken: no such order"


@shapes
def test_an_exception_after_a_pass_fails_the_run_and_keeps_its_conversation(client, shape):
    def inside(ctx):
        ctx.set_output(trajectory=ANSWER, result="pass", feedback_text="looked fine")
        raise Broken("crashed at the end")

    with pytest.raises(Broken):
        shape(client, inside)
    trace = only_trace(client, reviewed=True)
    assert (trace.review.result, trace.review.feedback) == ("fail", "Broken: crashed at the end")
    assert trace.metadata == {"feedback_text": "looked fine"}
    assert list(trace.trajectory) == ANSWER


@shapes
def test_a_run_without_set_output_is_recorded_all_the_same(client, shape):
    shape(client, lambda ctx: None)
    trace = only_trace(client)
    assert (trace.task, trace.review_status, trace.ingest_status) == (TASK, "pending", "completed")


@pytest.mark.parametrize("shape", [by_with, by_function, by_generator, by_method], ids=lambda shape: shape.__name__)
@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt, SystemExit, asyncio.CancelledError], ids=lambda kind: kind.__name__
)
def test_a_run_that_is_stopped_is_recorded_as_cancelled_and_moves_no_utility(client, shape, stop):
    memory = client.create_memory(TASK, "Refund to the card that was charged.")

    def inside(ctx):
        assert ctx.memory_ids == (memory.id,)
        ctx.set_output(trajectory=ANSWER, result="pass")
        raise stop

    with pytest.raises(stop):
        shape(client, inside)
    trace = only_trace(client)
    assert (trace.metadata, trace.review, trace.review_status) == ({"cancelled": stop.__name__}, None, "pending")
    assert trace.retrieved_memory_ids == (memory.id,)
    assert (client.get_memory(memory.id).utility, client.get_memory(memory.id).uses) == (0.5, 0)


def test_a_cancelled_task_is_a_cancelled_run(client):
    async def main():
        started = asyncio.Event()

        async def agent():
            async with client.trace_async(TASK):
                started.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(agent())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert only_trace(client).metadata == {"cancelled": "CancelledError"}


def test_a_generator_whose_reader_stops_is_a_cancelled_run(client):
    closed = []

    @reflect_trace(client)
    def agent(ctx, task):
        try:
            yield "first"
            yield "second"
        finally:
            closed.append(ctx.run_id)

    stream = agent(TASK)
    assert next(stream) == "first"
    stream.close()
    assert only_trace(client).metadata == {"cancelled": "GeneratorExit"}
    assert len(closed) == 1


def test_an_async_generator_whose_reader_stops_is_a_cancelled_run(client):
    @reflect_trace(client)
    async def agent(ctx, task):
        yield "first"
        yield "second"

    async def main():
        stream = agent(TASK)
        assert await anext(stream) == "first"
        await stream.aclose()

    asyncio.run(main())
    assert only_trace(client).metadata == {"cancelled": "GeneratorExit"}


def test_without_auto_fail_an_exception_leaves_the_review_to_the_agent(client):
    with pytest.raises(Broken), client.trace(TASK, auto_fail_on_exception=False):
        raise Broken
    assert only_trace(client).review is None


# --- what functions give back -----------------------------------------------------------------------------


def test_a_text_is_conversation_and_answer(client):
    @reflect_trace(client)
    def agent(ctx, task):
        return "Refunded."

    assert agent(TASK) == "Refunded."
    trace = only_trace(client)
    assert (list(trace.trajectory), trace.final_response, trace.agent) == (ANSWER, "Refunded.", "agent")


def test_streamed_text_is_the_answer(client):
    @reflect_trace(client)
    def agent(ctx, task):
        yield "Refun"
        yield "ded."

    assert list(agent(TASK)) == ["Refun", "ded."]
    assert only_trace(client).final_response == "Refunded."


def test_a_generator_keeps_send_throw_and_its_return_value(client):
    @reflect_trace(client)
    def agent(ctx, task):
        heard = []
        try:
            heard.append((yield "ask"))
        except Broken:
            heard.append("broken")
        heard.append((yield "more"))
        return TraceResult(output=heard, trajectory=ANSWER, result="pass")

    stream = agent(TASK)
    assert next(stream) == "ask"
    assert stream.throw(Broken()) == "more"
    with pytest.raises(StopIteration) as end:
        stream.send("done")
    assert end.value.value == ["broken", "done"]
    assert only_trace(client, reviewed=True).review.result == "pass"


@pytest.mark.parametrize("value", [None, 7, {"answer": 42}, ["a"]])
def test_any_other_return_is_handed_on_and_the_run_recorded(client, value):
    assert reflect_trace(client)(lambda ctx, task: value)(TASK) == value
    assert only_trace(client).task == TASK


def test_the_output_that_was_set_beats_the_text_returned(client):
    @reflect_trace(client)
    def agent(ctx, task):
        ctx.set_output(trajectory=ANSWER, result="fail")
        return "something else"

    assert agent(TASK) == "something else"
    assert only_trace(client, reviewed=True).final_response == "Refunded."


# --- whose task it is ---------------------------------------------------------------------------------------


class Desk:
    """Decorated in the test, because the client is made there."""

    def answer(self, ctx, question, urgency=1):
        return f"{type(self).__name__}:{question}:{urgency}"

    @classmethod
    def build(cls, ctx, question):
        return f"{cls.__name__}:{question}"

    @staticmethod
    def ask(ctx, question):
        return question


@pytest.mark.parametrize(
    ("call", "task"),
    [
        (lambda traced: traced(Desk.answer)(Desk(), "q"), "q"),
        (lambda traced: traced(Desk.answer)(Desk(), urgency=3, question="q"), "q"),
        (lambda traced: traced(Desk.__dict__["build"]).__get__(None, Desk)("q"), "q"),
        (lambda traced: traced(Desk.__dict__["ask"])(question="q"), "q"),
        (lambda traced: traced(lambda ctx, *, question: "x")(question="q"), "q"),
        (lambda traced: traced(lambda ctx, **inputs: "x")(question="q"), "q"),
        (lambda traced: traced(lambda ctx, *inputs: "x")("q", "r"), "q"),
        (lambda traced: traced(lambda ctx, question="by default": "x")(), "by default"),
        (lambda traced: traced(lambda ctx, number: "x")(7), "7"),
    ],
)
def test_without_a_task_the_first_input_is_the_task(client, call, task):
    call(reflect_trace(client))
    assert only_trace(client).task == task


def nightly_report(ctx):
    return "done"


@pytest.mark.parametrize(
    ("decorator", "function", "args", "kwargs", "task"),
    [
        ({"task": "Close the month"}, lambda ctx, q: "x", ("q",), {}, "Close the month"),
        ({"task": lambda question: f"<{question}>"}, lambda ctx, question: "x", (), {"question": "q"}, "<q>"),
        ({"task": lambda text: f"<{text}>"}, lambda ctx, question: "x", (), {"question": "q"}, "<q>"),
        ({"task": lambda question: question}, Desk.answer, (Desk(), "q"), {}, "q"),
        ({"task": lambda question: question["missing"]}, nightly_report, (), {}, "nightly_report"),
        ({}, nightly_report, (), {}, "nightly_report"),
        ({"inject_context": False}, lambda question: "x", ("q",), {}, "q"),
    ],
)
def test_the_task_is_told_or_worked_out(client, decorator, function, args, kwargs, task):
    reflect_trace(client, **decorator)(function)(*args, **kwargs)
    assert only_trace(client).task == task


def test_a_decorated_function_looks_like_itself_without_the_context():
    import inspect

    client = ReflectClient("http://127.0.0.1:9")

    @reflect_trace(client)
    async def answer(ctx: TraceContext, question: str, *, urgent: bool = False) -> str:
        """Answers."""
        return question

    assert str(inspect.signature(answer)) == "(question: str, *, urgent: bool = False) -> str"
    assert (answer.__name__, answer.__doc__) == ("answer", "Answers.")
    assert inspect.iscoroutinefunction(answer)
    assert inspect.isgeneratorfunction(reflect_trace(client)(lambda ctx: (yield)))
    client.close()


def test_wrong_arguments_raise_what_the_function_raises(client):
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        reflect_trace(client)(lambda ctx, question: "x")("q", colour="red")


# --- several runs -------------------------------------------------------------------------------------------


def test_a_run_inside_a_run_is_a_run_of_its_own(client):
    outer_memory = client.create_memory("Plan the journey to Kyoto", "Book the train first.")
    inner_memory = client.create_memory(TASK, "Refund to the card that was charged.")
    with client.trace("Plan the journey to Kyoto") as outer:
        with client.trace(TASK) as inner:
            inner.set_output(trajectory=ANSWER, result="pass")
        assert reflect_otel.review("fail", "no train was booked")
        outer.set_output(trajectory=[{"role": "assistant", "content": "Planned."}])
    assert reflect_otel.review("pass") is False
    traces = [client.wait_for_trace(ctx.trace_id, require_reviewed=True) for ctx in (outer, inner)]
    assert [trace.retrieved_memory_ids for trace in traces] == [(outer_memory.id,), (inner_memory.id,)]
    assert [(trace.review.result, trace.review.feedback) for trace in traces] == [
        ("fail", "no train was booked"),
        ("pass", None),
    ]
    assert len(client.list_traces()) == 2


def test_threads_and_tasks_keep_their_runs_apart(client):
    @reflect_trace(client)
    def agent(ctx, task):
        return f"answer to {ctx.task}"

    @reflect_trace(client)
    async def async_agent(ctx, task):
        await asyncio.sleep(0.01)
        return f"answer to {ctx.task}"

    async def main():
        return await asyncio.gather(*(async_agent(f"async {number}") for number in range(20)))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(agent, [f"sync {number}" for number in range(20)]))
    answers += asyncio.run(main())
    traces = [client.wait_for_trace(trace.id) for trace in client.list_traces()]
    assert sorted(answers) == sorted(f"answer to {trace.task}" for trace in traces)
    assert all(trace.final_response == f"answer to {trace.task}" for trace in traces)


def test_one_scope_can_be_entered_again(client):
    scope = client.trace(TASK)
    with scope as first, scope as second:
        assert first.run_id != second.run_id
    assert len(client.list_traces()) == 2


# --- the last word ------------------------------------------------------------------------------------------


def test_the_last_set_output_counts(client):
    with client.trace(TASK) as ctx:
        ctx.set_output(trajectory=[], result="fail")
        ctx.set_output(trajectory=ANSWER, final_response="Done.", model="m", metadata={"attempt": 2}, task="Refund")
    trace = only_trace(client)
    assert (trace.task, trace.final_response, trace.model, trace.review) == ("Refund", "Done.", "m", None)
    assert trace.metadata == {"attempt": "2"}


def test_what_cannot_be_stored_is_left_out_and_named(client):
    with client.trace(TASK) as ctx:
        ctx.set_output(
            trajectory=[ANSWER[0], object(), ANSWER[1]], metadata={"bad": object()}, result="pass", feedback_text="ok"
        )
    trace = only_trace(client, reviewed=True)
    assert list(trace.trajectory) == ANSWER
    assert (trace.review.result, trace.review.feedback) == ("pass", "ok")
    assert "trajectory[1]" in trace.metadata["record_problem"]
    assert "metadata" in trace.metadata["record_problem"]


def test_what_the_service_refuses_is_left_out_and_named(client):
    with client.trace(TASK) as ctx:
        ctx.set_output(trajectory=[{"role": "narrator", "content": "x"}], result="pass")
    trace = only_trace(client, reviewed=True)
    assert (trace.task, trace.trajectory, trace.review.result) == (TASK, (), "pass")
    assert "narrator" in trace.metadata["record_problem"]


@pytest.mark.parametrize("task", ["", "   ", "x" * 300_000])
def test_a_task_that_no_service_takes_does_not_stop_the_agent(client, task):
    with client.trace(task) as ctx:
        assert (ctx.augmented_task, ctx.memories, ctx.degraded) == (task, (), True)
        ctx.set_output(trajectory=ANSWER)
    assert only_trace(client).task in ("(no task)", "x" * 60_000)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"lambda_": 7}, {"similarity_threshold": 2}, {"mmr_lambda": -1}, {"limit": "many"}]
)
def test_a_wrong_option_raises_before_the_agent_begins(client, wrong):
    with pytest.raises(reflect_otel.InvalidArgument), client.trace(TASK, **wrong):
        pytest.fail("the agent ran")
    assert client.list_traces() == []


@pytest.mark.parametrize(
    "wrong", [{"result": "great"}, {"score": 3, "result": "pass"}, {"alpha": -1}, {"alpha": 0}, {"trajectory": 7}]
)
def test_set_output_refuses_what_is_wrong_at_once(client, wrong):
    with client.trace(TASK) as ctx, pytest.raises(reflect_otel.InvalidArgument):
        ctx.set_output(**{"trajectory": ANSWER, **wrong})


def test_the_optional_knobs_reach_the_service(client):
    client.create_memory(TASK, "Refund to the card.", metadata={"team": "shop"})
    client.create_memory(TASK, "Call the bank.", metadata={"team": "bank"})
    knobs = {"metadata_filter": {"team": "bank"}, "similarity_threshold": 0.1, "mmr_lambda": 0.7}
    with client.trace(TASK, **knobs, reference_context="refund within 14 days", alpha=0.5, blocking=True) as ctx:
        assert [memory.reflection for memory in ctx.memories] == ["Call the bank."]
        ctx.set_output(trajectory=ANSWER, result="pass", score=1.0)
    trace = client.get_trace(ctx.trace_id)
    assert (trace.review.alpha, trace.review.score) == (0.5, 1.0)
    assert client.get_memory(ctx.memory_ids[0]).utility == 0.75
