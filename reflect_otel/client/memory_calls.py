"""The calls about memories, before a run and by hand."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final, Unpack

from opentelemetry import trace

from reflect_otel.attributes import REFLECT_MEMORY_CONTROL
from reflect_otel.capture import memory_spans
from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.capture.run_context import find_run_id
from reflect_otel.client import codec, governance_codec, requests
from reflect_otel.client.governance_codec import MemoryWish
from reflect_otel.client.served_memories import read_degraded, read_served
from reflect_otel.client.service_calls import PAGE_SIZE, ServiceCalls
from reflect_otel.errors import AuthError, TransportError
from reflect_otel.model.memory import AugmentedTask, Memory, MemoryKind
from reflect_otel.wire.v1 import reflect_pb2 as wire

_log: Final = LimitedLog(logging.getLogger(__name__))


class MemoryCalls(ServiceCalls):
    """Augment, query, create, get and list memories."""

    def augment_with_memories(
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
            max_injected: most memories in the task; ``None`` = the project's setting, else the service's (3).
            explain: also tell, as ``explanation``, why each memory near the task is served or left out.

        Raises:
            InvalidArgument: for a wrong argument.
            AuthError: when the service refuses the key.
        """
        options = requests.build_retrieval_options(
            limit, lambda_, similarity_threshold, metadata_filter, mmr_lambda, max_injected
        )
        request = requests.build_augment(task, options, find_run_id(), explain=explain)
        caller = trace.get_current_span()
        with memory_spans.open_client_span(memory_spans.SEARCH_MEMORY) as span:
            memory_spans.describe_search(span, task, options)
            try:
                answer = self._channel.call("Augment", request, self._augment_timeout_seconds)
            except AuthError:
                raise
            except TransportError as error:
                self._submissions.note_unanswered()
                _log.warn(type(error).__name__, "The task goes on without memories: %s", error)
                return read_degraded(span, task, error)
            if answer.control:
                caller.set_attribute(REFLECT_MEMORY_CONTROL, value=True)
            self._submissions.note_answered()
            return read_served(span, answer)

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
        request = requests.build_query(task, options)
        with memory_spans.open_client_span(memory_spans.SEARCH_MEMORY) as span:
            memory_spans.describe_search(span, task, options)
            memories = [codec.read_memory(memory) for memory in self._call("QueryMemories", request).memories]
            memory_spans.describe_found(span, memories, served=False)
            return memories

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
        request = requests.build_create_memory(task, reflection, kind, success, metadata)
        with memory_spans.open_client_span(memory_spans.CREATE_MEMORY) as span:
            memory = codec.read_memory(self._call("CreateMemory", request).memory)
            memory_spans.describe_created(span, memory)
            return memory

    def get_memory(self, memory_id: str) -> Memory:
        """One memory."""
        request = wire.GetMemoryRequest(memory_id=codec.build_text(memory_id, "memory_id"))
        return codec.read_memory(self._call("GetMemory", request).memory)

    def list_memories(self, **only: Unpack[MemoryWish]) -> list[Memory]:
        """Every memory that passes the filter, newest first.

        Args:
            only: ``status`` (active, merged, archived, quarantined), ``kind``, ``agent``, ``source_run_id`` (the run
                it was drawn from), ``author`` (that run's end user), ``alarmed`` (its utility has jumped).
        """
        return list(self.iter_memories(**only))

    def iter_memories(self, **only: Unpack[MemoryWish]) -> Iterator[Memory]:
        """As ``list_memories``, fetched as they are asked for."""
        for page in self.iter_memory_pages(**only):
            yield from page

    def iter_memory_pages(self, **only: Unpack[MemoryWish]) -> Iterator[list[Memory]]:
        """As ``iter_memories``, a page of up to 1000 at a time."""
        for page in self._iter_pages("ListMemories", governance_codec.build_list_memories(only, PAGE_SIZE)):
            yield governance_codec.read_memories(page.memories)
