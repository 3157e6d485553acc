"""The calls about traces and reviews, after a run."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.client import codec, requests
from reflect_otel.client.service_calls import DEFAULT_TIMEOUT_SECONDS, PAGE_SIZE, ServiceCalls
from reflect_otel.client.waiting import wait_for_trace
from reflect_otel.errors import DeadlineExceeded, RateLimited, Unavailable
from reflect_otel.model.review import Review, ReviewResult, ReviewSource
from reflect_otel.model.trace import IngestStatus, Trace, TraceSubmission
from reflect_otel.wire.v1 import reflect_pb2 as wire

DEFAULT_POLL_SECONDS: Final = 0.25

_log: Final = LimitedLog(logging.getLogger(__name__))


class TraceCalls(ServiceCalls):
    """Create, wait for, get, list, review and delete traces."""

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
        session_id: str | None = None,
    ) -> TraceSubmission:
        """Store a whole run; with ``review_result``, learning from it follows in the background.

        Never fails because the service is away, slow or overloaded: the run is then on disk, arrives later, and the
        answer says ``degraded=True``. After an unanswered ``augment_with_memories`` it goes there at once, so that an
        agent waits but once for a service that is away.

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
            session_id: conversation that the run is a turn of.

        Raises:
            InvalidArgument: for a wrong argument.
            AuthError: when the service refuses the key.
            Unavailable, DeadlineExceeded, RateLimited: only where there is no disk to keep the run on.
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
            session_id=session_id,
        )
        on_disk = TraceSubmission(id=request.trace_id, ingest_status=IngestStatus.QUEUED.value, degraded=True)
        if self._submissions.submit_unoffered(request):
            return on_disk
        try:
            answer = self._channel.call("CreateTrace", request, self._patience_seconds)
        except (Unavailable, DeadlineExceeded, RateLimited) as error:
            self._submissions.service_is_away = True
            if not self._submissions.keep(request):
                raise
            _log.warn(type(error).__name__, "A run is kept on disk and sent later: %s", error)
            return on_disk
        self._submissions.note_stored()
        return TraceSubmission(id=answer.trace_id, ingest_status=codec.read_ingest_status(answer.ingest_status))

    @property
    def _patience_seconds(self) -> float:
        """How long a run may delay its agent at its end."""
        is_away = self._submissions.service_is_away
        return min(self._timeout_seconds, self._augment_timeout_seconds) if is_away else self._timeout_seconds

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
        session_id: str | None = None,
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
            session_id=session_id,
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
        request = wire.GetTraceRequest(trace_id=codec.build_text(trace_id, "trace_id"))
        return codec.read_trace(self._call("GetTrace", request).trace)

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
        for page in self.iter_trace_pages(review_status=review_status, agent=agent, session_id=session_id):
            yield from page

    def iter_trace_pages(
        self, *, review_status: str | None = None, agent: str | None = None, session_id: str | None = None
    ) -> Iterator[list[Trace]]:
        """As ``iter_traces``, a page of up to 1000 at a time."""
        request = requests.build_list_traces(review_status, agent, session_id, PAGE_SIZE)
        for page in self._iter_pages("ListTraces", request):
            yield [codec.read_trace(trace) for trace in page.traces]

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

    def withdraw_review(
        self,
        trace_id: str,
        *,
        source: ReviewSource | str = ReviewSource.HUMAN,
        name: str = "review",
        identifier: str = "",
    ) -> Trace:
        """Take a review back and unlearn it before returning: all is as if it had never been given.

        Taking it back again changes nothing. Which review is meant is told as in ``review_trace``; NotFound names
        those there are.
        """
        request = requests.build_withdraw_review(trace_id, source, name, identifier)
        return codec.read_trace(self._call("WithdrawReview", request).trace)

    def delete_traces(self, trace_ids: Sequence[str], *, with_memories: bool = False) -> int:
        """Delete runs with all that belongs to them. Returns how many were there.

        Args:
            trace_ids: run ids.
            with_memories: also delete the memories drawn from them; else these stay.
        """
        ids = [trace_ids] if isinstance(trace_ids, str) else list(trace_ids)
        pages = (ids[start : start + PAGE_SIZE] for start in range(0, len(ids), PAGE_SIZE))
        return sum(
            int(self._call("DeleteTraces", requests.build_delete_traces(page, with_memories)).deleted_count)
            for page in pages
        )
