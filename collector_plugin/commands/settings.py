"""``reflect-otel settings``: what holds for a project, and changes of it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from collector_plugin.commands.connection import Connection
from collector_plugin.terminal import build_cell, build_console, print_json, printable
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.project_settings import SETTING_NAMES, ProjectSettings, SettingsChange


def run_settings_show(connection: Connection, *, as_json: bool) -> None:
    """Print the project's settings.

    Raises:
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        settings = client.get_project_settings()
    _print_settings(settings, as_json=as_json)


def run_settings_set(connection: Connection, assignments: Sequence[str], *, as_json: bool) -> None:
    """Change settings and print what holds now.

    Raises:
        InvalidArgument: for an unknown name or a value out of range; nothing was changed.
        TransportError: when the service does not answer.
    """
    change, reset = read_assignments(assignments)
    with connection.open() as client:
        settings = client.update_project_settings(reset=reset, **change)
    _print_settings(settings, as_json=as_json)


def read_assignments(assignments: Sequence[str]) -> tuple[SettingsChange, list[str]]:
    """``NAME=VALUE`` texts as a change, and the names whose value is empty.

    A value is JSON, or plain text where it is none; ``review_names`` may be a list parted by commas.

    Raises:
        InvalidArgument: an assignment has no ``=``, or its name is unknown.
    """
    change: dict[str, Any] = {}
    reset: list[str] = []
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator or name not in SETTING_NAMES:
            raise InvalidArgument(
                f"{assignment!r} is not NAME=VALUE with one of the names {', '.join(SETTING_NAMES)}", field=name
            )
        if text.strip():
            change[name] = _read_value(name, text.strip())
        else:
            reset.append(name)
    return SettingsChange(**change), reset  # type: ignore[typeddict-item]  # the service checks the types


def _read_value(name: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if name != "review_names":
        return value
    return tuple(str(item).strip() for item in (value if isinstance(value, list) else text.split(",")))


def _print_settings(settings: ProjectSettings, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"serving": settings.serving, **{item.name: getattr(settings, item.name) for item in fields(settings)}}
        )
        return
    console = build_console()
    for name, value in _lines(settings):
        console.print(Text(f"{name:>22}  ", style="dim") + value, soft_wrap=True)


def _lines(settings: ProjectSettings) -> Iterator[tuple[str, Text]]:
    for name in SETTING_NAMES:
        yield name, _build_value(getattr(settings, name))
    if settings.evidence_since_ns:
        yield "evidence since", Text(_moment(settings.evidence_since_ns))
    if not settings.serving:
        since = _moment(settings.serving_stopped_ns)
        yield "serving stopped", Text(printable(f"{since}: {settings.serving_stopped_reason}"), style="bold red")


def _moment(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns / 1e9, UTC).isoformat(timespec="seconds")


def _build_value(value: object) -> Text:
    if isinstance(value, bool):
        return Text(str(value).lower())
    if isinstance(value, float):
        return Text(f"{value:g}")
    if isinstance(value, tuple):
        return build_cell(", ".join(value))
    if isinstance(value, dict):
        return build_cell(", ".join(f"{key} {weight:g}" for key, weight in value.items()))
    return build_cell(value)
