"""The recorded telemetry that the demo sends: found in a checkout or in the installed package."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from collector_plugin.demo.outcomes import Outcome, read_outcomes
from collector_plugin.otlp.files import iter_file
from collector_plugin.otlp.json_format import Telemetry
from reflect_otel.errors import ConfigError, InvalidArgument

_PACKAGE: Final = Path(__file__).parents[1]
_PLACES: Final = (_PACKAGE.parent / "examples" / "data", _PACKAGE / "demo_data")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRun:
    """One recorded tau-bench run with its known outcome."""

    telemetry: Telemetry
    outcome: Outcome

    @property
    def trace_id(self) -> bytes:
        """The 16 bytes that all spans of the run share."""
        return self.telemetry.spans[0].trace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """Everything the demo sends.

    Attributes:
        instrumentations: by name, what each instrumentation library emitted.
        agent_runs: tau-bench runs in file order.
    """

    instrumentations: dict[str, Telemetry] = field(default_factory=dict)
    agent_runs: list[AgentRun] = field(default_factory=list)


def find_data_dir() -> Path:
    """The folder with the recordings.

    Raises:
        ConfigError: when neither a checkout nor the installed package holds it.
    """
    for place in _PLACES:
        if (place / "trajectories").is_dir():
            return place
    raise ConfigError("the demo's recorded telemetry is not installed; reinstall reflect-otel or use a checkout")


def read_recordings(data_dir: Path) -> Recordings:
    """Read all recordings of a data folder.

    Raises:
        InvalidArgument: when a file is damaged.
    """
    folders = sorted((data_dir / "otlp-samples").iterdir())
    return Recordings(
        instrumentations={folder.name: _read_folder(folder) for folder in folders if folder.is_dir()},
        agent_runs=list(_read_agent_runs(data_dir / "trajectories")),
    )


def _read_folder(folder: Path) -> Telemetry:
    telemetry = Telemetry()
    for path in sorted(folder.glob("*.jsonl.gz")):
        for request in _read_requests(path):
            telemetry.extend(request)
    return telemetry


def _read_agent_runs(folder: Path) -> Iterator[AgentRun]:
    requests = _read_requests(folder / "tau-sample.otlp.jsonl.gz")
    outcomes = read_outcomes(folder / "tau-sample.jsonl.gz")
    for telemetry, outcome in zip(requests, outcomes, strict=True):
        yield AgentRun(telemetry=telemetry, outcome=outcome)


def _read_requests(path: Path) -> Iterator[Telemetry]:
    for request in iter_file(path):
        if isinstance(request, InvalidArgument):
            raise request
        yield request
