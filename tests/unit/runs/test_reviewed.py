"""A trajectory is rewarded by the reviews in its own telemetry."""

import pytest

from reflect_otel.model.spans import LogRecord, Run, SpanRecord
from reflect_otel.ports import Settings
from reflect_otel.runs.reviewed import read_reviewed_trajectory

TRACE = b"\x11" * 16


def reward(attributes, *logs):
    span = SpanRecord(
        trace_id=TRACE, span_id=b"\x01" * 8, attributes={"gen_ai.operation.name": "invoke_agent", **attributes}
    )
    return read_reviewed_trajectory(Run(run_id="r", spans=[span], logs=logs), Settings()).reward


def verdict(label, source):
    return LogRecord(
        trace_id=TRACE,
        event_name="gen_ai.evaluation.result",
        attributes={
            "gen_ai.evaluation.name": "Done",
            "gen_ai.evaluation.score.label": label,
            "gen_ai.evaluation.explanation": "because",
            "reflect.review.source": source,
        },
    )


def test_run_without_a_review_has_no_reward():
    assert reward({}) is None


def test_review_attribute_is_the_reward():
    assert reward({"reflect.review.result": "pass", "reflect.review.score": 0.8}).aggregated_value == 0.8


def test_automatic_judge_counts_half():
    found = reward({"reflect.review.result": "pass"}, verdict("fail", "llm"))
    assert found.aggregated_value == pytest.approx(2 / 3)
    assert [(part.name, part.scaled_value, part.weight) for part in found.components] == [
        ("review", 1.0, 1.0),
        ("Done", 0.0, 0.5),
    ]
    assert found.components[1].explanation == "because"
