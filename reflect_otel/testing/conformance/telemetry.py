"""The ``TelemetryStore`` suite."""

from dataclasses import replace
from pathlib import Path

from reflect_otel.model.spans import LogRecord, RunState, SpanEvent, SpanLink
from reflect_otel.ports import Store
from reflect_otel.testing.conformance.store_case import (
    OTHER_PROJECT,
    OTHER_TRACE,
    PROJECT,
    TRACE,
    StoreCase,
    build_batch,
    build_run,
    build_span,
)

_RUN = TRACE.hex()

_FULL_SPAN = build_span(
    7,
    parent_span_id=b"\0\0\0\0\0\0\0\1",
    kind=3,
    start_ns=2**64 - 1,
    end_ns=5,
    status_code=2,
    status_message="out of \0 tables",
    attributes={
        "text": "größe 🎉", "whole": 2**62, "beyond": 2**70, "real": 0.1, "infinite": float("inf"), "yes": True,
        "none": None, "bytes": b"\x00\xff", "list": [1, [b"x", {}], "a"], "map": {"$bytes": "no bytes"},
        "half a character": "\ud800", "": "empty key",
    },
    events=(SpanEvent(name="evaluated", time_ns=3, attributes={"bytes": b"\1"}), SpanEvent(name="")),
    links=(SpanLink(trace_id=OTHER_TRACE, span_id=b"\2" * 8, attributes={"why": "follow-up"}),),
    resource={"service.name": "agent", "process.pid": 12},
    scope_name="openai", scope_version="1.2", schema_url="https://example.org/schema",
    flags=0x301, dropped_attributes_count=9,
)  # fmt: skip

_FULL_LOG = LogRecord(
    trace_id=TRACE,
    span_id=b"\0\0\0\0\0\0\0\1",
    event_name="gen_ai.choice",
    time_ns=2**64 - 1,
    severity_number=9,
    body={"message": {"content": "hi", "nan": float("-inf")}},
    attributes={"bytes": b"\3"},
    resource={"service.name": "agent"},
    scope_name="openai",
    scope_version="1.2",
)


class TelemetryStoreConformance(StoreCase):
    """Spans and logs come back as they were, once, under their own project."""

    def test_spans_and_logs_come_back_as_they_were_sent(self, store: Store) -> None:
        """Every field of every OTLP value type survives."""
        store.write_telemetry(
            build_batch(1, spans=[_FULL_SPAN], logs=[_FULL_LOG], joined=[(TRACE, _RUN)], runs=[build_run()])
        )
        run = store.find_telemetry(PROJECT, [_RUN])[_RUN]
        assert list(run.spans) == [_FULL_SPAN]
        assert list(run.logs) == [_FULL_LOG]

    def test_a_run_is_read_in_order_of_arrival_over_all_its_traces(self, store: Store) -> None:
        """Later batches are appended, whatever their timestamps say."""
        first, second = build_span(2, start_ns=90), build_span(1, start_ns=10)
        third = build_span(1, trace_id=OTHER_TRACE, start_ns=1)
        store.write_telemetry(build_batch(1, spans=[first], joined=[(TRACE, "r")], runs=[build_run("r")]))
        store.write_telemetry(build_batch(2, spans=[third], joined=[(OTHER_TRACE, "r")], runs=[build_run("r")]))
        store.write_telemetry(build_batch(3, spans=[second], runs=[build_run("r")]))
        assert list(store.find_telemetry(PROJECT, ["r"])["r"].spans) == [first, third, second]

    def test_the_same_batch_twice_changes_nothing(self, store: Store) -> None:
        """A repeated delivery leaves spans, logs, runs and the offset as they are."""
        batch = build_batch(
            4,
            spans=[build_span(1), build_span(2), build_span(1)],
            logs=[_FULL_LOG, _FULL_LOG, LogRecord(event_name="untraced", time_ns=5)],
            joined=[(TRACE, _RUN)],
            runs=[build_run()],
        )
        store.write_telemetry(batch)
        once = (store.find_telemetry(PROJECT, [_RUN]), store.find_run(PROJECT, _RUN), store.count_spans())
        store.write_telemetry(batch)
        again = (store.find_telemetry(PROJECT, [_RUN]), store.find_run(PROJECT, _RUN), store.count_spans())
        assert again == once
        assert once[2] == 2
        assert len(once[0][_RUN].logs) == 1
        assert store.journal_offset() == 4

    def test_a_span_sent_again_in_a_later_batch_is_stored_once(self, store: Store) -> None:
        """The first version wins; new spans beside it are kept."""
        store.write_telemetry(build_batch(1, spans=[build_span(1, end_ns=1)], joined=[(TRACE, _RUN)]))
        store.write_telemetry(build_batch(2, spans=[build_span(1, end_ns=2), build_span(2)]))
        spans = store.find_telemetry(PROJECT, [_RUN])[_RUN].spans
        assert [(span.span_id[-1], span.end_ns) for span in spans] == [(1, 1), (2, 0)]

    def test_equal_ids_in_two_projects_are_two_spans(self, store: Store) -> None:
        """Projects share nothing, not even trace ids."""
        for offset, project_id in enumerate((PROJECT, OTHER_PROJECT), 1):
            record = build_run(project_id=project_id)
            store.write_telemetry(
                build_batch(
                    offset, spans=[build_span(1)], joined=[(TRACE, _RUN)], runs=[record], project_id=project_id
                )
            )
        assert store.count_spans() == 2
        assert len(store.find_telemetry(PROJECT, [_RUN])[_RUN].spans) == 1
        assert store.delete_runs(OTHER_PROJECT, [_RUN]) == 1
        assert len(store.find_telemetry(PROJECT, [_RUN])[_RUN].spans) == 1

    def test_telemetry_of_an_unknown_run_is_absent(self, store: Store) -> None:
        """Also when another project has a run of that id."""
        store.write_telemetry(build_batch(1, spans=[build_span(1)], joined=[(TRACE, _RUN)], runs=[build_run()]))
        for project_id, run_id in ((PROJECT, "none"), (OTHER_PROJECT, _RUN)):
            assert store.find_telemetry(project_id, [run_id]) == {}

    def test_runs_of_traces_are_found_in_order_of_joining(self, store: Store) -> None:
        """A trace may belong to several named runs; unknown traces are absent."""
        store.write_telemetry(
            build_batch(1, spans=[build_span(1)], joined=[(TRACE, "b"), (TRACE, "a"), (TRACE, "b")])
        )
        found = store.find_run_ids(PROJECT, [TRACE, OTHER_TRACE])
        assert {trace: list(runs) for trace, runs in found.items()} == {TRACE: ["b", "a"]}
        assert not store.find_run_ids(OTHER_PROJECT, [TRACE])

    def test_a_named_run_takes_the_place_of_the_default_one(self, store: Store) -> None:
        """The run that stood under the trace id disappears; what belonged to it moves."""
        record = build_run(state=RunState.OPEN)
        store.write_telemetry(build_batch(1, spans=[build_span(1)], joined=[(TRACE, _RUN)], runs=[record]))
        store.write_telemetry(
            build_batch(2, spans=[build_span(2)], joined=[(TRACE, "named")], runs=[replace(record, run_id="named")])
        )
        assert store.find_run_ids(PROJECT, [TRACE])[TRACE] == ["named"]
        assert [run.run_id for run in store.find_unclosed_runs()] == ["named"]
        assert len(store.find_telemetry(PROJECT, ["named"])["named"].spans) == 2
        found = store.find_run(PROJECT, _RUN)
        assert found is not None
        assert found.record.run_id == "named"

    def test_everything_is_there_after_reopening(self, tmp_path: Path) -> None:
        """The offset is exactly that of the rows that are there."""
        store = self.open_store(tmp_path)
        store.write_telemetry(
            build_batch(3, spans=[_FULL_SPAN], logs=[_FULL_LOG], joined=[(TRACE, _RUN)], runs=[build_run()])
        )
        before = (store.find_telemetry(PROJECT, [_RUN])[_RUN], store.find_run(PROJECT, _RUN))
        store.close()
        again = self.open_store(tmp_path)
        assert (again.find_telemetry(PROJECT, [_RUN])[_RUN], again.find_run(PROJECT, _RUN)) == before
        assert again.journal_offset() == 3
        again.write_telemetry(build_batch(4, spans=[_FULL_SPAN, build_span(8)], logs=[_FULL_LOG]))
        assert [span.span_id[-1] for span in again.find_telemetry(PROJECT, [_RUN])[_RUN].spans] == [7, 8]
        again.close()
