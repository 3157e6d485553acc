"""Waiting for a run over the WaitTrace stream, across restarts of the service."""

import time

from reflect_otel.client.codec import read_trace
from reflect_otel.errors import DeadlineExceeded, IngestFailed, Unavailable
from reflect_otel.model.review import ReviewStatus
from reflect_otel.model.trace import IngestStatus, Trace
from reflect_otel.ports import Transport
from reflect_otel.wire.v1 import reflect_pb2 as wire


def wait_for_trace(
    channel: Transport, request: wire.WaitTraceRequest, *, poll_interval: float, deadline: float
) -> Trace:
    """The run once it is completed (and reviewed, if asked for).

    A stream that breaks after it has said something is opened again every ``poll_interval`` seconds until
    ``deadline`` (``time.monotonic``).

    Raises:
        IngestFailed: when the run has failed.
        DeadlineExceeded: at the deadline; the message tells how far the run had come.
        Unavailable: when no service answers at all.
    """
    last: Trace | None = None
    while True:
        try:
            for answer in channel.stream("WaitTrace", request, deadline - time.monotonic()):
                last = read_trace(answer.trace)
        except DeadlineExceeded as error:
            raise _too_late(request, last) from error
        except Unavailable:
            if last is None:
                raise
        if last is not None and _is_done(last, request):
            return last
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            raise _too_late(request, last)
        time.sleep(min(poll_interval, remaining_seconds))


def _is_done(trace: Trace, request: wire.WaitTraceRequest) -> bool:
    if trace.ingest_status == IngestStatus.FAILED:
        raise IngestFailed(
            f"run {trace.id} could not be read or learned from: {trace.last_ingest_error or 'no reason given'}"
        )
    reviewed = trace.review_status == ReviewStatus.REVIEWED or not request.require_reviewed
    return trace.ingest_status == IngestStatus.COMPLETED and reviewed


def _too_late(request: wire.WaitTraceRequest, last: Trace | None) -> DeadlineExceeded:
    standing = f"it is {last.ingest_status}, review {last.review_status}" if last else "nothing of it has arrived"
    return DeadlineExceeded(
        f"run {request.trace_id} was not ready in time: {standing}; wait longer or see `reflect-otel run`"
    )
