"""Recorded telemetry survives the way through SDK objects and the stock exporter's encoder unchanged."""

from dataclasses import asdict

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from collector_plugin.demo.recordings import find_data_dir, read_recordings
from collector_plugin.otlp.json_format import Telemetry
from collector_plugin.otlp.protobuf import read_logs, read_spans
from collector_plugin.telemetry_sender import TelemetrySender, build_readable_log, build_readable_span
from reflect_otel.errors import Unavailable
from reflect_otel.model.spans import SpanRecord

REMOTE_BITS = 0x300
HAS_IS_REMOTE = 0x100
"""The exporter always says that it knows whether the parent is remote, and never the W3C trace flags."""


def recordings():
    recorded = read_recordings(find_data_dir())
    return [*recorded.instrumentations.values(), *(run.telemetry for run in recorded.agent_runs)]


def comparable(record):
    fields = {key: _listed(value) for key, value in asdict(record).items()}
    return {**fields, "flags": fields.get("flags", 0) & REMOTE_BITS | HAS_IS_REMOTE}


def _listed(value):
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def by_id(record):
    return (record.trace_id or b"", record.span_id or b"", getattr(record, "time_ns", 0))


def test_every_recorded_span_arrives_as_it_was_recorded():
    for telemetry in recordings():
        arrived, rejected = read_spans(encode_spans([build_readable_span(span) for span in telemetry.spans]))
        assert rejected == []
        for sent, received in zip(sorted(telemetry.spans, key=by_id), sorted(arrived, key=by_id), strict=True):
            assert comparable(received) == comparable(sent)


def test_every_recorded_log_record_arrives_as_it_was_recorded():
    for telemetry in recordings():
        arrived, rejected = read_logs(encode_logs([build_readable_log(log) for log in telemetry.logs]))
        assert rejected == []
        for sent, received in zip(sorted(telemetry.logs, key=by_id), sorted(arrived, key=by_id), strict=True):
            assert comparable(received) == comparable(sent)


def test_a_service_that_is_not_there_is_an_error_and_not_a_log_line():
    sender = TelemetrySender("http://127.0.0.1:9", timeout_seconds=0.2)
    with pytest.raises(Unavailable, match="did not acknowledge"):
        sender.send(Telemetry(spans=[SpanRecord(trace_id=b"t" * 16, span_id=b"s" * 8, end_ns=1)]))
    sender.close()
