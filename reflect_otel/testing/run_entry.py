"""What the in-memory store keeps of one run."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from reflect_otel.model.model_call import ModelCall
from reflect_otel.model.reflection import ReflectionRecord
from reflect_otel.model.review import Review, ReviewResult, ReviewStatus
from reflect_otel.model.review_keys import ReviewKey
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.ports import LearningJob, LearningOutcome, RunDetail, RunFilter


@dataclass(slots=True)
class RunEntry:
    """All that is stored about one run. ``reviewed`` counts changes of its reviews, ``learned`` those taken in.

    ``changed_ns`` is the time of the newest word of each review's key; a withdrawn key keeps it in ``withdrawn``.
    """

    record: RunRecord
    trajectory: Trajectory | None = None
    reviews: dict[tuple[str, str, str], Review] = field(default_factory=dict)
    changed_ns: dict[ReviewKey, int] = field(default_factory=dict)
    withdrawn: dict[ReviewKey, int] = field(default_factory=dict)
    created_memory_id: str | None = None
    reflection: ReflectionRecord | None = None
    result: ReviewResult | None = None
    reward: float = 0.0
    reviewed: int = 0
    learned: int = 0
    claimed: int = 0
    queued: int = 0
    attempts: int = 0
    parked: bool = False
    last_error: str = ""

    def queue(self, place: int) -> None:
        """Order that it is learned from again, behind those with a lower place."""
        self.reviewed += 1
        self.attempts, self.parked, self.last_error = 0, False, ""
        self.queued = place

    def claim(self) -> LearningJob:
        """Give its job out, as its reviews are now."""
        self.claimed = self.reviewed
        return LearningJob(
            project_id=self.record.project_id,
            run_id=self.record.run_id,
            attempts=self.attempts,
            last_error=self.last_error,
        )

    def learn(self, outcome: LearningOutcome) -> None:
        """End its job."""
        self.learned, self.attempts, self.last_error = self.claimed, 0, ""
        self.created_memory_id = outcome.memory.id if outcome.memory else None
        self.reflection = outcome.reflection or self.reflection
        self.result, self.reward = outcome.result, outcome.reward


def is_claimable(entry: RunEntry) -> bool:
    """Whether the run's reviews can be learned from now."""
    return entry.reviewed > entry.learned and not entry.parked and entry.record.state is RunState.CLOSED


def is_unjudged(entry: RunEntry, calls: Sequence[ModelCall], since_ns: int, until_ns: int, max_tries: int) -> bool:
    """Whether a judge may look at the run; ``calls`` are those made to judge it."""
    record = entry.record
    tried = [call for call in calls if call.started_ns >= since_ns]
    return (
        record.state is RunState.CLOSED
        and not record.last_error
        and not entry.reviews
        and since_ns <= record.last_seen_ns < until_ns
        and len(tried) < max_tries
        and all(call.error for call in tried)
    )


def matches(detail: RunDetail, only: RunFilter) -> bool:
    """Whether the run passes the filter."""
    status = ReviewStatus.REVIEWED if detail.reviews and detail.learned else ReviewStatus.PENDING
    record = detail.record
    return (
        only.review_status in (None, status.value)
        and only.agent in (None, record.agent)
        and only.session_id in (None, record.session_id)
        and (only.before is None or (record.first_seen_ns, record.run_id) < only.before)
    )


def age(detail: RunDetail) -> tuple[int, str]:
    """The order of runs in lists: newer is greater."""
    return detail.record.first_seen_ns, detail.record.run_id
