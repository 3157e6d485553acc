"""What the demo prints: each stage in a few plain words, then its result, then the list of checks."""

import itertools
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from collector_plugin.demo.outcomes import Outcome
from collector_plugin.demo.plan import Plan
from collector_plugin.otlp.json_format import Telemetry
from collector_plugin.terminal import Column, build_console, build_lesson, build_table, build_verdict, printable
from reflect_otel.model.memory import AugmentedTask, Memory
from reflect_otel.model.trace import Trace

_FEW_ROWS: Final = 8
_FEW_LESSONS: Final = 5
_WIDTH: Final = 120

_RUN_COLUMNS: Final = (
    Column("task", share=4),
    Column("agent", share=2),
    Column("model", share=2),
    Column("steps", number=True),
    Column("tool errors", number=True),
    Column("tokens", number=True),
    Column("result"),
)
_MOVEMENT_COLUMNS: Final = (
    Column("utility"),
    Column(""),
    Column("passed"),
    Column("kind"),
    Column("memory", share=1),
)

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Movement:
    """A memory that reviewed runs were served, and the utility it had before them."""

    memory: Memory
    before: float

    @property
    def direction(self) -> int:
        """1 when the utility rose, -1 when it fell, 0 when it is where it was."""
        return (self.memory.utility > self.before) - (self.memory.utility < self.before)


class Report:
    """Prints to standard output and keeps the checks.

    Args:
        all_rows: print every run and memory instead of the first few.
    """

    def __init__(self, *, all_rows: bool) -> None:
        self._console = build_console(max_width=_WIDTH)
        self._all_rows = all_rows
        self._checks: list[tuple[str, str, bool]] = []
        self._stage = 0
        self._began = time.monotonic()

    @property
    def all_ok(self) -> bool:
        """True when nothing that was checked has failed."""
        return all(ok for _, _, ok in self._checks)

    def check(self, name: str, found: str, *, ok: bool) -> None:
        """Note what one stage has done."""
        self._checks.append((name, found, ok))

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[], None]]:
        """A progress bar of ``total`` steps; the value given is called after each step."""
        columns = (BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(TextColumn(" "), *columns, console=self._console) as bar:
            task = bar.add_task("", total=total)
            yield lambda: bar.advance(task)

    def print_opening(self, folder: Path) -> None:
        """Say what is about to happen."""
        self._say(
            "reflect-otel demo: telemetry that was recorded from real agents goes, by the stock OpenTelemetry "
            f"exporter, to a real `reflect-otel serve` over the empty folder {folder}. Nothing leaves this machine."
        )

    def print_embedder(self, embedder_id: str, *, is_lexical: bool) -> None:
        """Say what compares tasks and lessons."""
        if is_lexical:
            hint = "compares words, not meanings; `reflect-otel models install minilm` fetches a model that does"
        else:
            hint = "compares meanings"
        self._say(f"Tasks and lessons are compared by the embedder {printable(embedder_id)}, which {hint}.")

    def print_telemetry_stage(self, recorded: Mapping[str, Telemetry]) -> None:
        """Introduce the recordings of the instrumentation libraries."""
        spans = sum(len(telemetry.spans) for telemetry in recorded.values())
        logs = sum(len(telemetry.logs) for telemetry in recorded.values())
        self._head("Reading what agents already emit")
        self._say(
            f"{len(recorded)} instrumentations (OpenAI, Anthropic, LangChain, OpenAI Agents, Pydantic AI, ...), each "
            f"with attributes of its own: {spans} spans and {logs} log events. What one execution of an agent emits "
            "is a run."
        )

    def print_instrumentation_runs(self, traces: Sequence[Trace], names: Mapping[str, str]) -> None:
        """The fullest run of each instrumentation, or every run."""
        named = sorted(
            ((names[trace.trace_ids[0]], trace) for trace in traces), key=lambda pair: (pair[0], -pair[1].steps)
        )
        fullest = [next(group) for _, group in itertools.groupby(named, key=lambda pair: pair[0])]
        shown = named if self._all_rows else fullest
        self._table(
            (Column("recorded with", share=4), *_RUN_COLUMNS), [(name, *_run_cells(trace)) for name, trace in shown]
        )
        self._rest(len(traces) - len(shown), "runs of the same instrumentations")

    def print_first_tries_stage(self, plan: Plan) -> None:
        """Introduce the agent runs with known outcomes."""
        self._head("Learning from runs whose outcome is known")
        self._say(
            f"{len(plan.first)} real runs of customer-service agents (tau-bench), each with a known outcome. It "
            "arrives as a review: in one half of the runs as the span attribute reflect.review.result, in the other "
            "as an OpenTelemetry evaluation event, gen_ai.evaluation.result. From a reviewed run the service draws a "
            "lesson and keeps it as a memory."
        )

    def print_agent_runs(self, traces: Mapping[str, Trace]) -> None:
        """The agent runs, with their outcomes."""
        shown = self._first(list(traces.values()))
        self._table((Column("run"), *_RUN_COLUMNS), [(trace.session_id, *_run_cells(trace)) for trace in shown])
        self._rest(len(traces) - len(shown), "runs")

    def print_memories(self, memories: Sequence[Memory], traces: Mapping[str, Trace]) -> None:
        """The lessons, and which run each was drawn from."""
        self._console.print()
        self._say("What was learned (strategy: what to do; pitfall: what to avoid), and from which run:")
        shown = self._first(memories, _FEW_LESSONS)
        for memory in shown:
            origin = traces.get(memory.created_from)
            source = (
                f"{origin.session_id} ({origin.review.result})" if origin and origin.review else memory.created_from
            )
            self._line(Text.assemble((f"{memory.kind.value:<9}", "bold"), f"from {printable(source)}"))
            self._say(printable(memory.reflection), indent=13)
        self._rest(len(memories) - len(shown), "memories")

    def print_later_tries_stage(self, plan: Plan) -> None:
        """Introduce the runs that ask for memories first."""
        self._head("Finding out which memories help")
        self._say(
            f"{len(plan.later)} later tries at the same tasks. Before each, the agent's side asks for memories "
            "(Augment); after it, the outcome moves the utility of exactly those memories, up on pass and down on "
            "fail. These runs are recordings, so the memories could not change them: this shows the bookkeeping, "
            "not a gain."
        )

    def print_movements(self, moved: Sequence[Movement]) -> None:
        """How the utilities of served memories have moved, the largest movement first."""
        by_size = sorted(moved, key=lambda movement: -abs(movement.memory.utility - movement.before))
        shown = self._first(by_size)
        self._table(_MOVEMENT_COLUMNS, [_movement_cells(movement) for movement in shown])
        self._rest(len(moved) - len(shown), "memories that moved")

    def print_next_prompt(self, outcome: Outcome, augmented: AugmentedTask) -> None:
        """The prompt that the held-out task would get."""
        self._head("The next run")
        self._say(
            f"Task {outcome.task_id} was kept back: the service has seen no run of it. An agent that gets it now is "
            "handed this prompt, the task unchanged and the notes of earlier runs after it:"
        )
        self._console.print()
        self._say(printable(augmented.augmented_task, keep_lines=True), indent=6)

    def print_closing(self, folder: Path) -> None:
        """The checks, and how to look at the same data again."""
        self._head("Did every stage do its work?")
        for name, found, ok in self._checks:
            mark = ("ok    ", "green") if ok else ("FAILED", "bold red")
            self._line(Text.assemble(mark, f"  {name}: {printable(found)}"))
        self._console.print()
        command = _find_command()
        self._say(
            f"Done in {time.monotonic() - self._began:.0f} s. The data stays; to open it again, and look into it:"
        )
        self._console.print()
        for arguments in (f"serve --data-dir {shlex.quote(str(folder))}", "runs", "memories", "augment 'your task'"):
            self._line(Text(f"   {command} {arguments}"))

    def _head(self, title: str) -> None:
        self._stage += 1
        self._console.print()
        self._console.print(Text(f"{self._stage}. {title}", style="bold"))

    def _say(self, words: str, *, indent: int = 3) -> None:
        """Print text wrapped under an indent, each line of it on lines of its own."""
        for line in words.split("\n"):
            wrapped = textwrap.wrap(line, self._console.width - indent) or [""]
            self._console.print(Text(textwrap.indent("\n".join(wrapped), " " * indent)), soft_wrap=True)

    def _line(self, line: Text) -> None:
        self._console.print(Text("   ") + line, soft_wrap=True)

    def _table(self, columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
        self._console.print()
        self._console.print(
            Padding(build_table(columns, rows, width=self._console.width), (0, 0, 0, 3), expand=False)
        )

    def _first(self, rows: Sequence[_Row], few: int = _FEW_ROWS) -> Sequence[_Row]:
        return rows if self._all_rows else rows[:few]

    def _rest(self, count: int, what: str) -> None:
        if count > 0:
            self._line(Text(f"... and {count} more {what}; --all prints them", style="dim"))


def _find_command() -> str:
    """How to call this command again from here: by name when it is on the path, else by its place."""
    script = Path(sys.argv[0])
    on_path = shutil.which("reflect-otel")
    if script.name != "reflect-otel" or (on_path is not None and Path(on_path).samefile(script)):
        return "reflect-otel"
    return str(script.relative_to(Path.cwd())) if script.is_relative_to(Path.cwd()) else str(script)


def _run_cells(trace: Trace) -> Sequence[object]:
    tokens = trace.input_tokens + trace.output_tokens
    result = build_verdict(trace.review.result if trace.review else None)
    return trace.task, trace.agent, trace.model, trace.steps, trace.tool_errors, tokens or None, result


def _movement_cells(movement: Movement) -> Sequence[object]:
    memory = movement.memory
    arrow, style = {1: ("up", "green"), -1: ("down", "red"), 0: ("level", "dim")}[movement.direction]
    utility = f"{movement.before:.2f} -> {memory.utility:.2f}"
    return (
        utility,
        Text(arrow, style=style),
        f"{memory.passes} of {memory.uses}",
        memory.kind.value,
        build_lesson(memory.reflection),
    )
