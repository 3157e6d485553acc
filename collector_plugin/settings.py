"""What ``reflect-otel serve`` is told: flags, environment and files end here."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reflect_otel.errors import ConfigError
from reflect_otel.model.model_call import ModelLimits
from reflect_otel.model.reflection import OFFLINE
from reflect_otel.ports import Settings

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Largest request, also after decompression (OTLP 1.11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What is done with one data folder.

    Attributes:
        data_dir: folder of the journal and the database; made when missing, owned by one process.
        settings: what the use cases read.
        embedder: name in the entry-point group ``reflect_otel.embedders``, or ``auto`` for the best that is set up.
        reflector: name in the entry-point group ``reflect_otel.reflectors``, or ``PROVIDER:MODEL`` with a provider of
            the group ``reflect_otel.language_models``.
        judge: let the language model review runs that nobody reviews.
        judge_delay_seconds: how long after its last span a run is left to other reviewers.
        model_timeout_seconds: longest call to the language model.
        model_limits: what projects may spend on it.
        store: name in the entry-point group ``reflect_otel.stores``.
        index: name in the entry-point group ``reflect_otel.indexes``.
        journal_bytes: journal size at which senders are asked to wait.
    """

    data_dir: Path
    settings: Settings = field(default_factory=Settings)
    embedder: str = "auto"
    reflector: str = OFFLINE
    judge: bool = False
    judge_delay_seconds: float = 60.0
    model_timeout_seconds: float = 60.0
    model_limits: ModelLimits = field(default_factory=ModelLimits)
    store: str = "duckdb"
    index: str = "faiss"
    journal_bytes: int = 8 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Options of one service process.

    Attributes:
        engine: the data folder and what is done with it.
        grpc_address: ``HOST:PORT`` for OTLP and the reflect API; port 0 picks a free one.
        http_address: ``HOST:PORT`` for health and status; port 0 picks a free one.
        insecure: allow other than loopback addresses without keys.
        api_keys: ``KEY:PROJECT`` pairs; empty means that no key is asked for.
        shutdown_seconds: how long SIGTERM waits for requests in flight.
        telemetry: send the service's own spans, events and metrics where the OTEL_* variables say.
    """

    engine: EngineOptions
    grpc_address: str = "127.0.0.1:4317"
    http_address: str = "127.0.0.1:4318"
    insecure: bool = False
    api_keys: tuple[str, ...] = ()
    shutdown_seconds: float = 8.0
    telemetry: bool = False


def check_exposure(options: ServeOptions) -> None:
    """Refuse to listen beyond this machine without keys, unless told so.

    Raises:
        ConfigError: for an address other than loopback with neither keys nor ``insecure``.
    """
    if options.insecure or options.api_keys:
        return
    for address in (options.grpc_address, options.http_address):
        host, _ = split_address(address)
        if not _is_loopback(host):
            raise ConfigError(
                f"refusing to listen on {address} without API keys: anyone who reaches it could read and write "
                "all runs; pass --api-key-file, or --insecure if the network is trusted"
            )


def split_address(address: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPV6]:PORT`` as (host, port).

    Raises:
        ConfigError: when it is neither.
    """
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"address {address!r} is not HOST:PORT, such as 127.0.0.1:4317")
    return host.strip("[]"), int(port)


def join_address(host: str, port: int) -> str:
    """The address that ``split_address`` reads back, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
