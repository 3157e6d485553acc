"""``reflect-otel models``: which local models there are, and bringing one onto this machine."""

import sys
from collections.abc import Mapping
from pathlib import Path

from collector_plugin.embedders import choose_embedder_name
from collector_plugin.models.install import install_model
from collector_plugin.terminal import Column, build_console, build_table, print_json, printable
from reflect_otel.errors import InvalidArgument
from reflect_otel.providers.local_models import MODELS, LocalModel, find_fault, find_models_dir

_COLUMNS = (
    Column("model"),
    Column("state"),
    Column("size", number=True),
    Column("licence"),
    Column("folder", share=1),
)


def run_install(name: str, models_dir: Path | None, source: str, given: Path | None, *, as_json: bool) -> None:
    """Install a model, telling on standard error what is done.

    Raises:
        InvalidArgument: no such model, or what was fetched is not it.
        ReflectError: as ``install_model``.
    """
    model = MODELS.get(name)
    if model is None:
        raise InvalidArgument(f"no model named {name!r}; there are: {', '.join(MODELS)}", field="name")
    folder = models_dir or find_models_dir()
    origin = install_model(
        model, folder, source=source, given=given, show_progress=not as_json and sys.stderr.isatty(), tell=_tell
    )
    if as_json:
        print_json({**_fields(model, folder), "source": origin})
    else:
        print(printable(f"{name} is in {model.build_folder(folder)} ({origin})"))


def run_list(models_dir: Path | None, *, as_json: bool) -> None:
    """Print every model that can be installed, and whether it is."""
    folder = models_dir or find_models_dir()
    if as_json:
        print_json(*(_fields(model, folder) for model in MODELS.values()))
        return
    console = build_console()
    rows = [
        (model.name, _find_state(model, folder), model.size_bytes, model.licence, str(model.build_folder(folder)))
        for model in MODELS.values()
    ]
    console.print(build_table(_COLUMNS, rows, width=console.width))
    console.print(f"embedder `auto` stands for {choose_embedder_name('auto')} here")


def _fields(model: LocalModel, models_dir: Path) -> Mapping[str, object]:
    return {
        "name": model.name,
        "state": _find_state(model, models_dir),
        "repository": model.repository,
        "licence": model.licence,
        "size_bytes": model.size_bytes,
        "folder": str(model.build_folder(models_dir)),
        "sha256": {file.name: file.sha256 for file in model.files},
    }


def _find_state(model: LocalModel, models_dir: Path) -> str:
    folder = model.build_folder(models_dir)
    if not folder.is_dir():
        return "not installed"
    return "damaged" if any(find_fault(file, folder / file.name) for file in model.files) else "installed"


def _tell(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)
