"""``reflect-otel serve``: flags and files to options, then the service."""

import logging
import sys
from pathlib import Path

from collector_plugin.settings import EngineOptions, ServeOptions
from reflect_otel.errors import ConfigError
from reflect_otel.ports import Settings

logger = logging.getLogger(__name__)


def run_serve(
    data_dir: Path,
    grpc_address: str,
    http_address: str,
    insecure: bool,
    api_key_file: Path | None,
    settings: Settings,
    embedder: str,
) -> int:
    """Run the service until it is told to stop; the exit code.

    Raises:
        ConfigError: an address, the data folder or the key file cannot be used.
        StoreError: the data folder is held by another process or written by a newer release.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which CPU instructions it lacks, as if a fault
    options = ServeOptions(
        engine=EngineOptions(data_dir=data_dir, settings=settings, embedder=embedder),
        grpc_address=grpc_address,
        http_address=http_address,
        insecure=insecure,
        api_keys=read_api_key_file(api_key_file) if api_key_file else (),
    )
    from collector_plugin.app import serve  # seconds of imports, which a wrong option need not wait for

    return serve(options)


def read_api_key_file(path: Path) -> tuple[str, ...]:
    """The ``KEY:PROJECT`` entries of a key file; empty lines and lines that start with ``#`` are left out.

    Raises:
        ConfigError: the file cannot be read or holds no key.
    """
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read API key file {path}: {error}; pass a readable text file") from error
    if mode & 0o077:
        logger.warning("other users of this machine can read API key file %s; chmod 600 it", path)
    entries = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    if not entries:
        raise ConfigError(f"API key file {path} holds no KEY:PROJECT line; add one, or leave the option out")
    return entries
