"""Messages about a project from and to the model's types, as the service sees them."""

from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from reflect_otel.model.project_settings import SETTING_NAMES, ProjectSettings
from reflect_otel.wire.v1 import reflect_pb2 as wire

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
        serving_stopped_time=_moment(settings.serving_stopped_ns),
        evidence_since=_moment(settings.evidence_since_ns),
    )


def _moment(moment_ns: int) -> Timestamp | None:
    if not moment_ns:
        return None
    moment = Timestamp()
    moment.FromNanoseconds(moment_ns)
    return moment
