"""The recorded samples: where they lie, and how they are read."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collector_plugin.commands.read import describe
from collector_plugin.otlp.files import iter_file
from collector_plugin.otlp.json_format import Telemetry
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import Settings
from reflect_otel.runs.grouping import group_runs
from reflect_otel.runs.reviewed import read_reviewed_trajectory

DATA = Path(__file__).parents[2] / "examples" / "data"
SAMPLES = DATA / "otlp-samples"
GOLDEN = Path(__file__).parent
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/expected.json"))
_SHOWN_CHARACTERS = 300


def read_telemetry(*paths: Path) -> Telemetry:
    telemetry = Telemetry()
    for path in paths:
        for found in iter_file(path):
            assert not isinstance(found, InvalidArgument), found
            telemetry.extend(found)
    return telemetry


def read_trajectories(*paths: Path) -> list[Trajectory]:
    telemetry = read_telemetry(*paths)
    assert not telemetry.rejected_spans
    assert not telemetry.rejected_logs
    return [read_reviewed_trajectory(run, Settings()) for run in group_runs(telemetry.spans, telemetry.logs)]


def sample_files(name: str) -> list[Path]:
    return sorted((SAMPLES / name).glob("*.jsonl.gz"))


def whole(trajectory: Trajectory) -> dict[str, Any]:
    """Everything a trajectory says, long texts by their head and digest."""
    steps = [{"messages": len(step.messages), **(step.info or {})} for step in trajectory.steps]
    shown = {**describe(trajectory), "steps": steps, "task_facts": asdict(trajectory.task)}
    return {key: _shorten(value) for key, value in shown.items()}


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        digest = hashlib.sha256(value.encode()).hexdigest()[:12]
        return f"{value[:_SHOWN_CHARACTERS]}… ({len(value)} characters, sha256 {digest})"
    if isinstance(value, dict):
        return {key: _shorten(item) for key, item in value.items()}
    return [_shorten(item) for item in value] if isinstance(value, list) else value


def write_golden(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def expected_runs(name: str) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each run of ``expected.json`` with the facts that its telemetry does not carry."""
    expected = json.loads((SAMPLES / name / "expected.json").read_text(encoding="utf-8"))
    for run in expected["runs"]:
        absent = [fact["fact"] for fact in expected["not_carried"] if fact["run"] == run["name"]]
        yield run, absent
