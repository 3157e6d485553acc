"""``client.trace`` and ``client.trace_async``: a run is opened, recorded and submitted around a block of code."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reflect_otel.client import requests
from reflect_otel.client.trace_calls import TraceCalls
from reflect_otel.client.traced_run import TraceOptions
from reflect_otel.client.tracing import RunRecorder, TraceScope
from reflect_otel.ports import Transport

if TYPE_CHECKING:
    from reflect_otel.capture.outbox import Outbox


class PatternCalls(TraceCalls):
    """Runs around blocks of code.

    Attributes:
        recorder: opens and closes the runs of every pattern of this client.
    """

    def __init__(
        self,
        channel: Transport,
        timeout_seconds: float,
        augment_timeout_seconds: float,
        outbox: "Outbox | None" = None,
    ) -> None:
        super().__init__(channel, timeout_seconds, augment_timeout_seconds, outbox)
        self.recorder = RunRecorder(
            channel, self._submissions, self.wait_for_trace, timeout_seconds, augment_timeout_seconds
        )

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
        """``with client.trace(task) as ctx``, or ``async with``: memories on entry, the run recorded on exit.

        The block is one run, whether ``ctx.set_output`` was called or not, and however it ends. Every span started
        inside belongs to it. Nothing but wrong options raises; see docs/patterns.md for what becomes of a run when
        the service is away, and of exceptions and cancellations.

        Args:
            task: what the agent is asked.
            limit: most memories, 1 to 100.
            lambda_: 1 = by similarity alone, 0 = by utility alone.
            blocking: leave the block only when the run is stored, and learned from if it was reviewed.
            auto_fail_on_exception: an exception reviews the run as failed.
            similarity_threshold: cosine floor in [-1, 1]; ``None`` = the embedder's own.
            metadata_filter: only memories whose metadata holds all these pairs.
            mmr_lambda: 1 = by score alone; below, lessons in words already served count less.
            max_injected: most memories in the task; ``None`` = the project's setting, else the service's (3).
            reference_context: reference answer or material for judging.
            alpha: step size of the utility update in (0, 1].
            agent: name of the agent.
            session_id: conversation that the run is a turn of, at most 200 characters.

        Raises:
            InvalidArgument: on entry, for a task that is no text, or an option out of range.
        """
        retrieval = requests.build_retrieval_options(
            limit, lambda_, similarity_threshold, metadata_filter, mmr_lambda, max_injected
        )
        options = TraceOptions(
            retrieval=retrieval,
            blocking=blocking,
            auto_fail_on_exception=auto_fail_on_exception,
            agent=agent,
            session_id=session_id,
            reference_context=reference_context,
            alpha=alpha,
        )
        return TraceScope(self.recorder, task, options)

    trace_async = trace
    """``async with client.trace_async(task) as ctx``: the same, and the event loop goes on meanwhile."""
