"""Where a service process sends its own telemetry: the standard ``OTEL_*`` variables decide, the exporters read them.

Only ``serve`` calls this; in embedded mode the SDK is the host's.
"""

import os
import threading
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from collector_plugin.settings import split_address
from reflect_otel import __version__
from reflect_otel.attributes import SERVICE_NAME
from reflect_otel.errors import ConfigError

_SIGNALS: Final = {
    "traces": "trace_exporter:OTLPSpanExporter",
    "metrics": "metric_exporter:OTLPMetricExporter",
    "logs": "_log_exporter:OTLPLogExporter",
}
_PROTOCOLS: Final = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http",
}
_DEFAULTS: Final = {SERVICE_NAME: "reflect-otel", "service.version": __version__}
"""Of the resource, where ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` do not say otherwise."""
_ANY_HOST: Final = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


class TelemetryExport:
    """The process's OpenTelemetry SDK, from its start to its last flush.

    Args:
        own_addresses: ``HOST:PORT`` of this service, which must not be its own receiver.

    Raises:
        ConfigError: no endpoint is named, it is this service's own, or an exporter or protocol is unknown.
    """

    def __init__(self, own_addresses: Iterable[str]) -> None:
        wanted = [signal for signal in _SIGNALS if _is_wanted(signal)]
        for signal in wanted:
            _check_endpoint(signal, list(own_addresses))
        resource = _build_resource()
        self._providers: list[Any] = [_BUILDERS[signal](resource, _build_exporter(signal)) for signal in wanted]

    def stop(self, timeout_seconds: float) -> None:
        """Send what is left, as far as time allows: a backend that is away must not keep the service from ending."""
        last = threading.Thread(target=self._shut_down, name="reflect-last-telemetry", daemon=True)
        last.start()
        last.join(timeout_seconds)

    def _shut_down(self) -> None:
        for provider in self._providers:
            provider.shutdown()


def _start_traces(resource: Resource, exporter: Any) -> TracerProvider:
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def _start_metrics(resource: Resource, exporter: Any) -> MeterProvider:
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return provider


def _start_logs(resource: Resource, exporter: Any) -> LoggerProvider:
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    _logs.set_logger_provider(provider)
    return provider


_BUILDERS: Final = {"traces": _start_traces, "metrics": _start_metrics, "logs": _start_logs}


def _is_wanted(signal: str) -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    wanted = os.environ.get(variable, "").strip().lower() or "otlp"
    if wanted not in {"otlp", "none"}:
        raise ConfigError(f"{variable}={wanted} is not known to --telemetry; use otlp or none")
    return wanted == "otlp"


def _find_endpoint(signal: str) -> str:
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")


def _check_endpoint(signal: str, own_addresses: list[str]) -> None:
    endpoint = _find_endpoint(signal)
    if not endpoint:
        raise ConfigError(
            f"--telemetry has nowhere to send {signal}: set OTEL_EXPORTER_OTLP_ENDPOINT to your Collector or "
            f"backend, or OTEL_{signal.upper()}_EXPORTER=none"
        )
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    target = (parts.hostname or "", parts.port)
    if any(_is_same(target, split_address(address)) for address in own_addresses):
        raise ConfigError(
            f"{endpoint} is this service itself, which does not take its own telemetry; set "
            "OTEL_EXPORTER_OTLP_ENDPOINT to your Collector or backend"
        )


def _is_same(target: tuple[str, int | None], own: tuple[str, int]) -> bool:
    return target[1] == own[1] and (target[0] == own[0] or {target[0], own[0]} <= _ANY_HOST)


def _build_exporter(signal: str) -> Any:
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((value for name in names if (value := os.environ.get(name, "").strip())), "grpc")
    if protocol not in _PROTOCOLS:
        raise ConfigError(f"OTLP protocol {protocol!r} is not known; use one of {', '.join(_PROTOCOLS)}")
    module, _, name = _SIGNALS[signal].partition(":")
    return getattr(import_module(f"{_PROTOCOLS[protocol]}.{module}"), name)()


def _build_resource() -> Resource:
    told = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in _DEFAULTS.items() if name not in told})
