"""A run's trajectory with the reward that its own telemetry carries."""

from collections.abc import Iterator
from dataclasses import replace

from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.model.review import Review, ReviewSignal
from reflect_otel.model.reward import build_reward
from reflect_otel.model.spans import Run
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import Settings
from reflect_otel.runs.review_trigger import find_log_review, find_span_reviews


def read_reviewed_trajectory(run: Run, settings: Settings) -> Trajectory:
    """The trajectory, rewarded by the reviews among the run's spans and log events.

    A review that arrives by another way, or later, is kept beside the trajectory, not in it.
    """
    return replace(read_trajectory(run), reward=build_reward(_find_standing(run, settings)))


def _find_standing(run: Run, settings: Settings) -> list[Review]:
    standing: dict[tuple[str, str, str], Review] = {}
    for signal in sorted(_iter_signals(run, settings), key=lambda signal: signal.review.created_ns):
        if signal.withdrawn:
            standing.pop(signal.review.key, None)
        else:
            standing[signal.review.key] = signal.review
    return list(standing.values())


def _iter_signals(run: Run, settings: Settings) -> Iterator[ReviewSignal]:
    for span in run.spans:
        yield from find_span_reviews(span, settings)
    yield from filter(None, (find_log_review(log, settings) for log in run.logs))
