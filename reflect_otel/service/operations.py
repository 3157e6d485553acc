"""The use cases: everything a caller can ask of the service, in plain Python on model types.

gRPC and the web console are skins over this class. Every method takes the project first; a run or memory of another
project does not exist for it.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Final

from reflect_otel.dialects.chat_messages import find_answer
from reflect_otel.errors import (
    ConfigError,
    DeadlineExceeded,
    IngestFailed,
    InvalidArgument,
    NotFound,
    TransportError,
)
from reflect_otel.learning.control_group import is_control
from reflect_otel.learning.governance import Governance
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.learning.retrieval import Retriever, check_options
from reflect_otel.learning.safety import find_dangers
from reflect_otel.model.governance import ANY_MEMORY, MemoryFilter
from reflect_otel.model.memory import AugmentedTask, Memory, MemoryKind, RetrievalOptions
from reflect_otel.model.review import Review, ReviewStatus
from reflect_otel.model.review_keys import ReviewKey
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import IngestStatus, Trace, TraceDraft, TraceSubmission
from reflect_otel.ports import Clock, Intake, RunFilter, Settings, Store
from reflect_otel.service import validation
from reflect_otel.service.governance_operations import GovernanceOperations
from reflect_otel.service.paging import (
    Page,
    build_page,
    count_text_bytes,
    read_page_token,
    require_page_size,
)
from reflect_otel.service.project_operations import ProjectOperations
from reflect_otel.service.run_lookup import RunLookup
from reflect_otel.service.served import build_served
from reflect_otel.service.sessions import SessionOperations
from reflect_otel.service.trace_changes import TraceChanges
from reflect_otel.service.watch import RunWatch

_LONGEST_REASON: Final = 300
_log: Final = logging.getLogger(__name__)

REVIEW_SECONDS: Final = 30.0
"""How long a review waits for its learning when the caller sets no deadline."""

_LONGEST_RUN_SECONDS: Final = 10.0
"""How long a review waits for a run that may be on its way; the client's retries then wait again."""


class Operations:
    """The use cases of one service. Safe to call from any thread.

    Args:
        store: the durable truth.
        retriever: chooses memories, in process.
        loop: learns from reviewed runs.
        intake: the durable front door for runs and served memories.
        watch: told of every change made here, asked by ``watch_trace``.
        settings: limits.
        clock: Unix time in nanoseconds.
        ids: makes a new identifier.
        project_settings: of every project, in process.
        governance: decides which memories may be served.

    Attributes:
        projects: the use cases about a project as a whole.
        governance: the use cases about which memories may be served.
    """

    def __init__(
        self,
        store: Store,
        retriever: Retriever,
        loop: LearningLoop,
        intake: Intake,
        watch: RunWatch,
        settings: Settings,
        clock: Clock,
        ids: Callable[[], str],
        project_settings: ProjectSettingsTable,
        governance: Governance,
    ) -> None:
        self._store = store
        self._retriever = retriever
        self._loop = loop
        self._intake = intake
        self._watch = watch
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._project_settings = project_settings
        self._runs = RunLookup(store, intake, project_settings)
        self.projects = ProjectOperations(store, intake, project_settings, clock, loop)
        self.sessions = SessionOperations(store, self._runs)
        self.governance = GovernanceOperations(governance, project_settings)

    # --- before a run -----------------------------------------------------------------------------------
    def augment(
        self,
        project_id: str,
        task: str,
        options: RetrievalOptions,
        *,
        run_id: str = "",
        trace_id: bytes | None = None,
        is_explained: bool = False,
        timeout_seconds: float | None = None,
        is_awaited: Callable[[], bool] = lambda: True,
    ) -> AugmentedTask:
        """The task with the memories worth injecting; on demand with why it has these. Touches no database.

        An embedder that fails, or takes longer than ``timeout_seconds`` (``None`` = as long as it takes), never fails
        the caller: the task comes back unchanged, ``degraded``.

        What is served is noted for the run that ``run_id`` or the caller's W3C ``trace_id`` (16 bytes) names; without
        either, nobody could be credited and nothing is noted. A run of the control group gets the task unchanged, and
        what it would have been served is noted as withheld. While serving is stopped nothing is served or noted, nor
        is it when ``is_awaited`` says that the caller has gone on without the answer: its run has seen no memory.

        Raises:
            InvalidArgument: the task is blank or too long, or an option is out of range.
        """
        self._require_task(task)
        validation.limit_name(run_id, "run_id")
        validation.require_metadata(options.metadata_filter, "options.metadata_filter")
        project = self._project_settings.find(project_id)
        if not project.serving:
            check_options(options)
            return AugmentedTask(augmented_task=task, serving_stopped_reason=project.serving_stopped_reason)
        if options.max_injected is None and project.max_injected is not None:
            options = replace(options, max_injected=project.max_injected)
        try:
            augmented = self._retriever.augment(
                project_id, task, options, is_explained=is_explained, timeout_seconds=timeout_seconds
            )
        except (TransportError, ConfigError) as error:
            _log.warning("a task of %r goes on without memories: %r", project_id, str(error)[:_LONGEST_REASON])
            return AugmentedTask(augmented_task=task, degraded=True)
        if not augmented.memories:
            return augmented
        if not is_awaited():
            return AugmentedTask(augmented_task=task, degraded=True)
        run_key, share = run_id or (trace_id or b"").hex(), project.control_share
        control = is_control(project_id, run_key, share)
        if run_key:
            served = build_served(
                augmented.memories, run_id, trace_id, self._clock(), withheld=control, control_share=share
            )
            self._intake.submit_served(project_id, served)
        if control:
            return replace(augmented, augmented_task=task, memories=(), control=True)
        if run_key:
            self._retriever.note_served(project_id, augmented.memories, self._clock())
        return augmented

    def query_memories(
        self, project_id: str, task: str, options: RetrievalOptions, *, timeout_seconds: float | None = None
    ) -> list[Memory]:
        """The memories alone, best first; nothing is noted as served.

        Raises:
            InvalidArgument: the task is blank or too long, or an option is out of range.
            TransportError: the task cannot be embedded within ``timeout_seconds``, or not at all.
            ConfigError: the embedder's endpoint refuses the call.
        """
        self._require_task(task)
        validation.require_metadata(options.metadata_filter, "options.metadata_filter")
        return self._retriever.find_memories(project_id, task, options, timeout_seconds=timeout_seconds)

    # --- traces -----------------------------------------------------------------------------------------
    def create_trace(self, project_id: str, draft: TraceDraft) -> TraceSubmission:
        """Store a whole run; durable when it returns, learning from its review follows in the background.

        The same run id again is the same run: what was stored first stays, a review replaces the earlier one of its
        key. An empty ``draft.run_id`` gets a new id, an empty ``final_response`` the last assistant message.

        Raises:
            InvalidArgument: a part of the draft is missing, too long or out of range.
            StoreError: the disk does not take it; nothing was stored then.
        """
        run_id = validation.limit_name(draft.run_id, "trace_id") or self._ids()
        review = draft.review and replace(draft.review, created_ns=self._clock())
        checked = validation.require_draft(draft, self._settings.max_task_bytes)
        answer = checked.final_response or find_answer(checked.messages)
        self._intake.submit_trace(project_id, replace(checked, run_id=run_id, review=review, final_response=answer))
        status = IngestStatus.QUEUED if review else IngestStatus.COMPLETED
        return TraceSubmission(id=run_id, ingest_status=status.value)

    def get_trace(self, project_id: str, trace_id: str) -> Trace:
        """One run with its conversation, by run id or W3C trace id.

        Raises:
            InvalidArgument: ``trace_id`` is no identifier.
            NotFound: no such run in this project.
        """
        return self._runs.view(project_id, self._runs.get_run(project_id, trace_id))

    def list_traces(
        self,
        project_id: str,
        *,
        review_status: ReviewStatus | None = None,
        agent: str | None = None,
        session_id: str | None = None,
        page_size: int = 0,
        page_token: str = "",
    ) -> Page[Trace]:
        """Runs without their conversations, newest first.

        Raises:
            InvalidArgument: the page size is out of range, or the token was made for another filter.
        """
        status = review_status and review_status.value
        only = RunFilter(review_status=status, agent=agent, session_id=session_id)
        page = self._runs.find_page(project_id, only, page_size, page_token)
        return Page(items=self._runs.summarise(project_id, page.items), next_page_token=page.next_page_token)

    def review_trace(
        self, project_id: str, trace_id: str, review: Review, *, timeout_seconds: float | None = None
    ) -> Trace:
        """Review a run and learn from it before returning. A run that is still open is closed first.

        Waits for the learning for ``timeout_seconds`` at most; ``None`` = 30 seconds.

        Raises:
            InvalidArgument: the review is out of range.
            NotFound: no such run in this project.
            Unavailable: the run may be on its way; nothing was stored, to be tried again.
            DeadlineExceeded: the review is stored, its learning goes on.
            IngestFailed: the review is stored, but the run could not be read or learned from.
        """
        validation.require_review(review)
        end = time.monotonic() + (REVIEW_SECONDS if timeout_seconds is None else timeout_seconds)
        record = self._runs.get_run(project_id, trace_id, _run_seconds(end)).record
        if record.state is not RunState.CLOSED:
            self._intake.close_run(project_id, record.run_id)
        self._store.write_review(project_id, record.run_id, replace(review, created_ns=self._clock()))
        self._watch.publish(project_id, record.run_id, record.trace_ids)
        return self._learn(project_id, record.run_id, max(0.0, end - time.monotonic()))

    def withdraw_review(
        self, project_id: str, trace_id: str, key: ReviewKey, *, timeout_seconds: float | None = None
    ) -> Trace:
        """Take the review of this key (name, source, identifier) back and unlearn it before returning.

        Utilities, ledger and memories are then as if it had never been given. Taking it back again changes nothing.

        Raises:
            InvalidArgument: a part of the key is no name.
            NotFound: no such run in this project, or it has never had a review of this key.
            Unavailable: the run or the review may be on its way; nothing was changed, to be tried again.
            DeadlineExceeded: the review is withdrawn, unlearning it goes on.
            IngestFailed: the review is withdrawn, but the run could not be learned from anew.
        """
        name, _, identifier = key
        validation.require_id(name, "name")
        validation.limit_name(identifier, "identifier")
        end = time.monotonic() + (REVIEW_SECONDS if timeout_seconds is None else timeout_seconds)
        record = self._runs.get_run(project_id, trace_id, _run_seconds(end)).record
        try:
            self._store.write_withdrawal(project_id, record.run_id, key)
        except NotFound:
            self._runs.require_settled(_run_seconds(end))  # the review may have been accepted with telemetry
            self._store.write_withdrawal(project_id, record.run_id, key)
        self._watch.publish(project_id, record.run_id, record.trace_ids)
        if record.state is not RunState.CLOSED:
            return self._runs.view(project_id, self._runs.get_run(project_id, record.run_id))  # not learned from yet
        return self._learn(project_id, record.run_id, max(0.0, end - time.monotonic()))

    def watch_trace(
        self,
        project_id: str,
        trace_id: str,
        *,
        require_reviewed: bool = False,
        timeout_seconds: float | None = None,
    ) -> TraceChanges:
        """The trace each time its status changes, until it is done; a run that does not exist yet is waited for.

        Raises:
            InvalidArgument: ``trace_id`` is no identifier.
            RateLimited: too many callers are waiting already.
            Unavailable: the service is stopping.
        """
        validation.require_id(trace_id, "trace_id")
        waiter = self._watch.subscribe(project_id, trace_id)

        def look_up() -> Trace | None:
            detail = self._store.find_run(project_id, trace_id)
            if detail is None:
                return None
            waiter.listen(project_id, detail.record.run_id)
            return self._runs.view(project_id, detail)

        return TraceChanges(waiter, look_up, require_reviewed=require_reviewed, timeout_seconds=timeout_seconds)

    def delete_traces(self, project_id: str, trace_ids: Sequence[str], *, with_memories: bool = False) -> int:
        """Delete runs with their spans, messages and reviews; memories drawn from them stay unless asked for.

        Args:
            project_id: whose runs they are.
            trace_ids: run ids; unknown ones are ignored.
            with_memories: also delete the memories drawn from these runs.

        Returns:
            How many of them existed.

        Raises:
            InvalidArgument: more than 1000 ids, or one is no identifier.
            Unavailable: what belongs to them may be on its way; nothing was deleted, to be tried again.
        """
        run_ids = validation.require_ids(trace_ids, "trace_ids", validation.MAX_DELETED_IDS)
        self._runs.require_settled()
        self._intake.forget_runs(project_id, run_ids)
        deleted = self._store.delete_runs(project_id, run_ids)
        if with_memories:
            self.governance.delete_memories_of(project_id, run_ids)
        for run_id in run_ids:
            self._watch.publish(project_id, run_id)
        return deleted

    # --- memories ---------------------------------------------------------------------------------------
    def create_memory(
        self,
        project_id: str,
        *,
        task: str,
        reflection: str,
        kind: MemoryKind | None = None,
        success: bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Memory:
        """Store a memory written by hand; it can be served as soon as this returns.

        Without a ``kind`` it is a pitfall when ``success`` is False, else a strategy.

        Raises:
            InvalidArgument: task or reflection is blank or too long, the reflection does not pass the safety scan,
                or the metadata is too large.
        """
        self._require_task(task)
        memory = Memory(
            id=self._ids(),
            task=task,
            reflection=self._require_lesson(reflection),
            kind=kind or (MemoryKind.PITFALL if success is False else MemoryKind.STRATEGY),
            success=success,
            created_ns=self._clock(),
            metadata=dict(validation.require_metadata(metadata or {}, "metadata")),
        )
        self._loop.write_memory(project_id, memory)
        return memory

    def get_memory(self, project_id: str, memory_id: str) -> Memory:
        """One memory, whatever its status.

        Raises:
            InvalidArgument: ``memory_id`` is no identifier.
            NotFound: no such memory in this project.
        """
        memory = self._store.find_memory(project_id, validation.require_id(memory_id, "memory_id"))
        if memory is None:
            raise NotFound(
                f"no memory {memory_id!r} in this project; ListMemories names those there are",
                field="memory_id",
                resource_type="memory",
                resource_name=memory_id,
            )
        return memory

    def list_memories(
        self, project_id: str, *, only: MemoryFilter = ANY_MEMORY, page_size: int = 0, page_token: str = ""
    ) -> Page[Memory]:
        """Memories that pass the filter, newest first.

        Raises:
            InvalidArgument: the page size is out of range, or the token was made for another list.
        """
        size = require_page_size(page_size)
        scope = ("memories", project_id, *(str(getattr(only, item.name)) for item in fields(only)))
        before = read_page_token(scope, page_token)
        found = self._store.find_memories(project_id, only=only, before=before, limit=size + 1)
        return build_page(found, size, scope, lambda memory: (memory.created_ns, memory.id), _memory_bytes)

    def _require_lesson(self, reflection: str) -> str:
        validation.require_text(reflection, "reflection", validation.MAX_REFLECTION_BYTES)
        dangers = find_dangers(reflection, self._settings.allowed_hosts)
        if dangers:
            raise InvalidArgument(
                f"reflection holds what no lesson may hold ({', '.join(dangers)}); say it in plain words, or start "
                "the service with --allow-host for an address that agents may be given",
                field="reflection",
            )
        return reflection

    def _require_task(self, task: str) -> None:
        validation.require_text(task, "task", self._settings.max_task_bytes)

    def _learn(self, project_id: str, run_id: str, timeout_seconds: float) -> Trace:
        is_learned = self._loop.learn(project_id, run_id, timeout_seconds)
        detail = self._runs.get_run(project_id, run_id)
        trace = self._runs.view(project_id, detail)
        self._watch.publish(project_id, run_id, trace.trace_ids)
        if is_learned or detail.learned:  # a review that came since is its own caller's
            return trace
        if trace.ingest_status == IngestStatus.FAILED:
            raise IngestFailed(
                f"the review of run {run_id!r} is stored, but learning from it failed: {trace.last_ingest_error}"
            )
        raise DeadlineExceeded(
            f"the review of run {run_id!r} is stored and its learning goes on; use WaitTrace with require_reviewed"
            + (f" (last try: {trace.last_ingest_error})" if trace.last_ingest_error else "")
        )


def _run_seconds(end: float) -> float:
    """How long to wait for a run: half of the time until ``end`` (monotonic), the rest is for learning from it."""
    return min(_LONGEST_RUN_SECONDS, max(0.0, end - time.monotonic()) / 2)


def _memory_bytes(memory: Memory) -> int:
    return count_text_bytes(memory.task, memory.reflection, *memory.metadata.values())
