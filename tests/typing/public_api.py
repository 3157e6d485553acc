"""The whole public API in use; never run. ``mypy --strict`` must find nothing in it, and every type must be told.

``assert_type`` is checked by mypy only.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import reflect_otel
from reflect_otel import (
    Arm,
    AsyncReflectClient,
    AugmentedTask,
    BlastRadius,
    Candidate,
    DeliveryReport,
    DeliveryStatus,
    Explanation,
    HistoryEntry,
    InvalidArgument,
    LeftOut,
    Lift,
    LiftConclusion,
    LiftReport,
    LiftScope,
    Memory,
    MemoryAction,
    MemoryHistory,
    MemoryKind,
    MemoryStatus,
    MemoryWish,
    ProjectSettings,
    Quarantine,
    QuarantinedMemory,
    ReflectClient,
    ReflectError,
    ReflectSpanExporter,
    Review,
    ReviewResult,
    ReviewSource,
    RunSpanProcessor,
    Session,
    Settings,
    SettingsChange,
    TouchedMemory,
    TouchedRun,
    Trace,
    TraceContext,
    TraceResult,
    TraceSubmission,
    Trajectory,
    reflect_trace,
)

MESSAGES = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hello yourself"}]


def client_calls(client: ReflectClient) -> None:
    augmented = client.augment_with_memories(
        "task", limit=3, lambda_=0.5, similarity_threshold=0.2, metadata_filter={"team": "shop"}, mmr_lambda=0.7
    )
    assert_type(augmented, AugmentedTask)
    assert_type(augmented.memories, tuple[Memory, ...])
    assert_type(augmented.augmented_task, str)
    assert_type(augmented.degraded, bool)
    assert_type(client.query_memories("task"), list[Memory])
    submission = client.create_trace(
        task="task",
        trajectory=MESSAGES,
        final_response="hello yourself",
        retrieved_memory_ids=[memory.id for memory in augmented.memories],
        model="gpt-5.4-mini",
        metadata={"source": "cli"},
        review_result="pass",
        feedback_text="well done",
        score=0.9,
        alpha=0.5,
        reference_context="a reference",
        trace_id="run-1",
        session_id="chat-1",
    )
    assert_type(submission, TraceSubmission)
    assert_type(submission.id, str)
    assert_type(submission.trace_id, str)
    assert_type(client.create_trace_and_wait("task", MESSAGES, poll_interval=0.5, wait_timeout=30.0), Trace)
    trace = client.wait_for_trace(submission.id, require_reviewed=True, poll_interval=0.25, wait_timeout=60.0)
    assert_type(trace.created_memory_id, str | None)
    assert_type(trace.review, Review | None)
    if trace.review is not None:
        assert_type(trace.review.result, ReviewResult)
        assert_type(trace.review.source, ReviewSource)
    assert_type(client.get_trace("abc"), Trace)
    assert_type(client.get_session("conv-1"), Session)
    assert_type(client.get_trajectory("run-1"), Trajectory)
    assert_type(client.get_trajectory(session_id="conv-1"), Trajectory)
    assert_type(client.list_traces(review_status="pending", agent="a", session_id="s"), list[Trace])
    assert_type(client.iter_traces(), Iterator[Trace])
    assert_type(client.review_trace("abc", result="fail", feedback_text="why", source="code"), Trace)
    assert_type(client.delete_traces(["abc"]), int)
    assert_type(submission.degraded, bool)
    assert_type(client.status, DeliveryStatus)
    assert_type(reflect_otel.delivery_status(), DeliveryReport)
    assert_type(reflect_otel.delivery_status().runs.dropped, int)
    memory = client.create_memory("task", "lesson", kind="strategy", success=True, metadata={"a": 1})
    assert_type(memory.kind, MemoryKind)
    assert_type(memory.q_value, float)
    assert_type(client.get_memory(memory.id), Memory)
    assert_type(client.list_memories(), list[Memory])
    assert_type(client.iter_memories(), Iterator[Memory])
    assert_type(client.iter_memory_pages(status="active"), Iterator[list[Memory]])
    assert_type(client.iter_trace_pages(agent="a"), Iterator[list[Trace]])
    assert_type(client.withdraw_review("abc", name="review", source="human", identifier="ada"), Trace)
    client.close()


def explanation(client: ReflectClient) -> None:
    explained = client.augment_with_memories("task", explain=True, max_injected=1).explanation
    assert_type(explained, Explanation | None)
    if explained is not None:
        assert_type(explained.candidates, tuple[Candidate, ...])
        assert_type(explained.candidates[0].left_out, LeftOut | None)


def settings_and_lift(client: ReflectClient) -> None:
    assert_type(client.get_project_settings(), ProjectSettings)
    change: SettingsChange = {"control_share": 0.05, "reviewer_weights": {"llm": 0.25}, "serving": True}
    assert_type(client.update_project_settings(**change), ProjectSettings)
    settings = client.update_project_settings(control_share=0.05, max_injected=None, reset=["review_names"])
    assert_type(settings.serving, bool)
    report = client.get_lift(agent="support", memory_id="m", since_ns=0, half_width=0.1)
    assert_type(report, LiftReport)
    assert_type(report.project, Lift)
    assert_type(report.project.scope, LiftScope)
    assert_type(report.project.difference, float | None)
    assert_type(report.project.conclusion, LiftConclusion)
    assert_type(report.memories[0].without_memory, Arm)
    assert_type(report.memories[0].without_memory.pass_rate, float | None)


def governance(client: ReflectClient) -> None:
    wish: MemoryWish = {"status": MemoryStatus.QUARANTINED, "author": "mallory", "alarmed": True}
    assert_type(client.list_memories(**wish), list[Memory])
    history = client.get_memory_history("m", limit=10)
    assert_type(history, MemoryHistory)
    assert_type(history.entries, tuple[HistoryEntry, ...])
    assert_type(history.quarantines, tuple[Quarantine, ...])
    assert_type(client.update_memories(["m"], MemoryAction.PIN), list[Memory])
    assert_type(client.update_memories("m", "archive", reason="old"), list[Memory])
    radius = client.find_blast_radius(memory_ids="m", run_ids=["r"], author="mallory", since_ns=1, until_ns=2)
    assert_type(radius, BlastRadius)
    assert_type(radius.memories[0], TouchedMemory)
    assert_type(radius.runs[0], TouchedRun)
    made = client.create_quarantine(memory_ids=["m"], run_ids="r", author="", since_ns=0, until_ns=0, reason="poison")
    assert_type(made, Quarantine)
    assert_type(made.members, tuple[QuarantinedMemory, ...])
    assert_type(client.list_quarantines(open_only=True), list[Quarantine])
    assert_type(client.release_quarantine(made.id), Quarantine)
    assert_type(client.delete_memories("m"), int)
    assert_type(client.delete_traces(["abc"], with_memories=True), int)


def embedded() -> None:
    with ReflectClient.embedded("data", settings=Settings(settle_seconds=0.1), embedder="hashing") as client:
        assert_type(client, ReflectClient)
    assert_type(AsyncReflectClient.embedded("data", reflector="offline"), AsyncReflectClient)


async def async_client_calls() -> None:
    async with AsyncReflectClient("http://localhost:4317", "key", "project", augment_timeout=0.3) as async_client:
        assert_type(await async_client.augment_with_memories("task", explain=True), AugmentedTask)
        assert_type(await async_client.query_memories("task"), list[Memory])
        assert_type(await async_client.create_trace("task", MESSAGES), TraceSubmission)
        assert_type(await async_client.create_trace_and_wait("task", MESSAGES), Trace)
        assert_type(await async_client.wait_for_trace("abc"), Trace)
        assert_type(await async_client.review_trace("abc", result="pass"), Trace)
        assert_type(await async_client.withdraw_review("abc", identifier="ada"), Trace)
        assert_type(await async_client.get_trace("abc"), Trace)
        assert_type(await async_client.get_session("conv-1"), Session)
        assert_type(await async_client.get_trajectory("abc"), Trajectory)
        assert_type(await async_client.list_traces(), list[Trace])
        assert_type(async_client.iter_traces(), AsyncIterator[Trace])
        assert_type(await async_client.delete_traces(["abc"], with_memories=True), int)
        assert_type(await async_client.create_memory("task", "lesson"), Memory)
        assert_type(await async_client.get_memory("m"), Memory)
        assert_type(await async_client.list_memories(kind="strategy"), list[Memory])
        assert_type(async_client.iter_memories(status="merged"), AsyncIterator[Memory])
        assert_type(async_client.status, DeliveryStatus)
        async with async_client.trace("task") as ctx:
            assert_type(ctx, TraceContext)
        await async_client.close()


async def async_settings_and_governance(async_client: AsyncReflectClient) -> None:
    assert_type(await async_client.get_project_settings(), ProjectSettings)
    assert_type(await async_client.update_project_settings(control_share=0.1), ProjectSettings)
    assert_type(await async_client.get_lift(memory_id="m"), LiftReport)
    assert_type(await async_client.get_memory_history("m"), MemoryHistory)
    assert_type(await async_client.update_memories("m", MemoryAction.RESTORE), list[Memory])
    assert_type(await async_client.find_blast_radius(author="mallory"), BlastRadius)
    assert_type(await async_client.create_quarantine(run_ids=["r"], reason="poison"), Quarantine)
    assert_type(await async_client.list_quarantines(), list[Quarantine])
    assert_type(await async_client.release_quarantine("q"), Quarantine)
    assert_type(await async_client.delete_memories(["m"]), int)


def context_manager(client: ReflectClient) -> None:
    with client.trace(
        "task",
        limit=5,
        lambda_=0.5,
        blocking=True,
        auto_fail_on_exception=True,
        similarity_threshold=0.2,
        metadata_filter={"team": "shop"},
        mmr_lambda=0.7,
        max_injected=2,
        reference_context="a reference",
        alpha=0.5,
        agent="support",
        session_id="chat-1",
    ) as ctx:
        assert_type(ctx.task, str)
        assert_type(ctx.augmented_task, str)
        assert_type(ctx.memories, tuple[Memory, ...])
        assert_type(ctx.memory_ids, tuple[str, ...])
        assert_type(ctx.otel_trace_id, str | None)
        assert_type(ctx.degraded, bool)
        ctx.set_output(
            trajectory=MESSAGES,
            final_response="hello yourself",
            result="pass",
            feedback_text="well done",
            model="gpt-5.4-mini",
            metadata={"attempt": 1},
        )
    assert_type(ctx.trace_id, str | None)


async def decorator(client: ReflectClient, async_client: AsyncReflectClient) -> None:
    @reflect_trace(client, task=lambda question: question)
    def bare(ctx: TraceContext, question: str) -> TraceResult:
        return TraceResult(output=question, trajectory=MESSAGES, result="pass", model="gpt-5.4-mini")

    assert_type(bare("q"), Any)

    @reflect_trace(client)
    def answer(ctx: TraceContext, question: str, *, urgent: bool = False) -> TraceResult[int]:
        return TraceResult(7, MESSAGES)

    assert_type(answer("q", urgent=True), int)

    @reflect_trace(async_client, "the task", limit=3)
    async def async_answer(ctx: TraceContext, question: str) -> TraceResult[int]:
        return TraceResult(7, MESSAGES)

    assert_type(await async_answer("q"), int)

    @reflect_trace(client)
    def text(ctx: TraceContext, question: str) -> str:
        return question

    assert_type(text("q"), str)

    @reflect_trace(client)
    def stream(ctx: TraceContext, question: str) -> Iterator[str]:
        yield question

    assert_type(stream("q"), Iterator[str])

    @reflect_trace(client)
    async def async_stream(ctx: TraceContext, question: str) -> AsyncIterator[str]:
        yield question

    assert_type(async_stream("q"), AsyncIterator[str])

    @reflect_trace(client, session_id="chat-1")
    def turn(ctx: TraceContext, question: str) -> str:
        return question

    assert_type(turn("q"), str)

    @reflect_trace(client, inject_context=False, session_id=lambda question: question)
    def plain(question: str) -> str:
        return question

    assert_type(plain("q"), str)

    class Agent:
        @reflect_trace(client)
        def answer(self, ctx: TraceContext, question: str) -> TraceResult[int]:
            return TraceResult(7, MESSAGES)

    assert_type(Agent().answer("q"), int)


def telemetry() -> None:
    reflect_otel.configure("http://localhost:4317", api_key="key", project_id="project", service_name="shop")
    with reflect_otel.run("run-1", task="task", agent="support") as run_id:
        assert_type(run_id, str)
        assert_type(reflect_otel.review("pass", feedback="why", score=0.5), bool)
    RunSpanProcessor(ReflectSpanExporter("http://localhost:4317"))


def errors(client: ReflectClient) -> None:
    try:
        client.review_trace("abc", result="maybe")
    except InvalidArgument as error:
        assert_type(error.field, str)
    except ReflectError as error:
        assert_type(error.reason, str)


if __name__ == "__main__":
    asyncio.run(async_client_calls())
