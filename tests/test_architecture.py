"""Rules that no single module can keep: sizes, light imports, pinned versions, loadable plugins."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, entry_points, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
MAX_MODULE_LINES = 500
HEAVY = ("grpc", "duckdb", "faiss", "numpy", "opentelemetry.sdk", "starlette", "typer", "rich")
TEXT_SUFFIXES = (".md", ".proto", ".py", ".sql", ".toml", ".txt", ".yaml")

MODULES = sorted(
    path
    for package in ("reflect_otel", "collector_plugin")
    for path in (ROOT / package).rglob("*.py")
    if "wire" not in path.parts
)


def _loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_no_module_outgrows_a_reader():
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES} == {}


def test_every_package_says_what_it_is():
    packages = [path for path in MODULES if path.name == "__init__.py"]
    silent = [str(path) for path in packages if not path.read_text().startswith('"""')]
    assert silent == []


def test_importing_the_library_loads_nothing_heavy():
    assert _loaded_by("import reflect_otel").isdisjoint(HEAVY)


@pytest.mark.parametrize("name", ["ReflectClient", "RunSpanProcessor", "ReflectSpanExporter", "review", "configure"])
def test_the_agent_side_loads_no_database_and_no_server(name):
    loaded = _loaded_by(f"from reflect_otel import {name}")
    assert loaded.isdisjoint({"duckdb", "faiss", "numpy", "starlette", "uvicorn", "typer", "rich", "orjson"})


def test_help_starts_without_the_service():
    loaded = _loaded_by("import collector_plugin.cli")
    assert loaded.isdisjoint({"grpc", "duckdb", "faiss", "numpy", "opentelemetry", "starlette", "rich"})


def test_every_plugin_that_we_declare_can_be_loaded():
    ours = [
        entry
        for group in entry_points().groups
        for entry in entry_points(group=group)
        if entry.value.startswith(("reflect_otel.", "collector_plugin."))
    ]
    assert len(ours) > 5
    for entry in ours:
        assert entry.load() is not None


def test_every_dependency_is_pinned():
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    pinned = {canonicalize_name(name) for name in pins}
    assert _dependencies("reflect-otel", "dev") - pinned == set()


def _dependencies(name: str, *extras: str) -> set[str]:
    """Names of all distributions that an installation of ``name[extras]`` brings on this machine."""
    found: set[str] = set()
    wanted = [(name, ("", *extras))]
    while wanted:
        distribution, chosen = wanted.pop()
        try:
            requirements = [Requirement(text) for text in requires(distribution) or ()]
        except PackageNotFoundError:
            requirements = []
        for requirement in requirements:
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in chosen):
                continue
            key = canonicalize_name(requirement.name)
            if key not in found or requirement.extras:
                wanted.append((requirement.name, ("", *requirement.extras)))
            found.add(key)
    return found - {"reflect-otel"}


def test_no_file_names_the_machine_it_was_written_on():
    places = [place.encode() + b"/" for place in (str(ROOT), sys.prefix) if place.count("/") > 1]
    texts = (path for path in ROOT.rglob("*") if path.suffix in TEXT_SUFFIXES and not _is_hidden(path))
    assert [path.name for path in texts if any(place in path.read_bytes() for place in places)] == []


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.relative_to(ROOT).parent.parts)
