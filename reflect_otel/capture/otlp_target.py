"""Where OTLP goes and with which headers: arguments, ``REFLECT_*``, ``OTEL_EXPORTER_OTLP_*``, defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from opentelemetry.util.re import parse_env_headers

from reflect_otel.capture.connection import (
    DEFAULT_ENDPOINT,
    ENV_API_KEY,
    ENV_ENDPOINT,
    ENV_PROJECT_ID,
    build_headers,
    read_setting,
)


@dataclass(frozen=True, slots=True)
class OtlpTarget:
    """What the stock OTLP exporters take; ``insecure=None`` leaves it to the endpoint's scheme."""

    endpoint: str
    headers: dict[str, str]
    insecure: bool | None


def read_otlp_target(
    signal: Literal["TRACES", "LOGS"],
    *,
    endpoint: str | None = None,
    api_key: str | None = None,
    project_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    insecure: bool | None = None,
) -> OtlpTarget:
    """Settle every setting that was not given.

    OTEL_EXPORTER_OTLP_HEADERS go along only to an endpoint from an OTEL variable: they may hold the key of
    another vendor.

    Raises:
        InvalidArgument: for a key or project that cannot travel in a header.
    """
    ours = build_headers(read_setting(api_key, ENV_API_KEY), read_setting(project_id, ENV_PROJECT_ID))
    ours |= {key.lower(): value for key, value in (headers or {}).items()}
    own_endpoint = read_setting(endpoint, ENV_ENDPOINT)
    if own_endpoint is None:
        theirs = parse_env_headers(_read_otel(signal, "HEADERS"), liberal=True)
        return OtlpTarget(_read_otel(signal, "ENDPOINT") or DEFAULT_ENDPOINT, {**theirs, **ours}, insecure)
    if insecure is None and "://" in own_endpoint:
        insecure = own_endpoint.startswith("http://")
    return OtlpTarget(own_endpoint, ours, insecure)


def _read_otel(signal: str, setting: str) -> str:
    of_signal = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_{setting}")
    return of_signal or os.environ.get(f"OTEL_EXPORTER_OTLP_{setting}") or ""
