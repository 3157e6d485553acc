"""Messages about a project from and to the model's types, as the service sees them."""

from typing import Any, Final

from reflect_otel.model.lift import Arm, Lift, LiftReport
from reflect_otel.model.project_settings import SETTING_NAMES, ProjectSettings
from reflect_otel.service.codec import build_timestamp, read_nanoseconds
from reflect_otel.wire.v1 import reflect_pb2 as wire

_MAX_INT64: Final = 2**63 - 1
_GIVEN_AS_A_WHOLE: Final = frozenset(("reviewer_weights", "review_names"))


def read_change(settings: wire.ProjectSettings) -> dict[str, Any]:
    """The values that are set, by name; output-only fields are ignored."""
    change: dict[str, Any] = {
        name: getattr(settings, name)
        for name in SETTING_NAMES
        if name not in _GIVEN_AS_A_WHOLE and settings.HasField(name)
    }
    if settings.reviewer_weights:
        change["reviewer_weights"] = dict(settings.reviewer_weights)
    if settings.review_names:
        change["review_names"] = tuple(settings.review_names)
    return change


def build_settings(settings: ProjectSettings) -> wire.ProjectSettings:
    """Everything that has a value."""
    return wire.ProjectSettings(
        **{name: getattr(settings, name) for name in SETTING_NAMES},
        serving_stopped_reason=settings.serving_stopped_reason,
        serving_stopped_time=build_timestamp(settings.serving_stopped_ns),
        evidence_since=build_timestamp(settings.evidence_since_ns),
    )


def read_since(request: wire.GetLiftRequest) -> int | None:
    """Where the evidence shall begin, Unix nanoseconds; ``None`` when the caller did not say."""
    return min(max(read_nanoseconds(request.since), 0), _MAX_INT64) if request.HasField("since") else None


def build_report(report: LiftReport) -> wire.GetLiftResponse:
    """A lift report."""
    return wire.GetLiftResponse(
        project=_build_lift(report.project),
        agents=map(_build_lift, report.agents),
        memories=map(_build_lift, report.memories),
        control_share=report.control_share,
        since=build_timestamp(report.since_ns),
        half_width=report.half_width,
        harm_evidence=report.harm_evidence,
        harm_limit=report.harm_limit,
        serving_stopped_reason=report.serving_stopped_reason,
        serving_stopped_time=build_timestamp(report.serving_stopped_ns),
    )


def _build_lift(lift: Lift) -> wire.Lift:
    return wire.Lift(
        subject=lift.subject,
        with_memory=_build_arm(lift.with_memory),
        without_memory=_build_arm(lift.without_memory),
        difference=lift.difference,
        low=lift.low,
        high=lift.high,
        runs_needed=lift.runs_needed,
    )


def _build_arm(arm: Arm) -> wire.LiftArm:
    return wire.LiftArm(runs=arm.runs, reviewed=arm.reviewed, passes=arm.passes, mean_reward=arm.mean_reward)
