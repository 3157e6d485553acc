"""``reflect-otel serve``: flags and files to options, then the service."""

import logging
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from collector_plugin.settings import EngineOptions, ServeOptions
from reflect_otel.errors import ConfigError
from reflect_otel.model.model_call import ModelLimits
from reflect_otel.ports import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFlags:
    """The flags about language models; ``price`` is ``INPUT:OUTPUT`` in US dollars for a million tokens."""

    reflector: str
    judge: bool
    timeout_seconds: float
    daily_tokens: int
    daily_usd: float
    price: str


def run_serve(
    data_dir: Path,
    grpc_address: str,
    http_address: str,
    insecure: bool,
    api_key_file: Path | None,
    settings: Settings,
    embedder: str,
    model: ModelFlags,
    *,
    telemetry: bool = False,
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
        engine=EngineOptions(
            data_dir=data_dir,
            settings=settings,
            embedder=embedder,
            reflector=model.reflector,
            judge=model.judge,
            model_timeout_seconds=model.timeout_seconds,
            model_limits=read_limits(model),
        ),
        grpc_address=grpc_address,
        http_address=http_address,
        insecure=insecure,
        api_keys=read_api_key_file(api_key_file) if api_key_file else (),
        telemetry=telemetry,
    )
    from collector_plugin.app import serve  # seconds of imports, which a wrong option need not wait for

    return serve(options)


def read_limits(model: ModelFlags) -> ModelLimits:
    """The budget of each project.

    Raises:
        ConfigError: the price is not two numbers, or a budget in US dollars has no price to be counted with.
    """
    try:
        input_usd, output_usd = (float(part) for part in (model.price or "0:0").split(":"))
    except ValueError:
        input_usd = output_usd = -1.0
    if not (0 <= input_usd < math.inf and 0 <= output_usd < math.inf):
        raise ConfigError(
            f"--model-price {model.price!r} is not INPUT:OUTPUT in USD for a million tokens; try 0.4:1.6"
        )
    if model.daily_usd and not (input_usd or output_usd):
        raise ConfigError("--daily-usd needs --model-price INPUT:OUTPUT to count with")
    return ModelLimits(
        daily_tokens=model.daily_tokens, daily_usd=model.daily_usd, input_usd=input_usd, output_usd=output_usd
    )


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
