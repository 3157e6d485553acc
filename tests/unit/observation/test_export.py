"""Where a service sends its own telemetry, and what is refused before anything starts."""

import pytest

from collector_plugin.observation.export import TelemetryExport
from reflect_otel.errors import ConfigError

OWN = ("127.0.0.1:4317", "127.0.0.1:4318")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for variable in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{variable}", raising=False)


def test_without_an_endpoint_the_message_says_what_to_set():
    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        TelemetryExport(OWN)


@pytest.mark.parametrize(
    ("endpoint", "own"),
    [
        ("http://127.0.0.1:4317", "127.0.0.1:4317"),
        ("http://localhost:4317", "127.0.0.1:4317"),
        ("localhost:4317", "0.0.0.0:4317"),
        ("http://[::1]:4318/v1/traces", "127.0.0.1:4318"),
        ("http://reflect.internal:4317", "reflect.internal:4317"),
    ],
)
def test_a_service_does_not_send_to_itself(monkeypatch, endpoint, own):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    with pytest.raises(ConfigError, match="this service itself"):
        TelemetryExport([own])


def test_one_signal_that_would_come_back_is_enough_to_refuse(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://localhost:4317")
    with pytest.raises(ConfigError, match="localhost:4317"):
        TelemetryExport(OWN)


def test_an_unknown_protocol_is_refused(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    with pytest.raises(ConfigError, match="http/protobuf"):
        TelemetryExport(OWN)


def test_an_exporter_that_is_not_there_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    with pytest.raises(ConfigError, match="OTEL_METRICS_EXPORTER=prometheus.*otlp or none"):
        TelemetryExport(OWN)


def test_a_disabled_sdk_or_exporters_of_none_need_no_endpoint(monkeypatch):
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    TelemetryExport(OWN).stop(1)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    TelemetryExport(OWN).stop(1)
