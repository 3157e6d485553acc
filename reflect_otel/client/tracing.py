"""The context managers behind ``client.trace`` and ``client.trace_async``: memories in, the run's record out.

Nothing here stands in the agent's way: without an answer in time the task goes on as it is, and the record is sent
later. Only options that no service would accept raise, before the agent begins.
"""

import logging
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Protocol

from opentelemetry import trace

from reflect_otel.capture import memory_spans
from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.client import requests
from reflect_otel.client.call_threads import run_in_thread
from reflect_otel.client.run_record import Ending, read_ending
from reflect_otel.client.served_memories import read_degraded, read_served
from reflect_otel.client.submission import DISK_SECONDS, Submissions
from reflect_otel.client.trace_context import TraceContext
from reflect_otel.client.traced_run import TracedRun, TraceOptions
from reflect_otel.errors import InvalidArgument, ReflectError, TransportError
from reflect_otel.model.memory import AugmentedTask
from reflect_otel.model.trace import Trace
from reflect_otel.ports import Transport
from reflect_otel.wire.v1 import reflect_pb2 as wire

_FLUSH_SECONDS: Final = 5.0

_log: Final = LimitedLog(logging.getLogger(__name__))


class WaitForTrace(Protocol):
    """``ReflectClient.wait_for_trace``, as far as it is needed here."""

    def __call__(self, trace_id: str, *, require_reviewed: bool) -> Trace:
        """The trace once it is stored, and learned from if asked for."""


class RunRecorder:
    """Opens and closes runs over one client's channel.

    Args:
        channel: the way to the service.
        submissions: takes records.
        wait_for_trace: waits for what was recorded.
        timeout_seconds: for each call of a blocking run.
        augment_timeout_seconds: how long a run may delay the agent, by its memories and its record together.
    """

    def __init__(
        self,
        channel: Transport,
        submissions: Submissions,
        wait_for_trace: WaitForTrace,
        timeout_seconds: float,
        augment_timeout_seconds: float,
    ) -> None:
        self._channel = channel
        self._submissions = submissions
        self._wait_for_trace = wait_for_trace
        self._timeout_seconds = timeout_seconds
        self._augment_timeout_seconds = augment_timeout_seconds

    def open(self, task: str, options: TraceOptions) -> TracedRun:
        """Start a run and fetch its memories.

        Raises:
            InvalidArgument: for a task that is no text, or an option out of range.
        """
        request = requests.build_augment(task, options.retrieval, None)
        requests.build_session_id(options.session_id)
        run = TracedRun(task, options)
        began = time.monotonic()
        try:
            run.take_memories(self._augment(run, request))
            run.waited_seconds = min(time.monotonic() - began, self._augment_timeout_seconds)
        except BaseException as error:
            run.abandon(error)
            raise
        return run

    def close(self, run: TracedRun, error: BaseException | None) -> None:
        """End a run and hand its record over. Raises no Exception."""
        ending = read_ending(error)
        try:
            record = run.finish(error)
            with run.inside():
                if ending is Ending.CANCELLED:
                    self._submissions.submit_later(record)
                elif run.service_was_away:
                    self._submissions.submit_later(record, wait_seconds=DISK_SECONDS)
                elif run.options.blocking:
                    self._submit_and_wait(run, record)
                else:
                    self._submissions.submit(record, self._augment_timeout_seconds - run.waited_seconds)
            run.context.mark_submitted()
        except Exception as failure:  # noqa: BLE001 - the agent's work is done, whatever becomes of its record
            _log.warn("close", "A run could not be recorded: %r", failure)

    def close_later(self, run: TracedRun, error: BaseException | None) -> None:
        """As ``close``, without any waiting: for code that must not be suspended. Raises no Exception."""
        try:
            record = run.finish(error)
            with run.inside():
                self._submissions.submit_later(record)
            run.context.mark_submitted()
        except Exception as failure:  # noqa: BLE001 - as above
            _log.warn("close", "A run could not be recorded: %r", failure)

    def _augment(self, run: TracedRun, request: wire.AugmentRequest) -> AugmentedTask:
        request.run_id = run.context.run_id
        with run.inside(), memory_spans.open_client_span(memory_spans.SEARCH_MEMORY) as span:
            memory_spans.describe_search(span, request.task, run.options.retrieval)
            try:
                answer = self._channel.call("Augment", request, self._augment_timeout_seconds)
            except InvalidArgument as error:
                if error.field.startswith("options"):
                    raise
                _log.warn("task", "The task goes on without memories: %s", error)
                return read_degraded(span, run.context.task, error)
            except ReflectError as error:
                run.service_was_away = isinstance(error, TransportError)
                self._submissions.service_is_away = run.service_was_away
                _log.warn(f"augment {type(error).__name__}", "The task goes on without memories: %s", error)
                return read_degraded(span, run.context.task, error)
            self._submissions.note_answered()
            return read_served(span, answer)

    def _submit_and_wait(self, run: TracedRun, record: wire.CreateTraceRequest) -> None:
        if run.is_exported:
            _flush_spans()
        try:
            self._submissions.send(record, self._timeout_seconds)
        except TransportError as error:
            _log.warn("blocking", "A run record will be sent later, and the agent goes on: %s", error)
            self._submissions.submit_later(record, wait_seconds=DISK_SECONDS)
            return
        try:
            self._wait_for_trace(record.trace_id, require_reviewed=record.HasField("review"))
        except ReflectError as error:
            _log.warn("blocking", "A run is stored but not learned from, and the agent goes on: %s", error)


def _flush_spans() -> None:
    """Send the run's spans before its record, so that both are read together."""
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        flush(round(_FLUSH_SECONDS * 1000))


class TraceScope:
    """What ``client.trace`` returns: one run each time it is entered, by ``with`` or by ``async with``."""

    def __init__(self, recorder: RunRecorder, task: str, options: TraceOptions) -> None:
        self._recorder = recorder
        self._task = task
        self._options = options
        self._open: list[tuple[TracedRun, AbstractContextManager[None]]] = []

    def __enter__(self) -> TraceContext:
        return self._enter(self._recorder.open(self._task, self._options))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._recorder.close(self._leave(), error)

    async def __aenter__(self) -> TraceContext:
        return self._enter(await open_async(self._recorder, self._task, self._options))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await close_async(self._recorder, self._leave(), error)

    def _enter(self, run: TracedRun) -> TraceContext:
        inside = run.inside()
        inside.__enter__()
        self._open.append((run, inside))
        return run.context

    def _leave(self) -> TracedRun:
        run, inside = self._open.pop()
        inside.__exit__(None, None, None)
        return run


async def open_async(recorder: RunRecorder, task: str, options: TraceOptions) -> TracedRun:
    """``recorder.open`` without blocking the event loop."""
    return await run_in_thread(recorder.open, task, options)


async def close_async(recorder: RunRecorder, run: TracedRun, error: BaseException | None) -> None:
    """``recorder.close`` without blocking the event loop; a run stopped from outside is not waited for."""
    if read_ending(error) is Ending.CANCELLED:
        recorder.close_later(run, error)
    else:
        await run_in_thread(recorder.close, run, error)
