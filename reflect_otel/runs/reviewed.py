"""A run's trajectory with the reward that its own telemetry carries."""

from collections.abc import Iterator
from dataclasses import replace

from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.model.memory import Review
from reflect_otel.model.reward import build_reward
from reflect_otel.model.spans import Run
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import Settings
from reflect_otel.runs.review_trigger import find_log_review, find_span_reviews


def read_reviewed_trajectory(run: Run, settings: Settings) -> Trajectory:
    """The trajectory, rewarded by the reviews among the run's spans and log events.

    A review that arrives by another way, or later, is kept beside the trajectory, not in it.
    """
    return replace(read_trajectory(run), reward=build_reward(_iter_reviews(run, settings)))


def _iter_reviews(run: Run, settings: Settings) -> Iterator[Review]:
    for span in run.spans:
        yield from (signal.review for signal in find_span_reviews(span, settings))
    for log in run.logs:
        signal = find_log_review(log, settings)
        if signal is not None:
            yield signal.review
