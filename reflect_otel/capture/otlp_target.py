"""Where OTLP goes and how: arguments, ``REFLECT_*``, ``OTEL_EXPORTER_OTLP_*``, defaults."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import grpc
from opentelemetry.util.re import parse_env_headers

from reflect_otel.capture.connection import (
    DEFAULT_ENDPOINT,
    ENV_API_KEY,
    ENV_ENDPOINT,
    ENV_PROJECT_ID,
    build_headers,
    parse_address,
    read_setting,
)
from reflect_otel.errors import InvalidArgument

SignalName = Literal["TRACES", "LOGS"]

DEFAULT_TIMEOUT_SECONDS: Final = 10.0

_COMPRESSIONS: Final = {
    "": grpc.Compression.NoCompression,
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}
_CREDENTIAL_HEADERS: Final = frozenset({"authorization", "x-reflect-client"})


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Contents of the PEM files for TLS; ``None`` stands for gRPC's own roots, or for no client certificate."""

    roots: bytes | None
    client_key: bytes | None
    client_chain: bytes | None


@dataclass(frozen=True, slots=True)
class OtlpTarget:
    """A receiver of OTLP over gRPC and how to speak to it.

    Attributes:
        address: gRPC target such as ``localhost:4317``.
        tls: ``None`` for plaintext.
        headers: metadata of every call.
        compression: of requests.
        timeout_seconds: for one attempt.
    """

    address: str
    tls: TlsFiles | None
    headers: Mapping[str, str]
    compression: grpc.Compression
    timeout_seconds: float

    @property
    def identity(self) -> str:
        """A name for a folder: equal for targets at which the same data belongs to the same project.

        Whoever names a project may change the key; without a project the key stands for it.
        """
        named = self.headers.get("x-reflect-project")
        headers = {k: v for k, v in self.headers.items() if not named or k not in _CREDENTIAL_HEADERS}
        told = repr((self.address, self.tls is not None, sorted(headers.items())))
        readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in self.address)[-40:].strip("-")
        return f"{readable}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def read_otlp_target(
    signal: SignalName,
    *,
    endpoint: str | None = None,
    api_key: str | None = None,
    project_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    insecure: bool | None = None,
    timeout_seconds: float | None = None,
) -> OtlpTarget:
    """Settle every setting that was not given.

    OTEL_EXPORTER_OTLP_HEADERS go along only to an endpoint from an OTEL variable: they may hold the key of
    another vendor.

    Raises:
        InvalidArgument: for a setting that cannot be used; names the variable.
    """
    ours = build_headers(read_setting(api_key, ENV_API_KEY), read_setting(project_id, ENV_PROJECT_ID))
    ours |= {key.lower(): value for key, value in (headers or {}).items()}
    url = read_setting(endpoint, ENV_ENDPOINT)
    if url is None:
        ours = {**parse_env_headers(_read_otel(signal, "HEADERS"), liberal=True), **ours}
        url = _read_otel(signal, "ENDPOINT") or DEFAULT_ENDPOINT
    address, secure = _read_address(signal, url, insecure)
    return OtlpTarget(
        address=address,
        tls=_read_tls_files(signal) if secure else None,
        headers=ours,
        compression=_read_compression(signal),
        timeout_seconds=timeout_seconds or _read_timeout_seconds(signal),
    )


def _read_address(signal: SignalName, url: str, insecure: bool | None) -> tuple[str, bool]:
    """A scheme decides about TLS; for an address without one (``HOST:PORT``, ``unix:PATH``) the settings do."""
    if urlsplit(url).scheme in {"http", "https"}:
        parsed = parse_address(url, field="endpoint")
        return parsed.target, parsed.secure
    if insecure is None:
        insecure = _read_otel(signal, "INSECURE").lower() == "true"
    return url, not insecure


def _read_tls_files(signal: SignalName) -> TlsFiles:
    return TlsFiles(
        roots=_read_pem(signal, "CERTIFICATE"),
        client_key=_read_pem(signal, "CLIENT_KEY"),
        client_chain=_read_pem(signal, "CLIENT_CERTIFICATE"),
    )


def _read_pem(signal: SignalName, setting: str) -> bytes | None:
    path = _read_otel(signal, setting)
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise InvalidArgument(
            f"OTEL_EXPORTER_OTLP_{setting} names {path[:200]!r}, which cannot be read ({error.strerror}); "
            "name a PEM file",
            field=setting.lower(),
        ) from error


def _read_compression(signal: SignalName) -> grpc.Compression:
    text = _read_otel(signal, "COMPRESSION").lower()
    if text not in _COMPRESSIONS:
        raise InvalidArgument(
            f"OTEL_EXPORTER_OTLP_COMPRESSION={text[:60]!r} is unknown; use gzip, deflate or none", field="compression"
        )
    return _COMPRESSIONS[text]


def _read_timeout_seconds(signal: SignalName) -> float:
    text = _read_otel(signal, "TIMEOUT")
    try:
        seconds = float(text or DEFAULT_TIMEOUT_SECONDS)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InvalidArgument(
            f"OTEL_EXPORTER_OTLP_TIMEOUT={text[:60]!r} is no positive number of seconds", field="timeout"
        )
    return seconds


def _read_otel(signal: SignalName, setting: str) -> str:
    of_signal = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_{setting}", "").strip()
    return of_signal or os.environ.get(f"OTEL_EXPORTER_OTLP_{setting}", "").strip()
