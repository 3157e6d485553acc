"""Which telemetry is a review of a run.

Four carriers, one normaliser:

1. ``reflect.review.*`` attributes on any span of the run;
2. a span event with ``reflect.review.*`` attributes, or named ``gen_ai.evaluation.result``;
3. a log record of that name;
4. a later span that names the run (``reflect.review.run_id``) or links to it.

``gen_ai.evaluation.*`` follows the OpenTelemetry GenAI conventions. An evaluation counts when its name is on the
project's list, or, without a list, when its label says pass or fail. The label beats the score; a failed evaluator
(``error.type``) never counts as a failed run. Values that cannot be read are skipped, never raised.

A review is taken back by the same carriers: ``reflect.review.result`` or an evaluation's label ``withdrawn``, with
the name, source and id of the review that is meant.
"""

import math
from collections.abc import Iterator

from reflect_otel import attributes as keys
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.review import Review, ReviewResult, ReviewSignal, ReviewSource
from reflect_otel.model.run_ids import read_run_id
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord
from reflect_otel.ports import Settings

MAX_FEEDBACK_CHARACTERS = 64 * 1024

WITHDRAWN = "withdrawn"
"""In place of a verdict: the review of this name, source and id is taken back."""

_PASS_LABELS = frozenset({"pass", "passed", "success", "succeeded", "correct"})
_FAIL_LABELS = frozenset({"fail", "failed", "failure", "incorrect"})


def find_span_reviews(span: SpanRecord, settings: Settings) -> list[ReviewSignal]:
    """Every review that a span, or one of its events, carries."""
    return list(_span_reviews(span, settings))


def find_log_review(log: LogRecord, settings: Settings) -> ReviewSignal | None:
    """The review a log record carries, if any."""
    review = _read_review(log.event_name, log.attributes, log.time_ns, settings)
    if review is None:
        return None
    return _signal(review, log.attributes, log.trace_id)


def is_review_of_another_run(span: SpanRecord) -> bool:
    """True for a span that only brings a late verdict: it belongs to no run of its own."""
    values = span.attributes
    if keys.REFLECT_REVIEW_RUN_ID in values:
        return True
    return bool(span.links) and keys.REFLECT_REVIEW_RESULT in values and keys.GEN_AI_OPERATION_NAME not in values


def is_withdrawal(values: Attributes) -> bool:
    """True when the attributes of a review take it back."""
    words = (values.get(keys.REFLECT_REVIEW_RESULT), values.get(keys.GEN_AI_EVALUATION_SCORE_LABEL))
    return any(isinstance(word, str) and word.strip().lower() == WITHDRAWN for word in words)


def _span_reviews(span: SpanRecord, settings: Settings) -> Iterator[ReviewSignal]:
    review = _read_review("", span.attributes, span.end_ns, settings)
    if review is not None:
        linked = span.links[0].trace_id if is_review_of_another_run(span) and span.links else span.trace_id
        yield _signal(review, span.attributes, linked)
    for event in span.events:
        review = _read_review(event.name, event.attributes, event.time_ns, settings)
        if review is not None:
            yield _signal(review, {**_run_key(span), **event.attributes}, span.trace_id)


def _run_key(span: SpanRecord) -> Attributes:
    run_id = read_run_id(span.attributes)
    return {keys.REFLECT_RUN_ID: run_id} if run_id else {}


def _signal(review: Review, values: Attributes, trace_id: bytes | None) -> ReviewSignal:
    run_id = read_run_id(values, keys.REFLECT_REVIEW_RUN_ID) or read_run_id(values)
    response_id = values.get(keys.GEN_AI_RESPONSE_ID)
    is_evaluation = keys.GEN_AI_EVALUATION_NAME in values
    return ReviewSignal(
        review=review,
        run_id=run_id,
        trace_id=trace_id,
        response_id=str(response_id) if response_id and is_evaluation else None,
        withdrawn=is_withdrawal(values),
    )


def _read_review(event_name: str, values: Attributes, time_ns: int, settings: Settings) -> Review | None:
    if keys.REFLECT_REVIEW_RESULT in values or keys.REFLECT_REVIEW_SCORE in values:
        return _read_reflect_review(values, time_ns, settings)
    if event_name == keys.GEN_AI_EVALUATION_RESULT_EVENT or (
        not event_name and keys.GEN_AI_EVALUATION_NAME in values
    ):
        return _read_evaluation(values, time_ns, settings)
    return None


def _read_reflect_review(values: Attributes, time_ns: int, settings: Settings) -> Review | None:
    score = _read_score(values.get(keys.REFLECT_REVIEW_SCORE))
    stated = values.get(keys.REFLECT_REVIEW_RESULT)
    if is_withdrawal(values):
        result = ReviewResult.FAIL
    elif stated is not None:
        try:
            result = ReviewResult.parse(str(stated))
        except InvalidArgument:
            return None
    elif score is not None:
        result = _result_of_score(score, settings)
    else:
        return None
    return Review(
        result=result,
        score=score,
        feedback=_read_text(values.get(keys.REFLECT_REVIEW_FEEDBACK)),
        source=_read_source(values.get(keys.REFLECT_REVIEW_SOURCE), ReviewSource.HUMAN),
        name=_read_text(values.get(keys.REFLECT_REVIEW_NAME)) or "review",
        identifier=_read_text(values.get(keys.REFLECT_REVIEW_ID)) or "",
        alpha=_read_score(values.get(keys.REFLECT_REVIEW_ALPHA)) or None,
        created_ns=time_ns,
    )


def _read_evaluation(values: Attributes, time_ns: int, settings: Settings) -> Review | None:
    name = _read_text(values.get(keys.GEN_AI_EVALUATION_NAME)) or ""
    if values.get(keys.ERROR_TYPE) or (settings.review_names and name.lower() not in settings.review_names):
        return None
    score = _read_score(values.get(keys.GEN_AI_EVALUATION_SCORE_VALUE))
    result = _result_of_label(values.get(keys.GEN_AI_EVALUATION_SCORE_LABEL))
    if result is None and is_withdrawal(values):
        result = ReviewResult.FAIL
    if result is None:
        if score is None or not settings.review_names:
            return None
        result = _result_of_score(score, settings)
    return Review(
        result=result,
        score=score,
        feedback=_read_text(values.get(keys.GEN_AI_EVALUATION_EXPLANATION)),
        source=_read_source(values.get(keys.REFLECT_REVIEW_SOURCE), ReviewSource.CODE),
        name=name or "evaluation",
        identifier=_read_text(values.get(keys.REFLECT_REVIEW_ID) or values.get(keys.GEN_AI_RESPONSE_ID)) or "",
        created_ns=time_ns,
    )


def _result_of_label(label: object) -> ReviewResult | None:
    folded = label.strip().lower() if isinstance(label, str) else ""
    if folded in _PASS_LABELS:
        return ReviewResult.PASS
    return ReviewResult.FAIL if folded in _FAIL_LABELS else None


def _result_of_score(score: float, settings: Settings) -> ReviewResult:
    return ReviewResult.PASS if score >= settings.pass_score else ReviewResult.FAIL


def _read_score(value: object) -> float | None:
    """A score on our scale; other scales (1 to 5, percent) say nothing without their range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= 1 else None


def _read_source(value: object, default: ReviewSource) -> ReviewSource:
    folded = value.strip().lower() if isinstance(value, str) else ""
    return ReviewSource(folded) if folded in set(ReviewSource) else default


def _read_text(value: object) -> str | None:
    return value[:MAX_FEEDBACK_CHARACTERS] if isinstance(value, str) and value else None
