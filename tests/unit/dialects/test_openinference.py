"""OpenInference: every kind of span, and the raw values behind flattened messages."""

import json
from typing import Any

import pytest

from reflect_otel.dialects.openinference import OpenInferenceReader
from reflect_otel.model.reading import Work
from reflect_otel.model.trajectory import Trajectory, TrajectoryMetrics

from .spans import read, said, span

KIND = "openinference.span.kind"
DOCUMENTS = {"document.content": "Refunds end at 25 €.", "document.score": 0.9}
VALUES = {"input.value": "refund limit", "output.value": json.dumps({"messages": [{"role": "user", "content": "x"}]})}


def counts(trajectory: Trajectory) -> TrajectoryMetrics:
    assert trajectory.metrics is not None
    return trajectory.metrics


@pytest.mark.parametrize(
    ("kind", "work"),
    [
        ("LLM", Work.MODEL_CALL),
        ("TOOL", Work.TOOL_RUN),
        ("AGENT", Work.AGENT_RUN),
        ("CHAIN", Work.WRAPPER),
        ("EMBEDDING", Work.EMBEDDING),
        ("RETRIEVER", Work.RETRIEVAL),
        ("RERANKER", Work.RETRIEVAL),
        ("EVALUATOR", Work.OTHER),
        ("GUARDRAIL", Work.OTHER),
        ("PROMPT", Work.OTHER),
        ("llm", Work.MODEL_CALL),
        ("UNKNOWN", Work.OTHER),
        ("", Work.OTHER),
        (["LLM"], Work.OTHER),
    ],
)
def test_the_span_kind_tells_the_work(kind: Any, work: Work) -> None:
    found = span(1, {KIND: kind})
    assert OpenInferenceReader().claims(found, ())
    assert OpenInferenceReader().read(found, ()).work is work


@pytest.mark.parametrize("kind", ["EMBEDDING", "RETRIEVER", "RERANKER", "EVALUATOR", "GUARDRAIL", "PROMPT"])
def test_spans_that_are_no_conversation_add_nothing_to_it(kind: str) -> None:
    beside = {
        KIND: kind,
        **VALUES,
        **{f"retrieval.documents.0.{key}": value for key, value in DOCUMENTS.items()},
        **{f"reranker.output_documents.0.{key}": value for key, value in DOCUMENTS.items()},
        "embedding.embeddings.0.embedding.text": "refund limit",
        "embedding.embeddings.0.embedding.vector": [0.1, 0.2],
        "llm.prompt_template.template": "Answer {question}",
        "llm.token_count.prompt": 99,
    }
    call = {KIND: "LLM", "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "one"}
    trajectory = read(span(1, {KIND: "AGENT"}, end_ns=10**12), span(2, beside, parent=1), span(3, call, parent=1))
    assert said(trajectory) == [("user", "one")]
    assert (counts(trajectory).llm_calls, counts(trajectory).input_tokens) == (1, 0)


def test_the_model_call_of_an_evaluator_counts_as_one() -> None:
    judge = {KIND: "LLM", "llm.model_name": "judge", "llm.token_count.prompt": 10}
    counted = counts(read(span(1, {KIND: "EVALUATOR"}, end_ns=10**12), span(2, judge, parent=1)))
    assert (counted.llm_calls, counted.input_tokens) == (1, 10)


def test_an_agents_answer_may_be_a_models_response() -> None:
    event = {"content": {"role": "model", "parts": [{"text": "In Köln."}]}, "model_version": "gemini-2.5-flash"}
    trajectory = read(
        span(1, {KIND: "AGENT", "output.value": json.dumps(event), "output.mime_type": "application/json"})
    )
    assert trajectory.final_response == "In Köln."


def test_an_agents_state_that_is_no_conversation_is_no_answer() -> None:
    trajectory = read(
        span(1, {KIND: "AGENT", "output.value": '{"score": 1}', "output.mime_type": "application/json"})
    )
    assert (trajectory.messages, trajectory.final_response) == ((), None)
