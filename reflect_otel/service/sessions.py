"""The runs of one conversation found together, and read as one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, takewhile
from typing import Final

from reflect_otel.dialects.chat_messages import build_chat_message
from reflect_otel.dialects.sessions import merge_runs
from reflect_otel.errors import FailedPrecondition, InvalidArgument, NotFound
from reflect_otel.model.reward import build_reward
from reflect_otel.model.session import Session
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import Trace
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import RunDetail, RunFilter, Store
from reflect_otel.service.run_lookup import RunLookup
from reflect_otel.service.validation import require_id

MAX_SESSION_RUNS: Final = 500
"""Each run of a session may hold the whole conversation before it, so that reading n runs costs up to n squared."""

MAX_SESSION_SPANS: Final = 50_000


class SessionOperations:
    """Use cases about conversations of several runs, and about typed trajectories.

    Args:
        store: where runs are.
        runs: finds them, so that callers see what they wrote.
    """

    def __init__(self, store: Store, runs: RunLookup) -> None:
        self._store = store
        self._runs = runs

    def get_session(self, project_id: str, session_id: str) -> Session:
        """One conversation over all its closed runs.

        Raises:
            InvalidArgument: ``session_id`` is no identifier.
            NotFound: no closed run of this project belongs to it.
            Unavailable: none does yet, and not all that was accepted is processed.
        """
        details, is_cut = self._find_runs(project_id, session_id)
        conversation = merge_runs(self._iter_trajectories(project_id, details))
        runs = self._runs.summarise(project_id, details)
        return _build_session(session_id, details, runs, conversation, is_cut=is_cut)

    def get_trajectory(self, project_id: str, *, trace_id: str = "", session_id: str = "") -> Trajectory:
        """A run, by run id or W3C trace id, or a session in typed form, rewarded by all reviews.

        Exactly one of the ids is given.

        Raises:
            InvalidArgument: none or both are given, or it is no identifier.
            NotFound: no such run or session in this project.
            FailedPrecondition: the run is still open, or could not be read.
        """
        if bool(trace_id) == bool(session_id):
            raise InvalidArgument("give either trace_id or session_id", field="trace_id")
        if trace_id:
            return self._get_run_trajectory(project_id, trace_id)
        details, _ = self._find_runs(project_id, session_id)
        return merge_runs(self._iter_trajectories(project_id, details))

    def _get_run_trajectory(self, project_id: str, trace_id: str) -> Trajectory:
        detail = self._runs.get_run(project_id, trace_id)
        trajectory = next(self._iter_trajectories(project_id, [detail]), None)
        if trajectory is None:
            why = detail.record.last_error or "it is still open; WaitTrace tells when it is read"
            raise FailedPrecondition(f"run {detail.record.run_id!r} has no trajectory: {why}")
        return trajectory

    def _find_runs(self, project_id: str, session_id: str) -> tuple[Sequence[RunDetail], bool]:
        """The session's newest runs in order of their start, and whether older ones were left out."""
        require_id(session_id, "session_id")
        is_settled = self._runs.settle()
        closed = self._find_closed(project_id, session_id)
        if not closed and not is_settled:
            self._runs.require_settled()
            closed = self._find_closed(project_id, session_id)
        if not closed:
            raise NotFound(
                f"no closed run of session {session_id!r} in this project; a run joins its session once it is closed",
                field="session_id",
                resource_type="session",
                resource_name=session_id,
            )
        fitting = _take_fitting(closed)
        ordered = sorted(fitting, key=lambda detail: (detail.record.started_ns, detail.record.first_seen_ns))
        return ordered, len(fitting) < len(closed)

    def _find_closed(self, project_id: str, session_id: str) -> Sequence[RunDetail]:
        found = self._store.find_runs(project_id, RunFilter(session_id=session_id), MAX_SESSION_RUNS + 1)
        return [detail for detail in found if detail.record.state is RunState.CLOSED]

    def _iter_trajectories(self, project_id: str, details: Sequence[RunDetail]) -> Iterator[Trajectory]:
        by_run = {detail.record.run_id: detail for detail in details}
        weights = self._runs.find_weights(project_id)
        for run_id, trajectory in self._store.iter_trajectories(project_id, list(by_run)):
            yield replace(trajectory, reward=build_reward(by_run[run_id].reviews, weights))


def _take_fitting(newest_first: Sequence[RunDetail]) -> Sequence[RunDetail]:
    """As many of the newest runs as may be read together; one in any case."""
    sizes = accumulate(detail.record.span_count for detail in newest_first)
    fitting = sum(1 for _ in takewhile(lambda size: size <= MAX_SESSION_SPANS, sizes))
    return newest_first[: max(1, min(fitting, MAX_SESSION_RUNS))]


def _build_session(
    session_id: str, details: Sequence[RunDetail], runs: tuple[Trace, ...], conversation: Trajectory, *, is_cut: bool
) -> Session:
    records = [detail.record for detail in details]

    def total(name: str) -> int:
        return sum(getattr(record, name) for record in records)

    return Session(
        id=session_id,
        num_turns=conversation.task.num_turns or 0,
        runs=runs,
        trajectory=tuple(map(build_chat_message, conversation.messages)),
        final_response=records[-1].final_response,
        agents=tuple(dict.fromkeys(record.agent for record in records if record.agent)),
        models=tuple(dict.fromkeys(record.model for record in records if record.model)),
        steps=total("steps"),
        llm_calls=total("llm_calls"),
        llm_errors=total("llm_errors"),
        tool_calls=total("tool_calls"),
        tool_errors=total("tool_errors"),
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        started_ns=min((record.started_ns for record in records if record.started_ns), default=0),
        ended_ns=max(record.ended_ns for record in records),
        older_runs_left_out=is_cut,
    )
