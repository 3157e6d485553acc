"""OTLP in, records out; and a submitted run in, one span out that reads back as the same run."""

import base64
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector_plugin.otlp import (
    parse_logs_request,
    parse_trace_request,
    read_logs,
    read_spans,
)
from collector_plugin.otlp.files import iter_file
from collector_plugin.otlp.json_format import Telemetry, read_json
from reflect_otel.capture.run_span import build_trace_request
from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.trace import TraceDraft
from reflect_otel.model.trajectory import Message, Role, ToolCall, ToolResponse
from reflect_otel.runs.grouping import group_runs

TRACE_ID = bytes(range(1, 17))
SPAN_ID = bytes(range(1, 9))


def request_with(*spans: Span) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope_spans = resource_spans.scope_spans.add(schema_url="https://opentelemetry.io/schemas/1.37.0")
    scope_spans.scope.name = "test"
    scope_spans.spans.extend(spans)
    return request


def any_value(value: Any) -> AnyValue:
    wrapped = AnyValue()
    if isinstance(value, bool):
        wrapped.bool_value = value
    elif isinstance(value, str):
        wrapped.string_value = value
    elif isinstance(value, int):
        wrapped.int_value = value
    elif isinstance(value, float):
        wrapped.double_value = value
    elif isinstance(value, bytes):
        wrapped.bytes_value = value
    elif isinstance(value, list):
        wrapped.array_value.SetInParent()
        wrapped.array_value.values.extend(any_value(item) for item in value)
    elif isinstance(value, dict):
        wrapped.kvlist_value.SetInParent()
        wrapped.kvlist_value.values.extend(KeyValue(key=key, value=any_value(item)) for key, item in value.items())
    return wrapped


def span_with(**attributes: Any) -> Span:
    pairs = [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]
    return Span(trace_id=TRACE_ID, span_id=SPAN_ID, name="chat", attributes=pairs)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "text",
        0,
        -(2**63),
        1.5,
        True,
        False,
        b"",
        b"\x00\xff",
        [],
        ["a", 1, [b"x"]],
        {},
        {"a": {"b": [None, 1]}},
        None,
    ],
)
def test_every_kind_of_attribute_value_is_read(value: Any) -> None:
    spans, rejected = read_spans(request_with(span_with(key=value)))
    assert spans[0].attributes == {"key": value}
    assert rejected == []


def test_not_a_number_and_infinity_are_kept() -> None:
    spans, _ = read_spans(request_with(span_with(nan=math.nan, inf=math.inf)))
    assert math.isnan(spans[0].attributes["nan"])  # type: ignore[arg-type]
    assert spans[0].attributes["inf"] == math.inf


def test_the_last_of_two_equal_keys_wins() -> None:
    span = span_with(key="first")
    span.attributes.add(key="key").value.string_value = "second"
    assert read_spans(request_with(span))[0][0].attributes == {"key": "second"}


def test_resource_scope_and_schema_reach_every_span() -> None:
    record = read_spans(request_with(span_with()))[0][0]
    assert (record.resource, record.scope_name) == ({"service.name": "shop"}, "test")
    assert record.schema_url.endswith("1.37.0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"trace_id": b""}, "0 bytes"),
        ({"trace_id": bytes(16)}, "all zero"),
        ({"span_id": b"short"}, "5 bytes"),
        ({"span_id": bytes(8)}, "all zero"),
    ],
)
def test_a_bad_span_is_rejected_by_position_and_the_rest_kept(change: dict[str, Any], reason: str) -> None:
    bad = Span(**{"trace_id": TRACE_ID, "span_id": SPAN_ID, **change})
    spans, rejected = read_spans(request_with(span_with(), bad, span_with()))
    assert len(spans) == 2
    assert [item.position for item in rejected] == [1]
    assert reason in rejected[0].reason


def test_a_time_beyond_what_a_column_holds_does_not_cost_the_span() -> None:
    far = Span(trace_id=TRACE_ID, span_id=SPAN_ID, start_time_unix_nano=2**63, end_time_unix_nano=2**64 - 1)
    spans, rejected = read_spans(request_with(far))
    assert (spans[0].start_ns, spans[0].end_ns, rejected) == (2**63 - 1, 2**63 - 1, [])


def test_a_malformed_body_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidArgument, match="protocol setting"):
        parse_trace_request(b"\x0a\xff\xff\xff")
    with pytest.raises(InvalidArgument, match="protocol setting"):
        parse_logs_request(b"<html>")


def test_too_deep_nesting_is_refused() -> None:
    value = AnyValue(string_value="bottom").SerializeToString()
    for _ in range(60):
        value = field(5, field(1, value))
    span = span_with().SerializeToString() + field(9, field(2, value))
    with pytest.raises(InvalidArgument, match="nest"):
        parse_trace_request(field(1, field(2, field(2, span))))


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    size, length = len(payload), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + payload


def test_log_records_keep_body_event_name_and_ids() -> None:
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add().scope_logs.add().log_records
    logs.add(trace_id=TRACE_ID, span_id=SPAN_ID, event_name="gen_ai.choice", body=any_value({"index": 0}))
    logs.add(observed_time_unix_nano=7, attributes=[KeyValue(key="event.name", value=any_value("named"))])
    logs.add(trace_id=b"bad")
    records, rejected = read_logs(request)
    assert records[0].body == {"index": 0}
    assert (records[0].trace_id, records[0].span_id) == (TRACE_ID, SPAN_ID)
    assert (records[1].event_name, records[1].time_ns, records[1].trace_id) == ("named", 7, None)
    assert [item.position for item in rejected] == [2]


@given(st.binary(max_size=400))
def test_any_bytes_give_records_or_invalid_argument(body: bytes) -> None:
    for parse, read in ((parse_trace_request, read_spans), (parse_logs_request, read_logs)):
        try:
            records, rejected = read(parse(body))  # type: ignore[operator]
        except InvalidArgument:
            continue
        assert len(records) + len(rejected) >= 0


VALUES = st.recursive(
    st.none() | st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=10), VALUES, max_size=5), st.data())
def test_a_cut_request_gives_records_or_invalid_argument(attributes: dict[str, Any], data: st.DataObject) -> None:
    body = request_with(span_with(**attributes)).SerializeToString()
    cut = data.draw(st.integers(0, len(body)))
    try:
        spans, rejected = read_spans(parse_trace_request(body[:cut]))
    except InvalidArgument:
        return
    assert len(spans) + len(rejected) <= 1


# --- OTLP/JSON ---------------------------------------------------------------------------------------------

JSON_SPAN: dict[str, Any] = {
    "traceId": TRACE_ID.hex().upper(),
    "spanId": SPAN_ID.hex(),
    "name": "chat",
    "kind": "SPAN_KIND_CLIENT",
    "startTimeUnixNano": "1700000000000000000",
    "endTimeUnixNano": 1700000000000000001,
    "status": {"code": 2, "message": "no"},
    "attributes": [
        {"key": "text", "value": {"stringValue": ""}},
        {"key": "whole", "value": {"intValue": "-7"}},
        {"key": "number", "value": {"doubleValue": "NaN"}},
        {"key": "bytes", "value": {"bytesValue": base64.b64encode(b"\x00\x01").decode()}},
        {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}},
    ],
}


def json_request(*spans: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def test_json_ids_times_enums_and_values_are_read() -> None:
    span = read_json(json_request(JSON_SPAN)).spans[0]
    assert (span.trace_id, span.span_id, span.kind, span.status_code) == (TRACE_ID, SPAN_ID, 3, 2)
    assert (span.start_ns, span.end_ns) == (1700000000000000000, 1700000000000000001)
    assert math.isnan(span.attributes["number"])  # type: ignore[arg-type]
    assert {key: value for key, value in span.attributes.items() if key != "number"} == {
        "text": "",
        "whole": -7,
        "bytes": b"\x00\x01",
        "list": [True, None],
        "map": {"a": 1},
    }


def test_snake_case_json_is_read_too() -> None:
    request = {
        "resource_spans": [
            {"scope_spans": [{"spans": [{"trace_id": TRACE_ID.hex(), "span_id": SPAN_ID.hex(), "name": "chat"}]}]}
        ]
    }
    assert read_json(json.dumps(request)).spans[0].name == "chat"


@pytest.mark.parametrize(
    "change",
    [
        {"traceId": "not hex"},
        {"traceId": None},
        {"startTimeUnixNano": "soon"},
        {"endTimeUnixNano": -1},
        {"attributes": [{"key": "a", "value": {"intValue": "many"}}]},
        {"attributes": [{"value": {"stringValue": "a"}}]},
        {"attributes": "none"},
        {"name": 7},
        {"status": "bad"},
        {"events": [1]},
    ],
)
def test_a_bad_json_span_is_rejected_and_the_rest_kept(change: dict[str, Any]) -> None:
    read = read_json(json_request(JSON_SPAN, {**JSON_SPAN, **change}, JSON_SPAN))
    assert len(read.spans) == 2
    assert [item.position for item in read.rejected_spans] == [1]


def test_json_nested_too_deeply_rejects_only_that_span() -> None:
    value: dict[str, Any] = {"stringValue": "bottom"}
    for _ in range(100):
        value = {"arrayValue": {"values": [value]}}
    deep = {**JSON_SPAN, "attributes": [{"key": "deep", "value": value}]}
    read = read_json(json_request(deep, JSON_SPAN))
    assert (len(read.spans), len(read.rejected_spans)) == (1, 1)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"{}", b"null", b'"text"'])
def test_json_that_is_no_export_request_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument):
        read_json(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["stringValue", "arrayValue", "kvlistValue", "values", "key", "value", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*JSON_SPAN, "events", "links", "flags", "parentSpanId"]), JSON_VALUES))
def test_any_json_span_is_a_record_or_rejected(change: dict[str, Any]) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**JSON_SPAN, **change}]}]}]}, allow_nan=True)
    try:
        read = read_json(body)
    except InvalidArgument:
        return
    assert len(read.spans) + len(read.rejected_spans) == 1


# --- files -------------------------------------------------------------------------------------------------


def read_all(path: Path) -> tuple[int, list[str]]:
    found = list(iter_file(path))
    spans = sum(len(item.spans) for item in found if isinstance(item, Telemetry))
    return spans, [str(item) for item in found if isinstance(item, InvalidArgument)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        json_request(JSON_SPAN) + b"\n" + json_request(JSON_SPAN) + b"\n\n",
        b"[" + json_request(JSON_SPAN) + b"," + json_request(JSON_SPAN) + b"]",
        json.dumps(json.loads(json_request(JSON_SPAN, JSON_SPAN)), indent=2).encode(),
    ],
    ids=["lines", "array", "pretty"],
)
def test_files_of_lines_an_array_or_one_request_are_read(tmp_path: Path, content: bytes, packed: bool) -> None:
    path = tmp_path / "traces"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert read_all(path) == (2, [])


def test_a_bad_line_is_named_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"\n".join([json_request(JSON_SPAN), b"{broken", json_request(JSON_SPAN)]))
    spans, problems = read_all(path)
    assert spans == 2
    assert len(problems) == 1
    assert "traces.jsonl, line 2" in problems[0]


def test_damaged_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl.gz"
    packed = gzip.compress(b"\n".join([json_request(JSON_SPAN)] * 3))
    path.write_bytes(packed[:-4])
    spans, problems = read_all(path)
    assert spans >= 2
    assert "damaged gzip" in problems[-1]


# --- a submitted run ---------------------------------------------------------------------------------------

ARGUMENTS: dict[str, Any] = {"order": "A-1", "deep": {"x": [1, None]}}
MESSAGES = (
    Message(role=Role.SYSTEM, content="Be brief."),
    Message(role=Role.USER, content="Where is A-1? ☕", name="zoe"),
    Message(
        role=Role.ASSISTANT,
        content="Let me look.",
        tool_calls=(ToolCall(id="c1", name="lookup", arguments=ARGUMENTS),),
        reasoning="I need the order.",
    ),
    Message(
        role=Role.TOOL,
        content="gone",
        tool_response=ToolResponse(
            id="c1",
            name="lookup",
            arguments=ARGUMENTS,
            response="gone",
            error="lost",
        ),
    ),
    Message(role=Role.SYSTEM, content="The order is lost for good."),
    Message(role=Role.ASSISTANT, content="It is lost.", finish_reason="stop"),
)


def submitted(**changes: Any) -> TraceDraft:
    facts: dict[str, Any] = {
        "run_id": "run-1",
        "task": "Find A-1",
        "messages": MESSAGES,
        "final_response": "Lost.",
        "retrieved_memory_ids": ("m1", "m2"),
        "model": "gpt-4o",
        "metadata": {"tier": "gold"},
        "review": Review(result=ReviewResult.FAIL, score=0.25, feedback="not found", identifier="bot"),
    }
    return TraceDraft(**{**facts, **changes})


def test_a_submitted_run_reads_back_as_the_same_run() -> None:
    spans, rejected = read_spans(build_trace_request(submitted(), 5))
    (run,) = group_runs(spans, [])
    trajectory = read_trajectory(run)
    assert rejected == []
    assert trajectory.messages == MESSAGES
    assert (run.run_id, trajectory.task.text, trajectory.final_response) == ("run-1", "Find A-1", "Lost.")
    assert trajectory.model == "gpt-4o"
    assert [len(step.messages) for step in trajectory.steps] == [3, 6]


def test_a_submitted_run_carries_review_memories_and_metadata() -> None:
    span = read_spans(build_trace_request(submitted(), 5))[0][0]
    assert span.attributes["reflect.review.result"] == "fail"
    assert span.attributes["reflect.review.score"] == 0.25
    assert span.attributes["reflect.memory.ids"] == ["m1", "m2"]
    assert span.attributes["reflect.metadata.tier"] == "gold"
    assert span.attributes["reflect.run.complete"] is True
    assert span.start_ns == span.end_ns == 5


def test_the_same_run_makes_the_same_span_and_its_own_trace_is_kept() -> None:
    first, again = (build_trace_request(submitted(), 5).SerializeToString(deterministic=True) for _ in range(2))
    assert first == again
    span = read_spans(build_trace_request(submitted(trace_id=TRACE_ID), 5))[0][0]
    assert span.trace_id == TRACE_ID


def test_a_run_that_ends_without_an_answer_reads_back_whole() -> None:
    spans, _ = read_spans(build_trace_request(submitted(messages=MESSAGES[:4], review=None), 5))
    assert read_trajectory(group_runs(spans, [])[0]).messages == MESSAGES[:4]
