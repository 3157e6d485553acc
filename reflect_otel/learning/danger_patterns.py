"""The expressions of the safety scan, read once from the text files in ``patterns``."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_FOLDER: Final = files("reflect_otel.learning") / "patterns"
_DEFINITION: Final = " := "


@cache
def load_overrides() -> re.Pattern[str]:
    """Any phrase that tries to take command, in lower-case text in NFKC form."""
    return _compile(_read_sections("overrides.txt")[""], 0)


@cache
def load_forms() -> Mapping[str, re.Pattern[str]]:
    """What no lesson may hold, by the name of its kind."""
    sections = _read_sections("forms.txt")
    return {name: _compile(lines, re.IGNORECASE) for name, lines in sections.items() if lines}


def _compile(lines: Iterable[str], flags: int) -> re.Pattern[str]:
    joined = "|".join(line if "(?P<" in line else f"(?:{line})" for line in lines)
    return re.compile(unicodedata.normalize("NFKC", joined), flags)


def _read_sections(name: str) -> dict[str, list[str]]:
    """The lines of each ``[section]``, with definitions put in; those before the first are the section ''."""
    lines = list(_iter_lines((_FOLDER / name).read_text("utf-8")))
    definitions = dict(line.split(_DEFINITION, 1) for line in lines if _DEFINITION in line)
    sections: dict[str, list[str]] = {"": []}
    section = ""
    for line in lines:
        heading = re.fullmatch(r"\[([a-zA-Z ]+)\]", line)
        if heading:
            section = heading[1]
            sections[section] = []
        elif _DEFINITION not in line:
            sections[section].append(re.sub(r"\{([A-Z_]+)\}", lambda match: definitions[match[1]], line))
    return sections


def _iter_lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip() and not line.startswith("# "))
