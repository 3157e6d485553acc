"""What the shipped Collector configuration lets through: every span that a dialect reads, and no other program's."""

import re
from pathlib import Path

import pytest

from reflect_otel.model.spans import SpanRecord
from reflect_otel.plugins import find_plugin_names, load_plugin

from .samples import NAMES, read_telemetry, sample_files

CONFIGURATION = (Path(__file__).parents[2] / "collector_plugin" / "config" / "collector.yaml").read_text()
KEYS = set(re.findall(r'attributes\["([^"]+)"\] == nil', CONFIGURATION.partition("logs:")[0]))
(SCOPES,) = re.findall(r'not IsMatch\(instrumentation_scope\.name, "([^"]+)"\)', CONFIGURATION)
READERS = [load_plugin("reflect_otel.dialects", name)() for name in find_plugin_names("reflect_otel.dialects")]


def passes(span: SpanRecord) -> bool:
    return not KEYS.isdisjoint(span.attributes) or re.search(SCOPES, span.scope_name) is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_span_that_a_dialect_reads_passes_the_filter(name):
    spans = read_telemetry(*sample_files(name)).spans
    read = [span for span in spans if any(not r.is_last_resort and r.claims(span, ()) for r in READERS)]
    assert read
    assert [(span.scope_name, span.name) for span in read if not passes(span)] == []


def test_spans_of_other_programs_do_not_pass():
    others = ("opentelemetry.instrumentation.requests", "io.opentelemetry.tomcat", "ai.shop", "logfire")
    assert not any(re.search(SCOPES, scope) for scope in others)
    assert "http.request.method" not in KEYS
