"""What commands print: tables and blocks for people, one JSON object a line for programs.

Text that came from telemetry is untrusted: it passes ``printable`` or is JSON before it reaches a terminal.
"""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH: Final = 200
"""Columns of a table that is not shown on a terminal, where nothing tells how wide the reader is."""


def printable(text: str, *, keep_lines: bool = False) -> str:
    """Text with everything made visible that could steer a terminal: escape sequences, direction overrides.

    Args:
        text: untrusted, any length.
        keep_lines: keep line breaks and tabs; otherwise each becomes one space.
    """
    return "".join(_printable_character(character, keep_lines) for character in text.replace("\r\n", "\n"))


def _printable_character(character: str, keep_lines: bool) -> str:
    if character in "\n\t":
        return character if keep_lines else " "
    if character.isprintable():
        return character
    if character.isspace() and ord(character) > 0x9F:
        return " "
    return character.encode("unicode_escape").decode("ascii")


def build_console(*, stderr: bool = False) -> Console:
    """A console that neither interprets nor decorates text, and uses colour only on a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def build_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, fixed: Iterable[str] = ()) -> Table:
    """A borderless table.

    Args:
        columns: headings; one that ends in ``#`` holds numbers and is right-aligned.
        rows: cells; ``None`` shows as a dash, ``Text`` keeps its style, everything else is escaped.
        fixed: headings whose cells are never cut, such as ids.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in columns:
        name = heading.rstrip("#")
        table.add_column(
            name,
            justify="right" if heading.endswith("#") else "left",
            no_wrap=True,
            overflow="fold" if name in fixed else "ellipsis",
            min_width=max(len(name), 32) if name in fixed else None,
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else build_cell(cell) for cell in row))
    return table


def build_cell(value: object) -> Text:
    """One cell: a dash for what is not known, thousands separated, untrusted text escaped."""
    if value is None or value == "":
        return Text("–", style="dim")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, float):
        return Text(f"{value:.2f}")
    return Text(printable(str(value)))


def build_verdict(result: str | None) -> Text:
    """``pass`` in green, ``fail`` in red, the word ``pending`` without a review."""
    styles = {"pass": "green", "fail": "red"}
    return Text(result or "pending", style=styles.get(result or "", "dim"))


def print_json(*values: object) -> None:
    """Each value as one JSON object on one line, ASCII only, dataclasses as objects."""
    for value in values:
        sys.stdout.write(json.dumps(_plain(value), default=str) + "\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value
