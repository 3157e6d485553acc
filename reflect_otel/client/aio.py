"""``AsyncReflectClient``: the calls of ``ReflectClient`` as coroutines, by the same names and defaults."""

from collections.abc import AsyncIterator, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Self, Unpack

from reflect_otel.capture.delivery_ledger import DeliveryStatus
from reflect_otel.client.aio_governance import AsyncGovernanceCalls
from reflect_otel.client.call_threads import run_in_thread
from reflect_otel.client.client import ReflectClient
from reflect_otel.client.governance_codec import MemoryWish
from reflect_otel.client.service_calls import DEFAULT_AUGMENT_TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS
from reflect_otel.client.trace_calls import DEFAULT_POLL_SECONDS
from reflect_otel.client.tracing import RunRecorder, TraceScope
from reflect_otel.client.transport import open_embedded
from reflect_otel.model.lift import DEFAULT_HALF_WIDTH, LiftReport
from reflect_otel.model.memory import AugmentedTask, Memory, MemoryKind
from reflect_otel.model.project_settings import ProjectSettings, SettingsChange
from reflect_otel.model.review import ReviewSource
from reflect_otel.model.session import Session
from reflect_otel.model.trace import Trace, TraceSubmission
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import Settings, Transport


class AsyncReflectClient(AsyncGovernanceCalls):
    """Memories before a run, traces and reviews after it, for asyncio.

    Works with any number of event loops, also one after another, and across ``os.fork``: it shares the process's one
    connection with every ``ReflectClient``. Arguments and errors are those of ``ReflectClient``.

    Attributes:
        sync: the same client for code that may block.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        project_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        *,
        augment_timeout: float = DEFAULT_AUGMENT_TIMEOUT_SECONDS,
        transport: Transport | None = None,
        spool_bytes: int | None = None,
        spool_dir: str | PathLike[str] | None = None,
    ) -> None:
        self.sync = ReflectClient(
            base_url,
            api_key,
            project_id,
            timeout,
            augment_timeout=augment_timeout,
            transport=transport,
            spool_bytes=spool_bytes,
            spool_dir=spool_dir,
        )

    @classmethod
    def embedded(
        cls,
        path: str | PathLike[str],
        project_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        *,
        augment_timeout: float = DEFAULT_AUGMENT_TIMEOUT_SECONDS,
        settings: Settings | None = None,
        embedder: str | None = None,
        reflector: str | None = None,
    ) -> Self:
        """As ``ReflectClient.embedded``; the first client of a folder opens it, which blocks for some 0.5 s."""
        transport = open_embedded(path, project_id, settings=settings, embedder=embedder, reflector=reflector)
        return cls(timeout=timeout, augment_timeout=augment_timeout, transport=transport)

    @property
    def status(self) -> DeliveryStatus:
        """As ``ReflectClient.status``."""
        return self.sync.status

    @property
    def recorder(self) -> RunRecorder:
        """Opens and closes the runs of every pattern of this client."""
        return self.sync.recorder

    async def augment_with_memories(
        self,
        task: str,
        *,
        limit: int = 10,
        lambda_: float = 0.5,
        similarity_threshold: float | None = None,
        metadata_filter: Mapping[str, str] | None = None,
        mmr_lambda: float = 1.0,
        max_injected: int | None = None,
        explain: bool = False,
    ) -> AugmentedTask:
        """As ``ReflectClient.augment_with_memories``."""
        return await run_in_thread(
            self.sync.augment_with_memories,
            task,
            limit=limit,
            lambda_=lambda_,
            similarity_threshold=similarity_threshold,
            metadata_filter=metadata_filter,
            mmr_lambda=mmr_lambda,
            max_injected=max_injected,
            explain=explain,
        )

    async def query_memories(
        self,
        task: str,
        *,
        limit: int = 10,
        lambda_: float = 0.5,
        similarity_threshold: float | None = None,
        metadata_filter: Mapping[str, str] | None = None,
        mmr_lambda: float = 1.0,
    ) -> list[Memory]:
        """As ``ReflectClient.query_memories``."""
        return await run_in_thread(
            self.sync.query_memories,
            task,
            limit=limit,
            lambda_=lambda_,
            similarity_threshold=similarity_threshold,
            metadata_filter=metadata_filter,
            mmr_lambda=mmr_lambda,
        )

    async def create_memory(
        self,
        task: str,
        reflection: str,
        *,
        kind: MemoryKind | str | None = None,
        success: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Memory:
        """As ``ReflectClient.create_memory``."""
        return await run_in_thread(
            self.sync.create_memory, task, reflection, kind=kind, success=success, metadata=metadata
        )

    async def get_memory(self, memory_id: str) -> Memory:
        """As ``ReflectClient.get_memory``."""
        return await run_in_thread(self.sync.get_memory, memory_id)

    async def list_memories(self, **only: Unpack[MemoryWish]) -> list[Memory]:
        """As ``ReflectClient.list_memories``."""
        return await run_in_thread(self.sync.list_memories, **only)

    async def create_trace(
        self,
        task: str,
        trajectory: Sequence[Any] | str,
        final_response: str | None = None,
        retrieved_memory_ids: Sequence[str] = (),
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        review_result: str | None = None,
        feedback_text: str | None = None,
        *,
        score: float | None = None,
        alpha: float | None = None,
        reference_context: str | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
    ) -> TraceSubmission:
        """As ``ReflectClient.create_trace``."""
        return await run_in_thread(
            self.sync.create_trace,
            task,
            trajectory,
            final_response,
            retrieved_memory_ids,
            model,
            metadata,
            review_result,
            feedback_text,
            score=score,
            alpha=alpha,
            reference_context=reference_context,
            trace_id=trace_id,
            session_id=session_id,
        )

    async def create_trace_and_wait(
        self,
        task: str,
        trajectory: Sequence[Any] | str,
        final_response: str | None = None,
        retrieved_memory_ids: Sequence[str] = (),
        model: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        review_result: str | None = None,
        feedback_text: str | None = None,
        *,
        score: float | None = None,
        alpha: float | None = None,
        reference_context: str | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
        poll_interval: float = DEFAULT_POLL_SECONDS,
        wait_timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Trace:
        """As ``ReflectClient.create_trace_and_wait``."""
        return await run_in_thread(
            self.sync.create_trace_and_wait,
            task,
            trajectory,
            final_response,
            retrieved_memory_ids,
            model,
            metadata,
            review_result,
            feedback_text,
            score=score,
            alpha=alpha,
            reference_context=reference_context,
            trace_id=trace_id,
            session_id=session_id,
            poll_interval=poll_interval,
            wait_timeout=wait_timeout,
        )

    async def wait_for_trace(
        self,
        trace_id: str,
        *,
        require_reviewed: bool = False,
        poll_interval: float = DEFAULT_POLL_SECONDS,
        wait_timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Trace:
        """As ``ReflectClient.wait_for_trace``."""
        return await run_in_thread(
            self.sync.wait_for_trace,
            trace_id,
            require_reviewed=require_reviewed,
            poll_interval=poll_interval,
            wait_timeout=wait_timeout,
        )

    async def get_trace(self, trace_id: str) -> Trace:
        """As ``ReflectClient.get_trace``."""
        return await run_in_thread(self.sync.get_trace, trace_id)

    async def list_traces(
        self, *, review_status: str | None = None, agent: str | None = None, session_id: str | None = None
    ) -> list[Trace]:
        """As ``ReflectClient.list_traces``."""
        return await run_in_thread(
            self.sync.list_traces, review_status=review_status, agent=agent, session_id=session_id
        )

    async def get_session(self, session_id: str) -> Session:
        """As ``ReflectClient.get_session``."""
        return await run_in_thread(self.sync.get_session, session_id)

    async def get_trajectory(self, trace_id: str | None = None, *, session_id: str | None = None) -> Trajectory:
        """As ``ReflectClient.get_trajectory``."""
        return await run_in_thread(self.sync.get_trajectory, trace_id, session_id=session_id)

    async def review_trace(
        self,
        trace_id: str,
        *,
        result: str,
        feedback_text: str | None = None,
        score: float | None = None,
        alpha: float | None = None,
        source: ReviewSource | str = ReviewSource.HUMAN,
        name: str = "review",
        identifier: str = "",
    ) -> Trace:
        """As ``ReflectClient.review_trace``."""
        return await run_in_thread(
            self.sync.review_trace,
            trace_id,
            result=result,
            feedback_text=feedback_text,
            score=score,
            alpha=alpha,
            source=source,
            name=name,
            identifier=identifier,
        )

    async def withdraw_review(
        self,
        trace_id: str,
        *,
        source: ReviewSource | str = ReviewSource.HUMAN,
        name: str = "review",
        identifier: str = "",
    ) -> Trace:
        """As ``ReflectClient.withdraw_review``."""
        return await run_in_thread(
            self.sync.withdraw_review, trace_id, source=source, name=name, identifier=identifier
        )

    async def delete_traces(self, trace_ids: Sequence[str], *, with_memories: bool = False) -> int:
        """As ``ReflectClient.delete_traces``."""
        return await run_in_thread(self.sync.delete_traces, trace_ids, with_memories=with_memories)

    async def get_project_settings(self) -> ProjectSettings:
        """As ``ReflectClient.get_project_settings``."""
        return await run_in_thread(self.sync.get_project_settings)

    async def update_project_settings(
        self, *, reset: Sequence[str] = (), **change: Unpack[SettingsChange]
    ) -> ProjectSettings:
        """As ``ReflectClient.update_project_settings``."""
        return await run_in_thread(self.sync.update_project_settings, reset=reset, **change)

    async def get_lift(
        self,
        *,
        agent: str | None = None,
        memory_id: str | None = None,
        since_ns: int | None = None,
        half_width: float = DEFAULT_HALF_WIDTH,
    ) -> LiftReport:
        """As ``ReflectClient.get_lift``."""
        return await run_in_thread(
            self.sync.get_lift, agent=agent, memory_id=memory_id, since_ns=since_ns, half_width=half_width
        )

    async def iter_memories(self, **only: Unpack[MemoryWish]) -> AsyncIterator[Memory]:
        """As ``ReflectClient.iter_memories``."""
        pages = self.sync.iter_memory_pages(**only)
        while (page := await run_in_thread(next, pages, None)) is not None:
            for memory in page:
                yield memory

    async def iter_traces(
        self, *, review_status: str | None = None, agent: str | None = None, session_id: str | None = None
    ) -> AsyncIterator[Trace]:
        """As ``ReflectClient.iter_traces``."""
        pages = self.sync.iter_trace_pages(review_status=review_status, agent=agent, session_id=session_id)
        while (page := await run_in_thread(next, pages, None)) is not None:
            for trace in page:
                yield trace

    def trace(
        self,
        task: str,
        *,
        limit: int = 10,
        lambda_: float = 0.5,
        blocking: bool = False,
        auto_fail_on_exception: bool = True,
        similarity_threshold: float | None = None,
        metadata_filter: Mapping[str, str] | None = None,
        mmr_lambda: float = 1.0,
        max_injected: int | None = None,
        reference_context: str | None = None,
        alpha: float | None = None,
        agent: str | None = None,
        session_id: str | None = None,
    ) -> TraceScope:
        """``async with client.trace(task) as ctx``: as ``ReflectClient.trace``."""
        return self.sync.trace(
            task,
            limit=limit,
            lambda_=lambda_,
            blocking=blocking,
            auto_fail_on_exception=auto_fail_on_exception,
            similarity_threshold=similarity_threshold,
            metadata_filter=metadata_filter,
            mmr_lambda=mmr_lambda,
            max_injected=max_injected,
            reference_context=reference_context,
            alpha=alpha,
            agent=agent,
            session_id=session_id,
        )

    trace_async = trace
    """The same, under the name that ``ReflectClient`` has for it."""

    async def close(self) -> None:
        """Send what runs under ``trace`` left behind, for two seconds at most, and give the connection up."""
        await run_in_thread(self.sync.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
