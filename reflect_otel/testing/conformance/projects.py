"""The ``ProjectStore`` suite."""

from pathlib import Path
from typing import Final

from reflect_otel.model.project_settings import ProjectSettings
from reflect_otel.ports import LearningOutcome, Store
from reflect_otel.testing.conformance.store_case import (
    OTHER_PROJECT,
    PROJECT,
    StoreCase,
    build_review,
    claim,
    write_run,
)

_FULL: Final = ProjectSettings(
    control_share=0.05,
    max_injected=0,
    stop_on_harm=False,
    memory_quota=7,
    author_quota_per_hour=0,
    reviewer_weights={"llm": 0.25, "human:prüfer": 1.0},
    spend_ceiling_usd=12.5,
    review_names=("quality", "tone"),
    pass_score=0.0,
    serving_stopped_reason="runs with memories passed less",
    serving_stopped_ns=1_700_000_000_123_456_789,
    evidence_since_ns=1_600_000_000_123_456_789,
)


class ProjectStoreConformance(StoreCase):
    """Settings of a project come back as they were written, also from another opening."""

    def test_no_project_has_settings_at_first(self, store: Store) -> None:
        """Nothing was set."""
        assert dict(store.find_project_settings()) == {}

    def test_settings_come_back_as_they_were_written(self, store: Store) -> None:
        """Every field survives; a second write replaces all of them; projects are apart."""
        store.write_project_settings(PROJECT, ProjectSettings(max_injected=9))
        store.write_project_settings(PROJECT, _FULL)
        store.write_project_settings(OTHER_PROJECT, ProjectSettings())
        assert dict(store.find_project_settings()) == {PROJECT: _FULL, OTHER_PROJECT: ProjectSettings()}

    def test_runs_that_a_change_concerns_are_learned_from_again(self, store: Store) -> None:
        """Also one that was claimed before; only reviewed ones have to be; unknown ones are ignored."""
        for number, run_id in enumerate(("a", "b", "never reviewed")):
            write_run(store, run_id, bytes([number + 1]) * 16)
        for run_id in ("a", "b"):
            store.write_review(PROJECT, run_id, build_review())
        assert list(store.find_reviewed_runs(PROJECT)) == ["a", "b"]
        assert list(store.find_reviewed_runs(OTHER_PROJECT)) == []
        first, second = _learn_next(store), claim(store)
        assert second is not None
        store.write_project_settings(PROJECT, _FULL, relearned_run_ids=["a", "b", "unknown"])
        assert not store.write_learning(LearningOutcome(job=second))
        assert {_learn_next(store), _learn_next(store)} == {first, second.run_id}
        assert claim(store) is None
        store.write_withdrawal(PROJECT, "a", build_review().key)
        assert list(store.find_reviewed_runs(PROJECT)) == ["b"]

    def test_settings_outlive_the_store(self, store: Store, tmp_path: Path) -> None:
        """What was written is there after the next opening."""
        store.write_project_settings(PROJECT, _FULL)
        store.close()
        again = self.open_store(tmp_path)
        assert dict(again.find_project_settings()) == {PROJECT: _FULL}
        again.close()


def _learn_next(store: Store) -> str:
    job = claim(store)
    assert job is not None
    assert store.write_learning(LearningOutcome(job=job))
    return job.run_id
