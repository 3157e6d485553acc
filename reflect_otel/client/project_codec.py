"""Messages about a project from and to the model's types, as the calling side sees them."""

from collections.abc import Mapping, Sequence
from typing import Any

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.lift import Arm, Lift, LiftReport, LiftScope
from reflect_otel.model.project_settings import SETTING_NAMES, ProjectSettings
from reflect_otel.wire.v1 import reflect_pb2 as wire


def build_update(change: Mapping[str, Any], reset: Sequence[str]) -> wire.UpdateProjectSettingsRequest:
    """Request of UpdateProjectSettings; empty values and ``None`` become resets.

    Raises:
        InvalidArgument: a name is unknown, or a value of the wrong type.
    """
    for name in change:
        if name not in SETTING_NAMES:
            raise InvalidArgument(
                f"unknown project setting {name!r}; there are {', '.join(SETTING_NAMES)}", field=name
            )
    emptied = [name for name, value in change.items() if value is None or value in ({}, (), [])]
    given = {name: value for name, value in change.items() if name not in emptied}
    settings = wire.ProjectSettings()
    for name, value in given.items():
        try:
            settings.MergeFrom(wire.ProjectSettings(**{name: value}))
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"{name} is of the wrong type or out of range: {error}", field=name) from error
    return wire.UpdateProjectSettingsRequest(settings=settings, reset=[*reset, *emptied])


def read_settings(message: wire.ProjectSettings) -> ProjectSettings:
    """The settings as the service sent them."""
    return ProjectSettings(
        control_share=message.control_share,
        max_injected=message.max_injected if message.HasField("max_injected") else None,
        stop_on_harm=message.stop_on_harm,
        memory_quota=message.memory_quota,
        author_quota_per_hour=message.author_quota_per_hour,
        reviewer_weights=dict(message.reviewer_weights),
        spend_ceiling_usd=message.spend_ceiling_usd if message.HasField("spend_ceiling_usd") else None,
        review_names=tuple(message.review_names),
        pass_score=message.pass_score if message.HasField("pass_score") else None,
        serving_stopped_reason=message.serving_stopped_reason,
        serving_stopped_ns=message.serving_stopped_time.ToNanoseconds(),
        evidence_since_ns=message.evidence_since.ToNanoseconds(),
    )


def build_get_lift(
    agent: str | None, memory_id: str | None, since_ns: int | None, half_width: float
) -> wire.GetLiftRequest:
    """Request of GetLift.

    Raises:
        InvalidArgument: a value of the wrong type.
    """
    try:
        request = wire.GetLiftRequest(agent=agent or "", memory_id=memory_id or "", half_width=half_width)
        if since_ns is not None:
            request.since.FromNanoseconds(since_ns)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"an argument is of the wrong type or out of range: {error}") from error
    return request


def read_report(message: wire.GetLiftResponse) -> LiftReport:
    """A lift report as the service sent it."""
    return LiftReport(
        project=_read_lift(LiftScope.PROJECT, message.project),
        agents=tuple(_read_lift(LiftScope.AGENT, lift) for lift in message.agents),
        memories=tuple(_read_lift(LiftScope.MEMORY, lift) for lift in message.memories),
        control_share=message.control_share,
        since_ns=message.since.ToNanoseconds(),
        half_width=message.half_width,
        harm_evidence=message.harm_evidence,
        harm_limit=message.harm_limit,
        serving_stopped_reason=message.serving_stopped_reason,
        serving_stopped_ns=message.serving_stopped_time.ToNanoseconds(),
    )


def _read_lift(scope: LiftScope, message: wire.Lift) -> Lift:
    return Lift(
        scope=scope,
        subject=message.subject,
        with_memory=_read_arm(message.with_memory),
        without_memory=_read_arm(message.without_memory),
        difference=message.difference if message.HasField("difference") else None,
        low=message.low,
        high=message.high,
        runs_needed=message.runs_needed,
    )


def _read_arm(message: wire.LiftArm) -> Arm:
    return Arm(
        runs=message.runs,
        reviewed=message.reviewed,
        passes=message.passes,
        mean_reward=message.mean_reward if message.HasField("mean_reward") else None,
    )
