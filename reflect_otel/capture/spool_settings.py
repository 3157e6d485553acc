"""Whether, where and how much an exporter may keep on disk: arguments, ``REFLECT_SPOOL_*``, defaults."""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reflect_otel.capture.connection import read_setting

ENV_SPOOL_BYTES: Final = "REFLECT_SPOOL_BYTES"
ENV_SPOOL_DIR: Final = "REFLECT_SPOOL_DIR"

DEFAULT_SPOOL_BYTES: Final = 256 * 1024 * 1024

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Where spools lie, and how many bytes all of them together may take there; 0 switches the spool off."""

    root: Path
    capacity_bytes: int


def read_spool_settings(
    spool_bytes: int | None = None, spool_dir: str | os.PathLike[str] | None = None
) -> SpoolSettings:
    """Settle what was not given. A wrong number is logged and passed over.

    The default folder is ``reflect-otel/spool`` under XDG_STATE_HOME, else under ``~/.local/state``; for a user
    without a home, in a folder of the user's own under the system's temporary one.
    """
    folder = os.fspath(spool_dir) if spool_dir else read_setting(None, ENV_SPOOL_DIR)
    root = Path(os.path.expanduser(folder)) if folder else _find_state_folder() / "reflect-otel" / "spool"  # noqa: PTH111
    return SpoolSettings(root, _read_bytes(spool_bytes))


def _read_bytes(argument: int | None) -> int:
    given: object = argument if argument is not None else read_setting(None, ENV_SPOOL_BYTES)
    if given is None:
        return DEFAULT_SPOOL_BYTES
    try:
        number = int(str(given))
    except ValueError:
        number = -1
    if number >= 0:
        return number
    _logger.warning(
        "%s=%.60r is no number of bytes; %d is used. 0 switches the spool off.",
        ENV_SPOOL_BYTES,
        given,
        DEFAULT_SPOOL_BYTES,
    )
    return DEFAULT_SPOOL_BYTES


def _find_state_folder() -> Path:
    chosen = os.environ.get("XDG_STATE_HOME", "")
    if Path(chosen).is_absolute():
        return Path(chosen)
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"state-of-user-{os.getuid()}"
