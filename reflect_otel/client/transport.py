"""Which way a client takes, by its address: gRPC to a service, or into an engine within this process."""

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from reflect_otel.capture.connection import (
    DEFAULT_ENDPOINT,
    ENV_API_KEY,
    ENV_ENDPOINT,
    ENV_PROJECT_ID,
    build_headers,
    find_embedded_folder,
    parse_address,
    read_setting,
)
from reflect_otel.capture.delivery_ledger import Cargo
from reflect_otel.client.run_telemetry import build_run_request
from reflect_otel.model.trace import DEFAULT_PROJECT
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import Settings, Transport

if TYPE_CHECKING:
    from reflect_otel.capture.outbox import Outbox

TRANSPORTS: Final = "reflect_otel.transports"
"""Entry-point group; ``embedded`` takes (folder, headers) and the options of ``ReflectClient.embedded``."""


def open_transport(
    base_url: str | None,
    api_key: str | None,
    project_id: str | None,
    *,
    spool_bytes: int | None = None,
    spool_dir: str | PathLike[str] | None = None,
) -> "tuple[Transport, Outbox | None]":
    """The way to ``base_url``, and by the disk; what is not given comes from the environment, then from the defaults.

    The second is ``None`` for an engine within this process, which has the disk itself.

    Raises:
        InvalidArgument: when the address, key or project cannot be used.
        PluginError, ConfigError, StoreError: as ``open_embedded``.
    """
    headers = _build_headers(api_key, project_id)
    address = read_setting(base_url, ENV_ENDPOINT) or DEFAULT_ENDPOINT
    folder = find_embedded_folder(address)
    if folder is not None:
        return _open_folder(folder, headers), None
    from reflect_otel.capture.outbox import Outbox, OutboxSettings
    from reflect_otel.client.channel import ServiceChannel

    transport = ServiceChannel(parse_address(address), headers)
    settings = OutboxSettings(address, headers=headers, spool_bytes=spool_bytes, spool_dir=spool_dir)
    return transport, Outbox(Cargo.RUN_RECORDS, settings, build_run_request)


def open_embedded(
    path: str | PathLike[str],
    project_id: str | None,
    *,
    settings: Settings | None,
    embedder: str | None,
    reflector: str | None,
) -> Transport:
    """The way into this process's engine over a data folder, which is started by the first that asks for it.

    Raises:
        InvalidArgument: when the project cannot be used.
        PluginError: the ``server`` extra is not installed, or no such embedder or reflector.
        ConfigError: the folder cannot be used, or is open in this process with other settings.
        StoreLocked: another process has the folder; names its PID.
        StoreError: its content cannot be used.
    """
    headers = _build_headers(None, project_id)
    return _open_folder(path, headers, settings=settings, embedder=embedder, reflector=reflector)


def _build_headers(api_key: str | None, project_id: str | None) -> dict[str, str]:
    return build_headers(
        read_setting(api_key, ENV_API_KEY), read_setting(project_id, ENV_PROJECT_ID) or DEFAULT_PROJECT
    )


def _open_folder(folder: str | PathLike[str], headers: Mapping[str, str], **options: Any) -> Transport:
    transport: Transport = load_plugin(TRANSPORTS, "embedded")(folder, headers, **options)
    return transport
