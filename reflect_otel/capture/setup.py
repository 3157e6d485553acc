"""Attaches us to OpenTelemetry: ``configure()`` in code, ``post_instrument()`` under ``opentelemetry-instrument``.

The SDK and gRPC are imported inside the functions: the entry point is loaded in every instrumented process, also
where it has nothing to do.
"""

import logging
import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import _logs, trace

from reflect_otel.attributes import REFLECT_PROJECT_ID, SERVICE_NAME
from reflect_otel.capture.connection import (
    ENV_API_KEY,
    ENV_ENABLED,
    ENV_ENDPOINT,
    ENV_PROJECT_ID,
    build_headers,
    find_embedded_folder,
    parse_address,
    read_setting,
)

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

    from reflect_otel.capture.exporter import ReflectSpanExporter

LOG_SCHEDULE_DELAY_MS: Final = 1_000
"""What a killed process may lose: the records of the last second."""

_logger: Final = logging.getLogger(__name__)
_lock: Final = threading.Lock()
_attached: Final[weakref.WeakKeyDictionary[Any, "SpanProcessor"]] = weakref.WeakKeyDictionary()
_our_exporters: Final[weakref.WeakSet["ReflectSpanExporter"]] = weakref.WeakSet()


def configure(
    endpoint: str | None = None,
    api_key: str | None = None,
    project_id: str | None = None,
    service_name: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    spool_bytes: int | None = None,
    spool_dir: "str | os.PathLike[str] | None" = None,
) -> None:
    """Send this process's spans to the service, beside whatever exporters it has.

    Uses the global tracer provider if there is one, else sets one up; likewise sets up a logger provider if there
    is none, so that ``gen_ai.evaluation.result`` events arrive too. Repeating it changes nothing. Does nothing
    with REFLECT_ENABLED=false or OTEL_SDK_DISABLED=true. Where a ``ReflectSpanExporter`` is at work already
    (OTEL_TRACES_EXPORTER=reflect), spans are stamped with their run and not sent twice.

    Args:
        endpoint: ``http://HOST:PORT``, ``https://HOST:PORT``, or ``embedded://FOLDER`` for no service at all; else
            the environment as ``ReflectSpanExporter`` says.
        api_key: else REFLECT_API_KEY.
        project_id: else REFLECT_PROJECT_ID.
        service_name: ``service.name`` of the resource, for providers that are set up here.
        headers: more gRPC metadata.
        timeout: seconds for one attempt to send.
        spool_bytes: most bytes on disk while the service is away, else REFLECT_SPOOL_BYTES, else 256 MiB; 0: none.
        spool_dir: where, else REFLECT_SPOOL_DIR, else under the user's state folder.

    Raises:
        InvalidArgument: when the address, key or project cannot be used.
        PluginError, ConfigError, StoreError: with ``embedded://``, as ``ReflectClient.embedded``.
    """
    chosen = read_setting(endpoint, ENV_ENDPOINT)
    folder = find_embedded_folder(chosen, field="endpoint") if chosen else None
    if chosen and folder is None:
        parse_address(chosen, field="endpoint")
    build_headers(read_setting(api_key, ENV_API_KEY), read_setting(project_id, ENV_PROJECT_ID))
    if _is_disabled():
        return
    from reflect_otel.capture.exporter import ReflectSpanExporter
    from reflect_otel.capture.log_exporter import ReflectLogExporter

    resource = _build_resource(service_name, read_setting(project_id, ENV_PROJECT_ID))
    sender = (endpoint, api_key, project_id, headers, None, timeout, spool_bytes, spool_dir)
    exporter = ReflectSpanExporter(*sender)
    if folder is not None:
        try:
            exporter.open()
        except BaseException:
            exporter.shutdown()  # else it would pass for the host's own exporter as long as the error is kept
            raise
    with _lock:
        _set_up_tracer_provider(resource)
        _attach(exporter)
        _set_up_logger_provider(resource, ReflectLogExporter(*sender))


def post_instrument() -> None:
    """Entry point ``opentelemetry_post_instrument``: attach to what ``opentelemetry-instrument`` has set up.

    With REFLECT_ENDPOINT set, spans are sent there, beside the exporters of the process. Without it, or where a
    ``ReflectSpanExporter`` is at work already, they are only stamped with their run, and travel with the
    exporters of the process. Never raises.
    """
    try:
        if _is_disabled():
            return
        from reflect_otel.capture.exporter import ReflectSpanExporter

        with _lock:
            _attach(ReflectSpanExporter() if read_setting(None, ENV_ENDPOINT) else None)
    except Exception:
        _logger.exception("reflect-otel could not attach itself; the application is not affected.")


def _is_disabled() -> bool:
    enabled = os.environ.get(ENV_ENABLED, "").strip().lower() not in {"false", "0", "no", "off"}
    sdk_disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return sdk_disabled or not enabled


def _attach(exporter: "ReflectSpanExporter | None") -> None:
    """Add our span processor to the global provider once; a sender may follow a stamper, never another sender."""
    from opentelemetry.sdk.trace import TracerProvider

    from reflect_otel.capture.exporter import live_exporters
    from reflect_otel.capture.run_processor import RunSpanProcessor
    from reflect_otel.capture.run_stamp import RunStampProcessor

    if exporter is not None:
        _our_exporters.add(exporter)
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        _logger.info("No OpenTelemetry SDK is set up, so there are no spans to send or stamp.")
        return
    others_export = any(live not in _our_exporters for live in live_exporters)
    processor: RunStampProcessor
    if exporter is not None and (others_export or isinstance(_attached.get(provider), RunSpanProcessor)):
        exporter.shutdown()
        exporter = None
    if exporter is None:
        if provider in _attached:
            return
        processor = RunStampProcessor()
    else:
        processor = RunSpanProcessor(exporter)
    provider.add_span_processor(processor)
    _attached[provider] = processor


def _build_resource(service_name: str | None, project_id: str | None) -> "Resource":
    from opentelemetry.sdk.resources import Resource

    named = {SERVICE_NAME: service_name, REFLECT_PROJECT_ID: project_id}
    return Resource.create({key: value for key, value in named.items() if value})


def _set_up_tracer_provider(resource: "Resource") -> None:
    from opentelemetry.sdk.trace import TracerProvider

    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(TracerProvider(resource=resource))


def _set_up_logger_provider(resource: "Resource", exporter: "LogRecordExporter") -> None:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.environment_variables import OTEL_BLRP_SCHEDULE_DELAY

    if type(_logs.get_logger_provider()).__name__ != "ProxyLoggerProvider":
        return
    provider = LoggerProvider(resource=resource)
    delay_ms = None if os.environ.get(OTEL_BLRP_SCHEDULE_DELAY) else LOG_SCHEDULE_DELAY_MS
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=delay_ms))
    _logs.set_logger_provider(provider)
