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

NARROW_WIDTH: Final = 120
"""Below this many columns a table leaves out what can be looked up."""

TINY_WIDTH: Final = 80
"""Below this many columns it leaves out still more, so that ids and words stay whole."""


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


def build_console(*, max_width: int = PIPED_WIDTH, on_stderr: bool = False) -> Console:
    """A console that neither interprets nor decorates text, with colour only on a terminal.

    It writes to standard output, or to standard error where output is for programs.
    """
    console = Console(markup=False, highlight=False, emoji=False, stderr=on_stderr)
    is_terminal = (sys.stderr if on_stderr else sys.stdout).isatty()
    console.width = min(console.width if is_terminal else PIPED_WIDTH, max_width)
    return console


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """How one column of a table behaves.

    Attributes:
        name: its heading.
        share: 0 = as wide as its widest cell, never cut; else its part of the width that is left.
        number: right-aligned.
        wide_only: left out where the table would have fewer than ``NARROW_WIDTH`` columns.
        not_tiny: left out where it would have fewer than ``TINY_WIDTH``.
    """

    name: str
    share: int = 0
    number: bool = False
    wide_only: bool = False
    not_tiny: bool = False


def build_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, width: int) -> Table:
    """A borderless table.

    Args:
        columns: one for each cell of a row.
        rows: ``None`` shows as a dash, ``Text`` keeps its style, everything else is escaped.
        width: columns of the terminal.
    """
    shown = [index for index, column in enumerate(columns) if _is_shown(column, width)]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), expand=True)
    for column in (columns[index] for index in shown):
        table.add_column(
            column.name,
            justify="right" if column.number else "left",
            no_wrap=bool(column.share),  # an id that does not fit goes on in the next line: half of one is of no use
            overflow="ellipsis" if column.share else "fold",
            ratio=column.share or None,
        )
    for row in rows:
        cells = [row[index] for index in shown]
        table.add_row(*(cell if isinstance(cell, Text) else build_cell(cell) for cell in cells))
    return table


def _is_shown(column: Column, width: int) -> bool:
    return not (column.wide_only and width < NARROW_WIDTH) and not (column.not_tiny and width < TINY_WIDTH)


def build_lesson(reflection: str) -> str:
    """A lesson as one cell of a table: without the words that most lessons begin with."""
    return reflection.removeprefix("When the task is like ")


def build_cell(value: object) -> Text:
    """One cell: a dash for what is not known, thousands separated, untrusted text escaped."""
    if value is None or value == "":
        return Text("–", style="dim")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, float):
        return Text(f"{value:.2f}")
    return Text(printable(str(value)))


def count(number: int, one: str, several: str) -> str:
    """``1 memory``, ``2,000 memories``."""
    return f"{number:,} {one if number == 1 else several}"


def build_verdict(result: str | None) -> Text:
    """``pass`` in green, ``fail`` in red, the word ``pending`` without a review."""
    styles = {"pass": "green", "fail": "red"}
    return Text(result or "pending", style=styles.get(result or "", "dim"))


def print_json(*values: object) -> None:
    """Each value as one JSON object on one line, ASCII only, dataclasses as objects."""
    for value in values:
        sys.stdout.write(json.dumps(value, default=_as_json) + "\n")


def _as_json(value: Any) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return value.hex() if isinstance(value, bytes) else str(value)
