"""What the service says about itself, through a real SDK: complete, as documented, and without content."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from collector_plugin.observation.loop_telemetry import LoopTelemetry
from collector_plugin.observation.observed import observe_store
from reflect_otel import __version__
from reflect_otel.capture import memory_spans
from reflect_otel.errors import StoreError
from reflect_otel.model.lift import Lift, LiftScope
from reflect_otel.model.memory import AugmentedTask, Memory, MemoryKind, RetrievalOptions, UtilityEvent
from reflect_otel.model.model_call import UNDER_WAY, CallPurpose, ModelCall
from reflect_otel.model.review import Review, ReviewResult, ReviewSignal
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import LearningOutcome, TelemetryBatch
from reflect_otel.testing.conformance.store_case import claim
from reflect_otel.testing.fakes import InMemoryStore

DOCUMENT = Path(__file__).parents[3] / "docs" / "telemetry.md"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PRIVATE = "the customer's own words"
MEMORY = Memory(id="m1", task=PRIVATE, reflection=PRIVATE, kind=MemoryKind.PITFALL, utility=0.75, score=0.5)
REVIEW = Review(result=ReviewResult.FAIL, feedback=PRIVATE, score=0.25)
LIFT = Lift(scope=LiftScope.PROJECT, difference=0.25, low=0.1, high=0.4)


class Observed:
    """Telemetry over an SDK that keeps everything."""

    def __init__(self):
        self.spans, self.events, self.reader = (
            InMemorySpanExporter(),
            InMemoryLogRecordExporter(),
            InMemoryMetricReader(),
        )
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        loggers = LoggerProvider()
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.events))
        self.telemetry = LoopTelemetry(self.tracer_provider, MeterProvider([self.reader]), loggers)
        self.store = InMemoryStore()

    @property
    def metrics(self):
        data = self.reader.get_metrics_data()
        scopes = [scoped for resource in data.resource_metrics for scoped in resource.scope_metrics] if data else []
        assert {scoped.scope.name for scoped in scopes} <= {"reflect_otel.service"}
        return {metric.name: metric for scoped in scopes for metric in scoped.metrics}

    def points(self, name):
        """{attributes: value} of a counter or gauge."""
        return {frozenset(point.attributes.items()): point.value for point in self.metrics[name].data.data_points}

    @property
    def logged(self):
        return [data.log_record for data in self.events.get_finished_logs()]


@pytest.fixture
def observed():
    return Observed()


def live(observed):
    """Everything that can happen, once."""
    telemetry = observed.telemetry
    store = observe_store(observed.store, telemetry)
    telemetry.observe("engine", lambda: 3, lambda: {"shop": LIFT, "new": replace(LIFT, difference=None)})
    telemetry.note_spans(accepted=10, rejected=2)
    telemetry.note_augmentation("shop", AugmentedTask(augmented_task=PRIVATE, memories=(MEMORY,)), 0.002)
    closed = RunRecord(project_id="shop", run_id="run-1", state=RunState.CLOSED, closed_by=ClosedBy.ROOT_ENDED)
    store.write_runs([(closed, Trajectory(run_id="run-1"))])
    assert store.write_review("shop", "run-1", REVIEW)
    assert not store.write_review("shop", "run-1", REVIEW)
    signal = ReviewSignal(review=REVIEW, trace_id=b"\x01" * 16)
    store.write_telemetry(TelemetryBatch(journal_offset=1, received_ns=1, reviews=[("shop", signal)]))
    store.write_job_failure(claim(store), f"TimeoutError: {PRIVATE}", park=False)
    used = UtilityEvent(memory_id="m0", run_id="run-1", reward=0.25)
    assert store.write_learning(LearningOutcome(job=claim(store), memory=MEMORY, events=[used]))
    for error in (UNDER_WAY, "", "Unavailable: refused"):
        call = ModelCall(
            call_id="c1",
            run_id="run-1",
            purpose=CallPurpose.REFLECTION,
            model="m-1",
            input_tokens=100,
            output_tokens=20,
            cost_usd=0.5,
            error=error,
        )
        store.write_model_call("shop", call)


def describe_spans(observed):
    """The memory spans that stand around the calls."""
    tracer = observed.tracer_provider.get_tracer("test")
    with tracer.start_as_current_span("search") as span:
        span.set_attributes({**memory_spans.build_operation("search_memory"), "gen_ai.memory.store.id": "shop"})
        memory_spans.describe_search(span, PRIVATE, RetrievalOptions())
        memory_spans.describe_found(span, [MEMORY], served=True)
        memory_spans.describe_choice(span, "blend-2", "hashing@1", control=True)
        memory_spans.mark_failed(span, TimeoutError(PRIVATE))
        span.set_attribute("reflect.degraded", True)


def read_table(heading):
    """The cells of the table whose first heading is this one."""
    lines = DOCUMENT.read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def codes(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_document_lists_every_metric_with_unit_and_attributes(observed):
    live(observed)
    found = {
        name: (metric.unit, {key for point in metric.data.data_points for key in point.attributes})
        for name, metric in observed.metrics.items()
    }
    documented = {}
    for row in read_table("metric"):
        (name,), (unit,) = codes(row[0]), codes(row[2])
        common = set() if name.startswith(("reflect.spans", "reflect.journal")) else {"reflect.project.id"}
        documented[name] = (unit, codes(row[3]) | common)
    assert found == documented


def test_the_document_lists_every_attribute_of_spans_and_events(observed, monkeypatch):
    monkeypatch.setenv(CONTENT, "span_only")
    live(observed)
    describe_spans(observed)
    spans = {key for span in observed.spans.get_finished_spans() for key in span.attributes}
    assert spans == {key for row in read_table("attribute of a span") for key in codes(row[0])}
    events = {key for record in observed.logged for key in record.attributes}
    assert events == {key for row in read_table("attribute of an event") for key in codes(row[0])}
    names = {record.event_name for record in observed.logged}
    assert names == {key for row in read_table("event") for key in codes(row[0])}


def test_counts_are_told_by_project(observed):
    live(observed)
    shop = ("reflect.project.id", "shop")
    (served,) = observed.points("reflect.memories.served").items()
    assert served == (frozenset({shop, ("reflect.memory.kind", "pitfall")}), 1)
    assert sum(observed.points("reflect.reviews").values()) == 2
    assert list(observed.points("reflect.journal.pending").values()) == [3]
    assert list(observed.points("reflect.spans.accepted").values()) == [10]
    assert sum(observed.points("reflect.model.calls").values()) == 2
    assert sum(observed.points("reflect.model.tokens").values()) == 240
    assert list(observed.points("reflect.model.cost").values()) == [1.0]
    (seconds,) = observed.metrics["reflect.augmentation.duration"].data.data_points
    assert (seconds.sum, seconds.count) == (0.002, 1)
    (utility,) = observed.metrics["reflect.memory.utility"].data.data_points
    assert utility.sum == 0.75


def test_a_review_taken_back_is_told_as_that_whichever_way_it_came(observed):
    store = observe_store(observed.store, observed.telemetry)
    closed = RunRecord(project_id="shop", run_id="run-1", state=RunState.CLOSED)
    store.write_runs([(closed, Trajectory(run_id="run-1"))])
    store.write_review("shop", "run-1", REVIEW)
    assert store.write_withdrawal("shop", "run-1", REVIEW.key)
    assert not store.write_withdrawal("shop", "run-1", REVIEW.key)
    signal = ReviewSignal(review=REVIEW, run_id="run-1", withdrawn=True)
    store.write_telemetry(TelemetryBatch(journal_offset=1, received_ns=1, reviews=[("shop", signal)]))
    results = [record.attributes["reflect.review.result"] for record in observed.logged]
    assert results == ["fail", "withdrawn", "withdrawn"]
    assert "reflect.review.score" not in observed.logged[1].attributes
    counted = {dict(key)["reflect.review.result"]: value for key, value in observed.points("reflect.reviews").items()}
    assert counted == {"fail": 1, "withdrawn": 2}


def test_all_that_is_told_names_our_release_and_events_their_time_and_severity(observed):
    live(observed)
    (span,) = observed.spans.get_finished_spans()
    assert span.instrumentation_scope.version == __version__
    assert {data.instrumentation_scope.version for data in observed.events.get_finished_logs()} == {__version__}
    assert [record.severity_text for record in observed.logged] == ["INFO", "INFO", "WARN", "INFO"]
    assert all(record.timestamp > 0 for record in observed.logged)


def test_a_review_by_telemetry_stands_in_the_trace_that_it_judges(observed):
    store = observe_store(observed.store, observed.telemetry)
    reviews = [
        ReviewSignal(review=REVIEW, trace_id=b"\x01" * 16),
        ReviewSignal(review=REVIEW, trace_id=b"\x01" * 16, withdrawn=True),
        ReviewSignal(review=REVIEW, run_id="run-1"),
    ]
    batch = TelemetryBatch(journal_offset=1, received_ns=1, reviews=[("shop", signal) for signal in reviews])
    store.write_telemetry(batch)
    judged = int.from_bytes(b"\x01" * 16, "big")
    assert [record.trace_id for record in observed.logged] == [judged, judged, 0]


def test_a_failed_call_names_the_class_of_its_error_and_no_more(observed):
    live(observed)
    told = [dict(key).get("error.type") for key in observed.points("reflect.model.calls")]
    assert sorted(told, key=str) == [None, "Unavailable"]


def test_a_learned_memory_is_a_span_and_an_event(observed):
    live(observed)
    (span,) = observed.spans.get_finished_spans()
    assert (span.name, span.instrumentation_scope.name) == ("create_memory", "reflect_otel.service")
    assert span.attributes["gen_ai.memory.record.id"] == "m1"
    assert span.attributes["reflect.run.id"] == "run-1"
    results = [record.attributes.get("reflect.learning.result") for record in observed.logged]
    assert results == [None, None, "failed", "memory"]


@pytest.mark.parametrize("mode", ["", "no_content", "event_only", "false"])
def test_texts_stay_out_unless_asked_for(observed, monkeypatch, mode):
    monkeypatch.setenv(CONTENT, mode)
    live(observed)
    describe_spans(observed)
    told = [span.to_json() for span in observed.spans.get_finished_spans()]
    told += [record.to_json() if hasattr(record, "to_json") else repr(record) for record in observed.logged]
    told.append(observed.reader.get_metrics_data().to_json() if observed.metrics else "")
    assert told
    assert not [text for text in told if "own words" in text]


def test_an_engine_that_is_closed_is_asked_no_more(observed):
    observed.telemetry.observe("one", lambda: 3, dict)
    observed.telemetry.observe("two", lambda: 4, dict)
    assert list(observed.points("reflect.journal.pending").values()) == [7]
    observed.telemetry.forget("one")
    assert list(observed.points("reflect.journal.pending").values()) == [4]


def test_lift_is_told_with_its_interval_where_there_is_one(observed):
    live(observed)
    told = {dict(key)["reflect.lift.value"]: value for key, value in observed.points("reflect.lift").items()}
    assert told == {"difference": 0.25, "low": 0.1, "high": 0.4}


def test_a_store_that_cannot_tell_the_lift_costs_only_that_gauge(observed):
    def fail():
        raise StoreError("the database is closed; open it again")

    observed.telemetry.observe("engine", lambda: 3, fail)
    assert list(observed.points("reflect.journal.pending").values()) == [3]


def test_a_store_that_is_observed_does_all_the_rest_unchanged(observed):
    store = observe_store(observed.store, observed.telemetry)
    assert store.count_runs() == observed.store.count_runs() == 0
    assert store.journal_offset() == 0
