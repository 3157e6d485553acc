"""What the use cases read of the service's configuration."""

from dataclasses import dataclass, field, replace

from reflect_otel.model.project_settings import ProjectSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Service settings that the use cases read; the composition root fills it from flags, environment, file.

    Attributes:
        settle_seconds: how long a run whose root has ended waits for late spans.
        idle_seconds: silence after which a run without an ended root is closed.
        review_names: evaluation names that count as reviews, lower case; empty = any with label pass/fail.
        pass_score: an evaluation without a pass/fail label passes from this score up.
        max_run_spans: spans after which a run is closed.
        max_task_bytes: longest task an API call may carry, UTF-8 bytes.
        max_injected: most memories one augmentation serves.
        allowed_hosts: hosts whose addresses may stand in a lesson, lower case; their subdomains too.
        maintenance_seconds: between two rounds of archiving memories that fail or that nobody needs.
    """

    settle_seconds: float = 2.0
    idle_seconds: float = 60.0
    review_names: frozenset[str] = field(default_factory=frozenset)
    pass_score: float = 0.5
    max_run_spans: int = 50_000
    max_run_bytes: int = 256 * 1024 * 1024
    max_task_bytes: int = 256 * 1024
    max_injected: int = 3
    allowed_hosts: frozenset[str] = frozenset()
    maintenance_seconds: float = 3600.0

    def for_project(self, project: ProjectSettings) -> "Settings":
        """These settings with what the project decides for itself."""
        return replace(
            self,
            max_injected=self.max_injected if project.max_injected is None else project.max_injected,
            review_names=frozenset(project.review_names) or self.review_names,
            pass_score=self.pass_score if project.pass_score is None else project.pass_score,
        )
