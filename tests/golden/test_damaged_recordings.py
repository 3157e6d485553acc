"""Recordings with places cut, emptied or exchanged: always a trajectory, never an exception."""

import gzip
import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector_plugin.commands.read import describe
from collector_plugin.otlp.json_format import Telemetry, read_json
from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.errors import InvalidArgument
from reflect_otel.runs.grouping import group_runs

from .samples import NAMES, read_telemetry, sample_files

ODD: list[Any] = [
    None,
    True,
    -1,
    2**70,
    float("inf"),
    "",
    "{",
    "[[",
    "null",
    '"',
    "\ud83d",
    [],
    {},
    [[]],
    {"kvlistValue": 1},
]
HALF_LENGTH = 700


@cache
def first_request(name: str) -> str:
    """The first export request of a recording, as JSON."""
    with gzip.open(sample_files(name)[-1], "rt", encoding="utf-8") as lines:
        return next(lines)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(NAMES), st.data())
def test_any_damage_gives_trajectories_or_a_typed_refusal(name: str, data: st.DataObject) -> None:
    request = json.loads(first_request(name))
    for _ in range(data.draw(st.integers(1, 4))):
        found = list(places(request))
        container, key = found[data.draw(st.integers(0, len(found) - 1))]
        before = container[key]
        if isinstance(before, str) and data.draw(st.booleans()):
            container[key] = before[: data.draw(st.integers(0, len(before)))]
        else:
            container[key] = deepcopy(data.draw(st.sampled_from(ODD)))
    try:
        telemetry = read_json(json.dumps(request))
    except InvalidArgument:
        return
    read_all(telemetry)


@pytest.mark.parametrize("name", NAMES)
def test_attributes_cut_by_a_length_limit_keep_their_heads(name: str) -> None:
    telemetry = read_telemetry(*sample_files(name))
    whole = read_all(telemetry)
    for span in telemetry.spans:
        span.attributes = {key: cut(value) for key, value in span.attributes.items()}
    damaged = read_all(telemetry)
    assert len(damaged) == len(whole)
    assert sum(len(run["messages"]) for run in damaged) >= sum(bool(run["messages"]) for run in whole)


def cut(value: Any) -> Any:
    return value[:HALF_LENGTH] if isinstance(value, str) else value


def read_all(telemetry: Telemetry) -> list[dict[str, Any]]:
    shown = [describe(read_trajectory(run)) for run in group_runs(telemetry.spans, telemetry.logs)]
    for run in shown:
        json.dumps(run, allow_nan=False).encode()
        assert not [problem for problem in run["problems"] if "reader failed" in problem]
    return shown
