"""``reflect_otel.review()``: the verdict on the current run, as span attributes."""

import logging
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span

from reflect_otel.attributes import (
    CLIENT_SCOPE,
    REFLECT_REVIEW_FEEDBACK,
    REFLECT_REVIEW_RESULT,
    REFLECT_REVIEW_RUN_ID,
    REFLECT_REVIEW_SCORE,
)
from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.capture.run_context import find_run_id, find_scope
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.review import ReviewResult
from reflect_otel.release import VERSION

_log: Final = LimitedLog(logging.getLogger(__name__))


def review(result: str, feedback: str | None = None, score: float | None = None) -> bool:
    """Review the current run.

    The verdict goes onto the first span of the ``run()`` block while that records, else onto the current span; in a
    ``run()`` block whose spans have all ended, onto a short span of its own that names the run. Inside
    ``client.trace`` and ``@reflect_trace`` it goes with the run's record, as ``set_output(result=...)`` does.

    Args:
        result: ``pass`` or ``fail``, or their aliases ``success`` and ``failure``.
        feedback: why, in words; specific feedback makes better memories.
        score: in [0, 1], finer than the result.

    Returns:
        True when recorded; False when nothing is recording here, which is also logged once a minute.

    Raises:
        InvalidArgument: for another result, or a score outside [0, 1].
    """
    verdict = ReviewResult.parse(result)
    if score is not None and not (isinstance(score, (int, float)) and 0 <= score <= 1):
        raise InvalidArgument(f"score must be a number in [0, 1], not {str(score)[:60]!r}", field="score")
    given = {
        REFLECT_REVIEW_RESULT: verdict.value,
        REFLECT_REVIEW_FEEDBACK: feedback or None,
        REFLECT_REVIEW_SCORE: None if score is None else float(score),
    }
    attributes = {key: value for key, value in given.items() if value is not None}
    scope = find_scope()
    if scope is not None and scope.take_review is not None:
        scope.take_review(verdict, feedback or None, score)
        return True
    span = _find_span()
    if span is not None:
        span.set_attributes(attributes)
        return True
    if _write_later_span(attributes):
        return True
    _log.warn(
        "no span",
        "The review was not recorded: no span is recording here. Call review() inside the run's span or a "
        "reflect_otel.run() block, or ReflectClient.review_trace() with the run id afterwards.",
    )
    return False


def _find_span() -> Span | None:
    scope = find_scope()
    candidates = (scope.root if scope is not None else None, trace.get_current_span())
    return next((span for span in candidates if span is not None and span.is_recording()), None)


def _write_later_span(attributes: dict[str, str | float]) -> bool:
    run_id = find_run_id()
    if run_id is None:
        return False
    span = trace.get_tracer(CLIENT_SCOPE, VERSION).start_span("review", attributes={REFLECT_REVIEW_RUN_ID: run_id})
    recording = span.is_recording()
    span.set_attributes(attributes)
    span.end()
    return recording
