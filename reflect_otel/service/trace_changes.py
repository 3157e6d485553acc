"""The states of one run, as they come, until there is nothing more to wait for."""

import time
from collections.abc import Callable, Iterator

from reflect_otel.errors import DeadlineExceeded, NotFound
from reflect_otel.model.review import ReviewStatus
from reflect_otel.model.trace import IngestStatus, Trace
from reflect_otel.service.watch import RunWaiter


class TraceChanges:
    """Iterate to get the trace whenever its status changes; the last one is final. ``cancel`` from any thread.

    A run that does not exist yet is waited for.

    Args:
        waiter: subscribed to the run; freed when the iteration ends.
        look_up: the trace as it stands, or ``None`` while it does not exist.
        require_reviewed: wait until a review was learned from, not only until the run was read.
        timeout_seconds: longest wait in all; ``None`` waits until cancelled.
    """

    def __init__(
        self,
        waiter: RunWaiter,
        look_up: Callable[[], Trace | None],
        *,
        require_reviewed: bool,
        timeout_seconds: float | None,
    ) -> None:
        self._waiter = waiter
        self._look_up = look_up
        self._require_reviewed = require_reviewed
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds

    def cancel(self) -> None:
        """End the iteration: nobody is waiting any more."""
        self._waiter.cancel()

    def __iter__(self) -> Iterator[Trace]:
        """Yields at least the final state.

        Raises:
            DeadlineExceeded: time ran out first.
            NotFound: the run was deleted meanwhile.
            Unavailable: the service is stopping.
        """
        last: Trace | None = None
        with self._waiter:
            while not self._waiter.cancelled:
                trace = self._look_up()
                if trace is None and last is not None:
                    raise NotFound("the run was deleted while it was waited for", field="trace_id")
                if trace is not None and (last is None or _status(trace) != _status(last)):
                    last = trace
                    yield trace
                    if self._is_final(trace):
                        return
                self._wait()

    def _is_final(self, trace: Trace) -> bool:
        if trace.ingest_status == IngestStatus.FAILED:
            return True
        reviewed = trace.review_status == ReviewStatus.REVIEWED
        return trace.ingest_status == IngestStatus.COMPLETED and (reviewed or not self._require_reviewed)

    def _wait(self) -> None:
        remaining = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        if not self._waiter.wait(remaining) and not self._waiter.cancelled:
            raise DeadlineExceeded("the run is not done yet; the work goes on, wait for it again")


def _status(trace: Trace) -> tuple[str, str, int, str | None, str | None]:
    return (
        trace.ingest_status,
        trace.review_status,
        trace.ingest_attempts,
        trace.last_ingest_error,
        trace.created_memory_id,
    )
