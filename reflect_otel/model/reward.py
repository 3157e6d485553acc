"""What several reviews of one run are worth together. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from reflect_otel.model.review import Review, ReviewSource
from reflect_otel.model.trajectory import Reward, RewardComponent

TRUST: Final = {ReviewSource.HUMAN: 1.0, ReviewSource.CODE: 1.0, ReviewSource.LLM: 0.5}
"""Weight of a reviewer: an automatic judge counts half."""

_NO_WEIGHTS: Final[Mapping[str, float]] = {}


def read_reviewer(review: Review) -> str:
    """Who answers for a review: ``source:identifier``, ``source`` alone where it does not say which.

    An evaluation by a program or a model is known by its name, since its identifier may be that of the answer.
    """
    is_evaluation = review.source is not ReviewSource.HUMAN and review.name != "review"
    which = review.name if is_evaluation else review.identifier
    return f"{review.source.value}:{which}" if which else review.source.value


def build_reward(reviews: Iterable[Review], weights: Mapping[str, float] = _NO_WEIGHTS) -> Reward | None:
    """The reviews that count as a trajectory's reward, their mean weighted by trust; ``None`` when none counts.

    Of several reviews with one key the last counts. ``weights`` are as in ``find_weight``.
    """
    distinct = {review.key: review for review in reviews}.values()
    counted = [review for review in distinct if find_weight(review, weights) > 0]
    if not counted:
        return None
    return Reward(
        aggregated_value=weighted_mean(counted, [review.reward for review in counted], weights),
        components=tuple(_build_component(review, find_weight(review, weights)) for review in counted),
    )


def merge_rewards(rewards: Iterable[Reward]) -> Reward | None:
    """The rewards of several runs as one, the mean of all their components weighted as they are; ``None`` of none."""
    components = tuple(component for reward in rewards for component in reward.components)
    weights = sum(component.weight for component in components)
    if not weights:
        return None
    mean = sum(component.weight * component.scaled_value for component in components) / weights
    return Reward(aggregated_value=min(1.0, max(0.0, mean)), components=components)


def find_weight(review: Review, weights: Mapping[str, float] = _NO_WEIGHTS) -> float:
    """How much a review counts: by its reviewer (``read_reviewer``), else its source, else ``TRUST``.

    Args:
        review: the review.
        weights: what a project has set, in [0, 1], by ``source:identifier`` or source.
    """
    return weights.get(read_reviewer(review), weights.get(review.source.value, TRUST[review.source]))


def weighted_mean(
    reviews: Sequence[Review], values: Sequence[float], settings: Mapping[str, float] = _NO_WEIGHTS
) -> float:
    """The mean of one value in [0, 1] per review, weighted by ``find_weight``; one of them must count."""
    weights = [find_weight(review, settings) for review in reviews]
    mean = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
    return min(1.0, max(0.0, mean))


def _build_component(review: Review, weight: float) -> RewardComponent:
    return RewardComponent(
        name=review.name,
        value=review.reward,
        scaled_value=review.reward,
        explanation=review.feedback,
        weight=weight,
    )
