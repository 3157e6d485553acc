"""The stages of the demo, in order; each one's result is checked against what was sent."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from opentelemetry.trace import NonRecordingSpan, use_span

from collector_plugin.demo.plan import Plan, add_review, build_plan
from collector_plugin.demo.recordings import AgentRun, Recordings, find_data_dir, read_recordings
from collector_plugin.demo.report import Movement, Report
from collector_plugin.demo.service_process import ServiceProcess, isolate_environment
from collector_plugin.exit_codes import ExitCode
from collector_plugin.otlp.json_format import Telemetry
from collector_plugin.telemetry_sender import TelemetrySender, build_span_context
from reflect_otel.client.client import ReflectClient
from reflect_otel.errors import ConfigError, ReflectError, Unavailable
from reflect_otel.model.memory import INITIAL_UTILITY, AugmentedTask
from reflect_otel.model.notes import NOTES_START
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.trace import Trace
from reflect_otel.runs.grouping import is_agent_span

_WAIT_SECONDS: Final = 30.0
_AUGMENT_SECONDS: Final = 5.0


def run_demo(data_dir: Path | None, *, all_rows: bool) -> ExitCode:
    """Run every stage; ``OK`` only if each did its work.

    Raises:
        ConfigError: the recordings are missing, or ``data_dir`` is not empty.
        Unavailable: the service did not start.
    """
    folder = _prepare_folder(data_dir)
    recordings = read_recordings(find_data_dir())
    report = Report(all_rows=all_rows)
    report.print_opening(folder)
    isolate_environment()
    with ServiceProcess(folder) as service:
        status = service.read_status()
        report.print_embedder(status["embedder"], is_lexical=status["embedder_is_lexical"])
        endpoint = f"http://{service.grpc_address}"
        sender = TelemetrySender(endpoint)
        with ReflectClient(endpoint, project_id="default", augment_timeout=_AUGMENT_SECONDS) as client:
            Demo(recordings, client, sender, report).run()
        sender.close()
    report.check("service", "stopped cleanly on SIGTERM", ok=service.exit_code == 0)
    report.print_closing(folder)
    return ExitCode.OK if report.all_ok else ExitCode.FAILURE


def _prepare_folder(data_dir: Path | None) -> Path:
    if data_dir is None:
        return Path(tempfile.mkdtemp(prefix="reflect-demo-"))
    data_dir.mkdir(parents=True, exist_ok=True)
    if any(data_dir.iterdir()):
        raise ConfigError(f"{data_dir} is not empty; the demo starts from nothing, so name a new folder")
    return data_dir


class Demo:
    """One pass over the recordings against one empty service."""

    def __init__(
        self, recordings: Recordings, client: ReflectClient, sender: TelemetrySender, report: Report
    ) -> None:
        self._recordings = recordings
        self._plan: Plan = build_plan(recordings.agent_runs)
        self._client = client
        self._sender = sender
        self._report = report
        self._served: dict[str, AugmentedTask] = {}

    def run(self) -> None:
        """Every stage in order; one that fails is named and ends the demo."""
        for name, stage in self._stages():
            try:
                stage()
            except ReflectError as error:
                self._report.check(name, str(error), ok=False)
                return

    def _stages(self) -> Sequence[tuple[str, Callable[[], None]]]:
        return (
            ("telemetry", self._send_instrumentations),
            ("first tries", self._send_first_tries),
            ("later tries", self._send_later_tries),
            ("next prompt", self._show_next_prompt),
        )

    def _send_instrumentations(self) -> None:
        recorded = self._recordings.instrumentations
        names = _names_of_runs(recorded)
        self._report.print_telemetry_stage(recorded)
        with self._report.progress(len(recorded) + len(names)) as advance:
            for telemetry in recorded.values():
                self._sender.send(telemetry)
                advance()
            for trace_id in names:
                self._client.wait_for_trace(trace_id, wait_timeout=_WAIT_SECONDS)
                advance()
        traces = self._client.list_traces()
        self._report.print_instrumentation_runs(traces, names)
        self._report.check(
            "telemetry",
            f"{len(traces)} runs recognised in the telemetry of {len(recorded)} instrumentations",
            ok=sorted(trace_id for trace in traces for trace_id in trace.trace_ids) == sorted(names),
        )

    def _send_first_tries(self) -> None:
        runs = self._plan.first
        self._report.print_first_tries_stage(self._plan)
        with self._report.progress(2 * len(runs)) as advance:
            self._send_reviewed(runs, 0, advance)
        traces = self._find_sent(runs)
        self._report.print_agent_runs(traces)
        self._check_reviews("first tries", runs, traces)
        memories = self._client.list_memories()
        self._report.print_memories(memories, traces)
        origins = {memory.created_from for memory in memories}
        known = {trace.id for trace in self._client.list_traces()}
        self._report.check(
            "memories",
            f"{len(memories)} learned, each from a run that was sent",
            ok=bool(memories) and origins <= known,
        )

    def _send_later_tries(self) -> None:
        self._report.print_later_tries_stage(self._plan)
        before = {memory.id: memory.utility for memory in self._client.list_memories()}
        later = self._plan.later
        position = len(self._plan.first)
        with self._report.progress(3 * len(later)) as advance:
            for runs in self._plan.rounds:
                for run in runs:
                    self._served[run.trace_id.hex()] = self._augment(run)
                    advance()
                self._send_reviewed(runs, position, advance)
                position += len(runs)
        traces = self._find_sent(later)
        self._check_reviews("later tries", later, traces)
        self._check_served(traces)
        self._check_movements(before)

    def _show_next_prompt(self) -> None:
        outcome = self._plan.held_out.outcome
        augmented = self._client.augment_with_memories(outcome.first_user)
        self._report.print_next_prompt(outcome, augmented)
        self._report.check(
            "next prompt",
            f"{len(augmented.memories)} memories after a task that has never run",
            ok=bool(augmented.memories)
            and augmented.augmented_task.startswith(outcome.first_user)
            and NOTES_START in augmented.augmented_task,
        )

    def _send_reviewed(self, runs: Sequence[AgentRun], position: int, advance: Callable[[], None]) -> None:
        for index, run in enumerate(runs, position):
            self._sender.send(add_review(run, index))
            advance()
        for run in runs:
            self._client.wait_for_trace(run.trace_id.hex(), require_reviewed=True, wait_timeout=_WAIT_SECONDS)
            advance()

    def _augment(self, run: AgentRun) -> AugmentedTask:
        """Ask for memories as the agent of this run would have: inside its trace."""
        root = run.telemetry.spans[0]
        with use_span(NonRecordingSpan(build_span_context(root.trace_id, root.span_id))):
            augmented = self._client.augment_with_memories(run.outcome.first_user)
        if augmented.degraded:
            raise Unavailable(f"no memories for {run.outcome.conversation_id} within {_AUGMENT_SECONDS} s; try again")
        return augmented

    def _find_sent(self, runs: Sequence[AgentRun]) -> dict[str, Trace]:
        sent = {run.trace_id.hex() for run in runs}
        return {trace.id: trace for trace in reversed(self._client.list_traces()) if trace.id in sent}

    def _check_reviews(self, name: str, runs: Sequence[AgentRun], traces: Mapping[str, Trace]) -> None:
        reviewed = [run for run in runs if _result_of(traces.get(run.trace_id.hex())) == run.outcome.result]
        self._report.check(
            name,
            f"{len(reviewed)} of {len(runs)} runs reviewed with their known outcome",
            ok=len(reviewed) == len(runs),
        )

    def _check_served(self, traces: Mapping[str, Trace]) -> None:
        """The service must know what it served to each run without being told."""
        matching = [
            trace_id
            for trace_id, augmented in self._served.items()
            if {memory.id for memory in augmented.memories} == set(traces[trace_id].retrieved_memory_ids)
        ]
        self._report.check(
            "served",
            f"{len(matching)} of {len(self._served)} runs tied to the memories they were given",
            ok=len(matching) == len(self._served),
        )

    def _check_movements(self, before: Mapping[str, float]) -> None:
        moved = [
            Movement(memory, before.get(memory.id, INITIAL_UTILITY))
            for memory in self._client.list_memories()
            if memory.uses
        ]
        self._report.print_movements(moved)
        rose, fell = (sum(movement.direction == sign for movement in moved) for sign in (1, -1))
        self._report.check("utilities", f"{rose} rose, {fell} fell", ok=rose > 0 and fell > 0)


def _names_of_runs(recorded: Mapping[str, Telemetry]) -> dict[str, str]:
    """Recording by trace id, without traces that only set something up: no agent ran in them."""
    return {
        span.trace_id.hex(): name
        for name, telemetry in recorded.items()
        for span in telemetry.spans
        if is_agent_span(span)
    }


def _result_of(trace: Trace | None) -> ReviewResult | None:
    return trace.review.result if trace is not None and trace.review is not None else None
