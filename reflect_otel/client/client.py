"""``ReflectClient``: the Reflect SDK's calls, by their names, parameters and results, over gRPC."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from reflect_otel.capture.connection import (
    DEFAULT_ENDPOINT,
    ENV_API_KEY,
    ENV_ENDPOINT,
    ENV_PROJECT_ID,
    build_headers,
    parse_address,
    read_setting,
)
from reflect_otel.capture.run_context import find_run_id
from reflect_otel.client import codec, requests
from reflect_otel.client.channel import ServiceChannel
from reflect_otel.client.waiting import wait_for_trace
from reflect_otel.errors import AuthError, TransportError
from reflect_otel.model.memory import (
    DEFAULT_PROJECT,
    AugmentedTask,
    Memory,
    MemoryKind,
    Review,
    ReviewResult,
    ReviewSource,
    Trace,
    TraceSubmission,
)
from reflect_otel.wire.v1 import reflect_pb2 as wire

DEFAULT_TIMEOUT_SECONDS: Final = 60.0
DEFAULT_AUGMENT_TIMEOUT_SECONDS: Final = 0.3
DEFAULT_POLL_SECONDS: Final = 0.25
_PAGE_SIZE: Final = 1000

_logger: Final = logging.getLogger(__name__)


class ReflectClient:
    """Memories before a run, traces and reviews after it.

    Clients of one address share one connection a process, also across threads and forks. Nothing is sent before
    the first call. Unless a method says otherwise it raises the typed errors of ``reflect_otel.errors``:
    InvalidArgument, NotFound, AuthError, RateLimited, Unavailable, DeadlineExceeded.

    Args:
        base_url: ``http://HOST:PORT`` or ``https://HOST:PORT``; else REFLECT_ENDPOINT, else http://localhost:4317.
        api_key: else REFLECT_API_KEY; a service bound to this machine needs none.
        project_id: else REFLECT_PROJECT_ID, else ``default``; a key's own project wins.
        timeout: seconds for each call.
        augment_timeout: seconds that ``augment_with_memories`` may delay the agent.

    Raises:
        InvalidArgument: when the address, key or project cannot be used.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        project_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        *,
        augment_timeout: float = DEFAULT_AUGMENT_TIMEOUT_SECONDS,
    ) -> None:
        address = parse_address(read_setting(base_url, ENV_ENDPOINT) or DEFAULT_ENDPOINT)
        headers = build_headers(
            read_setting(api_key, ENV_API_KEY), read_setting(project_id, ENV_PROJECT_ID) or DEFAULT_PROJECT
        )
        self._timeout_seconds = timeout
        self._augment_timeout_seconds = augment_timeout
        self._channel = ServiceChannel(address, headers)

    # --- memories -------------------------------------------------------------------------------------

    def augment_with_memories(
        self,
        task: str,
        *,
        limit: int = 10,
        lambda_: float = 0.5,
        similarity_threshold: float | None = None,
        metadata_filter: Mapping[str, str] | None = None,
        mmr_lambda: float = 1.0,
    ) -> AugmentedTask:
        """The task followed by the most useful memories of earlier runs, and those memories.

        Never stands in the agent's way: when the service is away, slow or failing, the task comes back unchanged
        with ``degraded=True`` after ``augment_timeout`` seconds at most.

        Args:
            task: what the agent is asked.
            limit: most memories, 1 to 100.
            lambda_: 1 = by similarity alone, 0 = by utility alone.
            similarity_threshold: cosine floor in [-1, 1]; ``None`` = the embedder's own.
            metadata_filter: only memories whose metadata holds all these pairs.
            mmr_lambda: 1 = by score alone; below, lessons in words already served count less.

        Raises:
            InvalidArgument: for a wrong argument.
            AuthError: when the service refuses the key.
        """
        options = requests.build_retrieval_options(limit, lambda_, similarity_threshold, metadata_filter, mmr_lambda)
        request = requests.build_augment(task, options, find_run_id())
        try:
            answer = self._channel.call("Augment", request, self._augment_timeout_seconds)
        except AuthError:
            raise
        except TransportError as error:
            _logger.warning("The task goes on without memories: %s", error)
            return AugmentedTask(augmented_task=task, degraded=True)
        return AugmentedTask(
            augmented_task=answer.augmented_task, memories=tuple(map(codec.read_memory, answer.memories))
        )

    def query_memories(
        self,
        task: str,
        *,
        limit: int = 10,
        lambda_: float = 0.5,
        similarity_threshold: float | None = None,
        metadata_filter: Mapping[str, str] | None = None,
        mmr_lambda: float = 1.0,
    ) -> list[Memory]:
        """The memories alone, best first. Arguments as in ``augment_with_memories``."""
        options = requests.build_retrieval_options(limit, lambda_, similarity_threshold, metadata_filter, mmr_lambda)
        answer = self._call("QueryMemories", requests.build_query(task, options))
        return [codec.read_memory(memory) for memory in answer.memories]

    def create_memory(
        self,
        task: str,
        reflection: str,
        *,
        kind: MemoryKind | str | None = None,
        success: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Memory:
        """Store a memory written by hand: the kind of task it helps with, and the lesson."""
        answer = self._call("CreateMemory", requests.build_create_memory(task, reflection, kind, success, metadata))
        return codec.read_memory(answer.memory)

    def get_memory(self, memory_id: str) -> Memory:
        """One memory."""
        return codec.read_memory(self._call("GetMemory", wire.GetMemoryRequest(memory_id=memory_id)).memory)

    def list_memories(self) -> list[Memory]:
        """Every memory of the project, newest first."""
        return list(self.iter_memories())

    def iter_memories(self) -> Iterator[Memory]:
        """Every memory of the project, newest first, fetched as they are asked for."""
        request = wire.ListMemoriesRequest(page_size=_PAGE_SIZE)
        while True:
            page = self._call("ListMemories", request)
            yield from map(codec.read_memory, page.memories)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    # --- traces and reviews ---------------------------------------------------------------------------

    def create_trace(
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
    ) -> TraceSubmission:
        """Store a whole run; with ``review_result``, learning from it follows in the background.

        Args:
            task: what the agent was asked.
            trajectory: role/content messages, OpenAI message objects among them, or their JSON text.
            final_response: the agent's answer; else the last assistant message.
            retrieved_memory_ids: memories used during the run, whose utilities the review moves.
            model: model identifier.
            metadata: arbitrary pairs; values that are no text are stored as JSON.
            review_result: ``pass``, ``fail``, ``success`` or ``failure``; ``None`` defers the review.
            feedback_text: why, in words. Without a result it is kept as metadata ``feedback_text``.
            score: in [0, 1], finer than the result.
            alpha: step size of the utility update in (0, 1].
            reference_context: reference answer or material for judging.
            trace_id: run id, to repeat a call that got no answer; a new UUID when not given.
        """
        review = requests.build_inline_review(review_result, feedback_text, score, alpha)
        if review is None and feedback_text:
            metadata = {**(metadata or {}), "feedback_text": feedback_text}
        request = requests.build_create_trace(
            task=task,
            trajectory=trajectory,
            final_response=final_response,
            retrieved_memory_ids=retrieved_memory_ids,
            model=model,
            metadata=metadata,
            review=review,
            reference_context=reference_context,
            run_id=trace_id,
        )
        answer = self._call("CreateTrace", request)
        return TraceSubmission(id=answer.trace_id, ingest_status=codec.read_ingest_status(answer.ingest_status))

    def create_trace_and_wait(
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
        poll_interval: float = DEFAULT_POLL_SECONDS,
        wait_timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Trace:
        """``create_trace``, then wait until the run is processed and, with a review, learned from.

        Raises:
            IngestFailed: (a RuntimeError) when the run cannot be read or learned from.
            DeadlineExceeded: (a TimeoutError) after ``wait_timeout`` seconds.
        """
        submission = self.create_trace(
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
        )
        return self.wait_for_trace(
            submission.id,
            require_reviewed=review_result is not None,
            poll_interval=poll_interval,
            wait_timeout=wait_timeout,
        )

    def wait_for_trace(
        self,
        trace_id: str,
        *,
        require_reviewed: bool = False,
        poll_interval: float = DEFAULT_POLL_SECONDS,
        wait_timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Trace:
        """Wait until the run is processed; the service tells, nothing is polled.

        Args:
            trace_id: run id or W3C trace id; a run that does not exist yet is waited for.
            require_reviewed: wait until a review was learned from.
            poll_interval: seconds before a broken connection is tried again.
            wait_timeout: seconds to wait in all.

        Raises:
            IngestFailed: (a RuntimeError) when the run cannot be read or learned from.
            DeadlineExceeded: (a TimeoutError) after ``wait_timeout`` seconds.
        """
        request = wire.WaitTraceRequest(trace_id=trace_id, require_reviewed=require_reviewed)
        deadline = time.monotonic() + wait_timeout
        return wait_for_trace(self._channel, request, poll_interval=poll_interval, deadline=deadline)

    def get_trace(self, trace_id: str) -> Trace:
        """One run with its conversation, by run id or W3C trace id."""
        return codec.read_trace(self._call("GetTrace", wire.GetTraceRequest(trace_id=trace_id)).trace)

    def list_traces(
        self, *, review_status: str | None = None, agent: str | None = None, session_id: str | None = None
    ) -> list[Trace]:
        """Every run that matches, newest first, without conversations.

        Args:
            review_status: ``pending``, ``reviewed`` or ``None`` for any.
            agent: only runs of this agent.
            session_id: only runs of this conversation.
        """
        return list(self.iter_traces(review_status=review_status, agent=agent, session_id=session_id))

    def iter_traces(
        self, *, review_status: str | None = None, agent: str | None = None, session_id: str | None = None
    ) -> Iterator[Trace]:
        """As ``list_traces``, fetched as they are asked for."""
        request = requests.build_list_traces(review_status, agent, session_id, _PAGE_SIZE)
        while True:
            page = self._call("ListTraces", request)
            yield from map(codec.read_trace, page.traces)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def review_trace(
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
        """Review a run and learn from it before returning; the same (name, source, identifier) again replaces it.

        Args:
            trace_id: run id or W3C trace id.
            result: ``pass``, ``fail``, ``success`` or ``failure``.
            feedback_text: why, in words; specific feedback makes better memories.
            score: in [0, 1], finer than the result.
            alpha: step size of the utility update in (0, 1].
            source: who judged: ``human``, ``code`` or ``llm``.
            name: name of the evaluation.
            identifier: tells reviewers of one source apart.
        """
        review = Review(
            result=ReviewResult.parse(result),
            score=score,
            feedback=feedback_text,
            source=requests.parse_review_source(source),
            name=name,
            identifier=identifier,
            alpha=alpha,
        )
        return codec.read_trace(self._call("ReviewTrace", requests.build_review_trace(trace_id, review)).trace)

    def delete_traces(self, trace_ids: Sequence[str]) -> int:
        """Delete runs with all that belongs to them; memories drawn from them stay. Returns how many were there."""
        ids = [trace_ids] if isinstance(trace_ids, str) else list(trace_ids)
        pages = (ids[start : start + _PAGE_SIZE] for start in range(0, len(ids), _PAGE_SIZE))
        return sum(
            int(self._call("DeleteTraces", wire.DeleteTracesRequest(trace_ids=page)).deleted_count) for page in pages
        )

    # --- the connection -------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the connection up; harmless when repeated."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, request: Any) -> Any:
        return self._channel.call(method, request, self._timeout_seconds)
