"""What services say about themselves is left out of what they receive; all else stays."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector_plugin.observation.own_records import remove_own_events, remove_own_spans

SCOPES = st.lists(st.lists(st.sampled_from(["reflect_otel.service", "reflect_otel", "other", ""]), max_size=3))


@given(SCOPES)
def test_only_our_own_scope_goes(groups):
    request, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    for names in groups:
        spans, records = request.resource_spans.add().scope_spans, logs.resource_logs.add().scope_logs
        for name in names:
            spans.add().scope.name = name
            records.add().scope.name = name
    has_own = any("reflect_otel.service" in names for names in groups)
    left = [[name for name in names if name != "reflect_otel.service"] for names in groups]
    expected = [kept for kept, names in zip(left, groups, strict=True) if kept or not names]
    assert remove_own_spans(request, request.SerializeToString()) == has_own
    assert remove_own_events(logs, logs.SerializeToString()) == has_own
    assert [[scoped.scope.name for scoped in group.scope_spans] for group in request.resource_spans] == expected
    assert [[scoped.scope.name for scoped in group.scope_logs] for group in logs.resource_logs] == expected


def test_a_request_that_only_names_our_scope_elsewhere_is_left_alone():
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="reflect_otel.service")
    before = request.SerializeToString()
    assert not remove_own_spans(request, before)
    assert request.SerializeToString() == before
