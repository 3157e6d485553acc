"""Models that run on this machine: where their files lie, and that they are the files they should be.

Nothing is fetched here; ``reflect-otel models install`` does that. Files are only ever used after their SHA-256 sum
was compared with the one below, so that neither a broken download nor a swapped file is taken for the model.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reflect_otel.errors import ConfigError

ENV_MODELS_DIR: Final = "REFLECT_MODELS_DIR"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: ``size_bytes`` and ``sha256`` (lowercase hex) identify its content."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model that can be installed.

    Attributes:
        name: what the command line and the entry point call it.
        repository: its name on the model hub; its last part is its folder's name here.
        licence: SPDX identifier of the weights.
        files: all that is needed to run it.
    """

    name: str
    repository: str
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)

    def build_folder(self, models_dir: Path) -> Path:
        """Where its files lie under ``models_dir``."""
        return models_dir / self.repository.rpartition("/")[2]


WEIGHTS: Final = ModelFile(
    "model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
)
TOKENIZER: Final = ModelFile(
    "tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
)
MINILM: Final = LocalModel(
    name="minilm",
    repository="sentence-transformers/all-MiniLM-L6-v2",
    licence="Apache-2.0",
    files=(WEIGHTS, TOKENIZER),
)
MODELS: Final[Mapping[str, LocalModel]] = {MINILM.name: MINILM}
"""Every model that can be installed, by name."""


def find_models_dir() -> Path:
    """The folder of installed models: ``REFLECT_MODELS_DIR``, else ``reflect-otel/models`` among the user's data.

    The user's data is XDG_DATA_HOME, else ``~/.local/share``; for a user without a home, a folder of the user's own
    under the system's temporary one.
    """
    if chosen := os.environ.get(ENV_MODELS_DIR, "").strip():
        return Path(os.path.expanduser(chosen))  # noqa: PTH111 - Path.expanduser raises for a user without a home
    return _find_data_dir() / "reflect-otel" / "models"


def is_installed(model: LocalModel, models_dir: Path) -> bool:
    """Whether all files are there in their sizes; ``find_fault`` also compares their sums."""
    folder = model.build_folder(models_dir)
    return all(_size(folder / file.name) == file.size_bytes for file in model.files)


def find_fault(file: ModelFile, path: Path) -> str:
    """Why ``path`` is not that file; empty when it is. Reads it all: a tenth of a second for 100 MB."""
    if (size := _size(path)) != file.size_bytes:
        return f"{path.name} is missing" if size < 0 else f"{path.name} has {size} bytes instead of {file.size_bytes}"
    try:
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})"
    return "" if found == file.sha256 else f"{path.name} has SHA-256 {found} instead of {file.sha256}"


def get_model_folder(model: LocalModel) -> Path:
    """The folder with the model's files, every one of them checked.

    Raises:
        ConfigError: a file is missing or is not what it should be; names the command that mends it.
    """
    models_dir = find_models_dir()
    folder = model.build_folder(models_dir)
    if not folder.is_dir():
        raise ConfigError(f"{model.name} is not installed in {models_dir}; run `reflect-otel models install minilm`")
    for file in model.files:
        if fault := find_fault(file, folder / file.name):
            raise ConfigError(
                f"{model.name} in {folder} cannot be used: {fault}; run `reflect-otel models install {model.name}`"
            )
    return folder


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


def _find_data_dir() -> Path:
    chosen = os.environ.get("XDG_DATA_HOME", "")
    if Path(chosen).is_absolute():
        return Path(chosen)
    try:
        return Path.home() / ".local" / "share"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"data-of-user-{os.getuid()}"
