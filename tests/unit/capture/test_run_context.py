"""``run()`` and ``review()``: what they put on which span."""

import threading

import pytest
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import use_span

import reflect_otel
from reflect_otel import InvalidArgument, RunSpanProcessor
from reflect_otel.capture.run_context import find_run_id


@pytest.fixture
def tracer(exporter, build_tracer):
    return build_tracer(RunSpanProcessor(exporter))


def test_every_span_of_a_run_has_its_id_and_the_first_has_task_and_agent(exporter, tracer):
    with reflect_otel.run("run-7", task="Return order A-1", agent="returns"):
        with tracer.start_as_current_span("agent"), tracer.start_as_current_span("chat"):
            pass
        tracer.start_span("second trace").end()
    exporter.wait_for(3)
    chat, agent, second = (dict(span.attributes) for batch in exporter.batches for span in batch)
    assert chat == second == {"reflect.run.id": "run-7"}
    assert agent == {
        "reflect.run.id": "run-7",
        "reflect.task": "Return order A-1",
        "gen_ai.agent.name": "returns",
    }


def test_what_the_span_says_of_itself_is_kept(exporter, tracer):
    with reflect_otel.run(agent="given"):
        tracer.start_span("agent", attributes={"gen_ai.agent.name": "own"}).end()
    exporter.wait_for(1)
    assert exporter.batches[0][0].attributes["gen_ai.agent.name"] == "own"


def test_a_run_inside_a_request_span_starts_at_its_own_first_span(exporter, tracer):
    with tracer.start_as_current_span("POST /ask"), reflect_otel.run(task="t"), tracer.start_as_current_span("agent"):
        assert reflect_otel.review("fail", "wrong order", 0.25)
    exporter.wait_for(2)
    agent, request = exporter.batches[0]
    assert dict(request.attributes) == {}
    assert agent.attributes["reflect.task"] == "t"
    assert {key: value for key, value in agent.attributes.items() if "review" in key} == {
        "reflect.review.result": "fail",
        "reflect.review.feedback": "wrong order",
        "reflect.review.score": 0.25,
    }


def test_a_run_id_is_made_when_none_is_given_and_ends_with_the_block():
    with reflect_otel.run() as first:
        assert find_run_id() == first
        with reflect_otel.run() as second:
            assert find_run_id() == second != first
    assert find_run_id() is None


def test_a_run_goes_on_in_the_service_that_is_called(exporter, tracer):
    carrier: dict = {}
    with reflect_otel.run("run-7"), tracer.start_as_current_span("caller"):
        inject(carrier)
    tracer.start_span("callee", context=extract(carrier)).end()
    exporter.wait_for(2)
    assert all(span.attributes["reflect.run.id"] == "run-7" for batch in exporter.batches for span in batch)


@pytest.mark.parametrize("run_id", [" ", "x" * 201, "a\nb"])
def test_a_run_id_that_cannot_be_stored_is_refused(run_id):
    with pytest.raises(InvalidArgument, match="run_id"), reflect_otel.run(run_id):
        pass


def test_a_review_from_a_child_goes_to_the_first_span_of_the_run(exporter, tracer):
    with reflect_otel.run("run-7"), tracer.start_as_current_span("root"), tracer.start_as_current_span("child"):
        assert reflect_otel.review("success")
    exporter.wait_for(2)
    child, root = exporter.batches[0]
    assert "reflect.review.result" not in child.attributes
    assert root.attributes["reflect.review.result"] == "pass"


def test_a_review_outside_of_a_run_block_goes_to_the_current_span(exporter, tracer):
    with tracer.start_as_current_span("root"):
        assert reflect_otel.review("fail")
    exporter.wait_for(1)
    assert dict(exporter.batches[0][0].attributes) == {"reflect.review.result": "fail"}


def test_a_review_after_the_runs_first_span_goes_to_the_span_that_records(exporter, tracer):
    with reflect_otel.run("run-7"):
        tracer.start_span("first").end()
        with tracer.start_as_current_span("second"):
            assert reflect_otel.review("pass")
    exporter.wait_for(2)
    assert ["reflect.review.result" in span.attributes for batch in exporter.batches for span in batch] == [
        False,
        True,
    ]


def test_a_review_from_another_thread_with_the_runs_context_arrives(exporter, tracer):
    root = tracer.start_span("root")
    answers = []

    def judge():
        with use_span(root):
            answers.append(reflect_otel.review(" PASS "))

    thread = threading.Thread(target=judge)
    thread.start()
    thread.join(5)
    root.end()
    exporter.wait_for(1)
    assert answers == [True]
    assert exporter.batches[0][0].attributes["reflect.review.result"] == "pass"


def test_a_review_without_a_recording_span_says_so_once(tracer, caplog):
    ended = tracer.start_span("root")
    ended.end()
    with use_span(ended):
        assert not reflect_otel.review("pass")
        assert not reflect_otel.review("pass")
    assert caplog.text.count("review_trace") <= 1


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("maybe",), "result"),
        ((None,), "result"),
        (("pass", None, 1.5), "score"),
        (("pass", None, float("nan")), "score"),
        (("pass", None, "high"), "score"),
    ],
)
def test_a_review_that_is_none_is_refused_by_name(tracer, arguments, field):
    with tracer.start_as_current_span("root") as root:
        with pytest.raises(InvalidArgument) as refused:
            reflect_otel.review(*arguments)
        assert refused.value.field == field
        assert not root.attributes
