"""Reviews reach a run through attributes, span events, log events, later spans and links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.model.review import ReviewResult, ReviewSource
from reflect_otel.model.spans import LogRecord, SpanEvent, SpanLink, SpanRecord
from reflect_otel.ports import Settings
from reflect_otel.runs.review_trigger import find_log_review, find_span_reviews, is_review_of_another_run

TRACE = b"\x11" * 16
OTHER = b"\x22" * 16
SETTINGS = Settings()


def span(attributes=None, **fields):
    return SpanRecord(trace_id=TRACE, span_id=b"\x01" * 8, attributes=attributes or {}, end_ns=7, **fields)


def evaluation(**values):
    return {f"gen_ai.evaluation.{key.replace('_', '.', 1)}": value for key, value in values.items()}


def test_attribute_on_any_span_is_a_review_of_its_trace():
    (signal,) = find_span_reviews(
        span({"reflect.review.result": "Success ", "reflect.review.feedback": "neat"}), SETTINGS
    )
    assert (signal.trace_id, signal.run_id) == (TRACE, None)
    assert (signal.review.result, signal.review.feedback, signal.review.source) == (
        ReviewResult.PASS,
        "neat",
        ReviewSource.HUMAN,
    )


def test_run_id_on_the_span_names_the_run():
    (signal,) = find_span_reviews(span({"reflect.review.result": "fail", "reflect.run.id": "r"}), SETTINGS)
    assert signal.run_id == "r"


def test_score_alone_decides_by_the_threshold():
    results = [
        find_span_reviews(span({"reflect.review.score": score}), Settings(pass_score=0.7))[0].review.result
        for score in (0.69, 0.7)
    ]
    assert results == [ReviewResult.FAIL, ReviewResult.PASS]


def test_span_event_is_a_review():
    event = SpanEvent(name="gen_ai.evaluation.result", attributes=evaluation(name="Done", score_label="pass"))
    (signal,) = find_span_reviews(span(events=(event,)), SETTINGS)
    assert (signal.review.name, signal.review.source) == ("Done", ReviewSource.CODE)


def test_later_span_reviews_the_run_it_names():
    later = span({"reflect.review.result": "pass", "reflect.review.run_id": "r"})
    (signal,) = find_span_reviews(later, SETTINGS)
    assert signal.run_id == "r"
    assert is_review_of_another_run(later)


@pytest.mark.parametrize(("run_id", "target"), [("7", "7"), (7, None), ("two\nlines", None), ("x" * 201, None)])
def test_review_goes_to_the_run_that_its_span_is_put_into(run_id, target):
    (signal,) = find_span_reviews(span({"reflect.review.result": "pass", "reflect.run.id": run_id}), SETTINGS)
    assert signal.run_id == target


def test_later_span_reviews_the_run_it_links_to():
    later = span({"reflect.review.result": "pass"}, links=(SpanLink(trace_id=OTHER, span_id=b"\x02" * 8),))
    (signal,) = find_span_reviews(later, SETTINGS)
    assert signal.trace_id == OTHER
    assert is_review_of_another_run(later)


def test_agent_span_with_a_link_reviews_itself():
    values = {"reflect.review.result": "pass", "gen_ai.operation.name": "invoke_agent"}
    linked = span(values, links=(SpanLink(trace_id=OTHER, span_id=b"\x02" * 8),))
    (signal,) = find_span_reviews(linked, SETTINGS)
    assert signal.trace_id == TRACE


def test_log_event_is_matched_by_response_id_when_it_has_no_trace():
    values = {**evaluation(name="HumanReview", score_label="fail", explanation="too slow"), "gen_ai.response.id": "x"}
    signal = find_log_review(LogRecord(event_name="gen_ai.evaluation.result", attributes=values), SETTINGS)
    assert signal is not None
    assert (signal.trace_id, signal.response_id, signal.review.feedback) == (None, "x", "too slow")


@pytest.mark.parametrize(
    "values",
    [
        evaluation(name="Relevance", score_label="relevant", score_value=4.5),
        evaluation(name="Relevance", score_value=0.9),
        {**evaluation(name="Done", score_label="fail"), "error.type": "timeout"},
    ],
    ids=["other label", "score without a list of names", "failed evaluator"],
)
def test_evaluation_that_is_no_verdict_does_not_count(values):
    assert find_log_review(LogRecord(event_name="gen_ai.evaluation.result", attributes=values), SETTINGS) is None


def test_listed_evaluation_counts_by_label_before_score():
    listed = Settings(review_names=frozenset({"done"}))
    both = evaluation(name="Done", score_label="fail", score_value=0.9)
    only_score = evaluation(name="Done", score_value=0.9)
    results = [
        find_log_review(LogRecord(event_name="gen_ai.evaluation.result", attributes=values), listed).review.result
        for values in (both, only_score)
    ]
    assert results == [ReviewResult.FAIL, ReviewResult.PASS]


def test_evaluation_off_the_list_does_not_count():
    listed = Settings(review_names=frozenset({"done"}))
    values = evaluation(name="Polite", score_label="fail")
    assert find_log_review(LogRecord(event_name="gen_ai.evaluation.result", attributes=values), listed) is None


@pytest.mark.parametrize("where", ["span attribute", "span event", "log record", "evaluation"])
def test_a_review_is_taken_back_by_the_carriers_that_give_one(where):
    values = {"reflect.review.result": " Withdrawn", "reflect.review.id": "ada", "reflect.run.id": "r"}
    if where == "evaluation":
        values = {**evaluation(name="Correctness", score_label="withdrawn"), "reflect.run.id": "r"}
    if where == "span attribute":
        (signal,) = find_span_reviews(span(values), SETTINGS)
    elif where == "span event":
        (signal,) = find_span_reviews(span({}, events=[SpanEvent(name="x", attributes=values)]), SETTINGS)
    else:
        log = LogRecord(event_name="gen_ai.evaluation.result", attributes=values)
        signal = find_log_review(log, SETTINGS)
    name, who = ("Correctness", ("code", "")) if where == "evaluation" else ("review", ("human", "ada"))
    assert (signal.withdrawn, signal.run_id, signal.review.key) == (True, "r", (name, *who))


def test_unknown_result_is_no_review():
    assert find_span_reviews(span({"reflect.review.result": "meh"}), SETTINGS) == []


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text()), st.just({})
)
KEYS = st.sampled_from(
    [
        "reflect.review.result",
        "reflect.review.score",
        "reflect.review.source",
        "reflect.review.run_id",
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.score.value",
        "gen_ai.response.id",
    ]
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_values_give_reviews_in_range_or_none(values):
    log = find_log_review(LogRecord(event_name="gen_ai.evaluation.result", attributes=values), SETTINGS)
    for signal in [*find_span_reviews(span(values), SETTINGS), *([log] if log else [])]:
        assert 0 <= signal.review.reward <= 1
