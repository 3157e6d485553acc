"""What the documents say is true: their blocks parse, those marked ``run`` do run, commands and codes are complete.

A fenced block whose info string ends in ``run`` is executed, in the order of its document, with ``REFLECT_ENDPOINT``
naming a service of that document. Every other bash and python block must at least parse.
"""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from collector_plugin.cli import app
from collector_plugin.exit_codes import ExitCode

from .journeys.service_process import ServiceProcess

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block: where, in which language, whether to run it."""

    document: Path
    language: str
    run: bool
    text: str


def blocks() -> list[Block]:
    return [
        Block(document, language, info.strip() == "run", text)
        for document in DOCUMENTS
        for language, info, text in _FENCE.findall(document.read_text())
    ]


def block_name(block: Block) -> str:
    return f"{block.document.name}-{block.text.strip().splitlines()[0][:40]}"


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """A service for each document: what one page sets, such as a control group, must not reach another's runs."""
    with ExitStack() as stack:

        @cache
        def find(document: Path) -> ServiceProcess:
            folder = tmp_path_factory.mktemp(document.stem) / "data"
            return stack.enter_context(ServiceProcess(folder, "--settle-seconds", "0.2"))

        yield find


@pytest.mark.parametrize("block", [block for block in blocks() if block.run], ids=block_name)
def test_block_marked_run_does_what_it_says(block, services, tmp_path):
    service = services(block.document)
    command = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[block.language]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "REFLECT_ENDPOINT": service.url,
        "REFLECT_HTTP_ENDPOINT": service.http_url,
    }
    done = subprocess.run(
        [*command, block.text], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "python"], ids=block_name)
def test_python_block_parses(block):
    compile(block.text, str(block.document), "exec")


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "bash"], ids=block_name)
def test_bash_block_parses(block):
    subprocess.run(["bash", "-n", "-c", block.text], check=True, timeout=10)


def test_readme_names_every_command():
    readme = (ROOT / "README.md").read_text()
    commands = typer.main.get_command(app).commands
    assert [name for name in commands if f"`{name}" not in readme] == []


def test_every_command_shows_an_example():
    commands = typer.main.get_command(app).commands
    silent = [name for name, command in commands.items() if f"  reflect-otel {name}" not in (command.epilog or "")]
    assert silent == []


def test_readme_and_help_list_the_exit_codes():
    readme = (ROOT / "README.md").read_text()
    help_text = app.info.epilog
    for code in ExitCode:
        assert f"| {code.value} | {code.meaning} |" in readme
        assert f"{code.value}  {code.meaning}" in help_text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_architecture_names_files_that_exist():
    rows = [row for row in (ROOT / "docs" / "architecture.md").read_text().splitlines() if row.startswith("| ")]
    named = {path for row in rows for path in re.findall(r"`([\w./*]+(?:/|\.py|\.proto))`", row)}
    homes = (
        ROOT,
        ROOT / "collector_plugin",
        ROOT / "reflect_otel",
        *(ROOT / "reflect_otel").iterdir(),
        ROOT / "tests" / "journeys",
    )
    homes += (*(ROOT / "tests" / "unit").iterdir(),)
    assert len(named) > 50
    assert [path for path in sorted(named) if not any(any(home.glob(path.rstrip("/"))) for home in homes)] == []


def test_collector_lines_in_the_readme_are_those_of_the_shipped_configuration():
    shipped = (ROOT / "collector_plugin" / "config" / "collector.yaml").read_text()
    shown = [line for block in blocks() if block.language == "yaml" for line in block.text.splitlines()]
    assert shown
    assert [line for line in shown if line not in shipped] == []
