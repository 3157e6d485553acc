"""From several reviews of one run to one verdict. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reflect_otel.attributes import METADATA_CANCELLED
from reflect_otel.learning.utility import PASS_REWARD
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.reward import find_weight, read_reviewer, weighted_mean
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import TerminationReason, Trajectory

_LONGEST_FEEDBACK: Final = 4_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the reviews of a run come to.

    Attributes:
        reward: in [0, 1]; what the memories served to the run are credited with.
        feedback: the reasons of the reviews that agree with the result, most trusted and newest first.
        alpha: step-size override of the newest review that names one.
        reviewer: the most trusted reviewer, who answers for the reward.
    """

    result: ReviewResult
    reward: float
    feedback: str | None = None
    alpha: float | None = None
    reviewer: str = ""


def build_verdict(reviews: Sequence[Review], weights: Mapping[str, float] | None = None) -> Verdict | None:
    """The verdict, or ``None`` without a review that counts.

    The reward is the mean of the rewards, weighted by trust. The result is the weighted majority of pass and fail;
    a draw is decided by the reward.

    Args:
        reviews: those that stand.
        weights: a project's own reviewer weights (``reward.find_weight``); 0 leaves a reviewer out.
    """
    own = weights or {}
    counted = [review for review in reviews if find_weight(review, own) > 0]
    if not counted:
        return None
    ordered = sorted(counted, key=lambda review: (-find_weight(review, own), -review.created_ns, review.key))
    reward = weighted_mean(ordered, [review.reward for review in ordered], own)
    approval = weighted_mean(ordered, [float(review.result is ReviewResult.PASS) for review in ordered], own)
    passed = approval > 0.5 or (approval == 0.5 and reward >= PASS_REWARD)
    result = ReviewResult.PASS if passed else ReviewResult.FAIL
    newest = sorted(ordered, key=lambda review: -review.created_ns)
    return Verdict(
        result=result,
        reward=reward,
        feedback=_feedback([review for review in ordered if review.result is result]),
        alpha=next((review.alpha for review in newest if review.alpha is not None), None),
        reviewer=read_reviewer(ordered[0]),
    )


def is_cancelled(record: RunRecord, trajectory: Trajectory) -> bool:
    """Whether the run was stopped from outside instead of ending: it says nothing about what it was served.

    By what its telemetry says, or by the metadata ``cancelled`` of a run recorded by the client.
    """
    times = trajectory.execution_metrics
    stopped = times is not None and times.termination_reason is TerminationReason.CANCELLED
    return stopped or bool(record.metadata.get(METADATA_CANCELLED))


def _feedback(reviews: Sequence[Review]) -> str | None:
    texts = (review.feedback.strip() for review in reviews if review.feedback)
    return "\n".join(dict.fromkeys(filter(None, texts)))[:_LONGEST_FEEDBACK] or None
