"""Providers that collect what they export, apart from the process's global one."""

import os

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from reflect_otel import ReflectSpanExporter
from tests.waiting import wait_until


class CollectingExporter(SpanExporter):
    """Keeps every batch; ``gate`` (if set) holds exports up until it is set."""

    def __init__(self, gate=None):
        self.batches = []
        self.called = False
        self.closed = False
        self.gate = gate

    def export(self, spans):
        self.called = True
        if self.gate is not None:
            self.gate.wait(20)
        self.batches.append(list(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.closed = True

    @property
    def names(self):
        return [span.name for batch in self.batches for span in batch]

    def wait_for(self, count):
        wait_until(lambda: len(self.names) >= count)
        return self.names


@pytest.fixture
def exporter():
    return CollectingExporter()


@pytest.fixture
def build_tracer():
    """A function from a span processor to a tracer whose provider is shut down after the test."""
    providers = []

    def build(processor, **settings):
        provider = TracerProvider(shutdown_on_exit=False, **settings)
        provider.add_span_processor(processor)
        providers.append(provider)
        return provider.get_tracer("test")

    yield build
    for provider in providers:
        provider.shutdown()


@pytest.fixture(autouse=True)
def no_telemetry_environment(monkeypatch):
    for variable in tuple(os.environ):
        if variable.startswith(("REFLECT_", "OTEL_")):
            monkeypatch.delenv(variable)


@pytest.fixture
def spool(tmp_path, monkeypatch):
    """The folder that exporters keep their spool in."""
    monkeypatch.setenv("REFLECT_SPOOL_DIR", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def open_exporter(spool):
    """A function that makes exporters which are shut down after the test."""
    opened = []

    def build(url, **settings):
        exporter = ReflectSpanExporter(url, **settings)
        opened.append(exporter)
        return exporter

    yield build
    for exporter in opened:
        exporter.shutdown()
