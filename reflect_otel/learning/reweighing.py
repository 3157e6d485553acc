"""Which runs must be learned from again when a project trusts its reviewers differently."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from reflect_otel.learning.verdict import build_verdict
from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.ports import Store

_PIECE: Final = 1000


def find_reweighed_runs(store: Store, project_id: str, before: ProjectSettings, after: ProjectSettings) -> list[str]:
    """The runs whose reviews come to another verdict by the weights ``after`` than by those ``before``.

    Most have one reviewer, whose weight changes nothing as long as it is not 0.
    """
    if before.reviewer_weights == after.reviewer_weights:
        return []
    found: list[str] = []
    for run_ids in _iter_pieces(store, project_id):
        for run_id, reviews in store.find_reviews(project_id, run_ids).items():
            verdicts = [build_verdict(reviews, settings.reviewer_weights) for settings in (before, after)]
            found += [run_id] if verdicts[0] != verdicts[1] else []
    return found


def _iter_pieces(store: Store, project_id: str) -> Iterator[list[str]]:
    run_ids = iter(store.find_reviewed_runs(project_id))
    while piece := list(islice(run_ids, _PIECE)):
        yield piece
