"""What holds for one project, whoever asks: changed at run time, durable, in force from the next call on."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypedDict

from reflect_otel.errors import InvalidArgument

MAX_CONTROL_SHARE: Final = 1.0
MAX_INJECTED: Final = 100
MAX_NAMES: Final = 100
MAX_NAME_CHARACTERS: Final = 200
MAX_COUNT: Final = 2**31 - 1

STOPPED_BY_HAND: Final = "stopped by hand"


class SettingsChange(TypedDict, total=False):
    """What a caller may change; what is absent stays. The fields are those of ``ProjectSettings``.

    ``serving``: False stops serving, True resumes it.
    """

    control_share: float
    max_injected: int | None
    stop_on_harm: bool
    memory_quota: int
    author_quota_per_hour: int
    reviewer_weights: Mapping[str, float]
    spend_ceiling_usd: float | None
    review_names: tuple[str, ...]
    pass_score: float | None
    serving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """The settings of one project; ``None`` leaves a value to the service's own settings.

    Attributes:
        control_share: share of augmentations in [0, 1] that serve no memory, so that lift can be measured.
        max_injected: most memories one augmentation serves, unless the call says otherwise.
        stop_on_harm: stop serving when runs with memories do demonstrably worse than runs without.
        memory_quota: memories the project may hold before the least useful are archived.
        author_quota_per_hour: new memories an author may cause in an hour.
        reviewer_weights: weight in [0, 1] of reviews by source (``llm``) or by ``source:identifier``.
        spend_ceiling_usd: what language models may cost in a UTC day, US dollars; needs the service's prices.
        review_names: evaluations that count as reviews, lower case; empty = the service's.
        pass_score: an evaluation without a pass/fail label passes from this score up.
        serving_stopped_reason: why no memory is served; empty while they are.
        serving_stopped_ns: since when, Unix nanoseconds; 0 while they are.
        evidence_since_ns: what was served or withheld before does not count as evidence about harm.
    """

    control_share: float = 0.0
    max_injected: int | None = None
    stop_on_harm: bool = True
    memory_quota: int = 50_000
    author_quota_per_hour: int = 20
    reviewer_weights: Mapping[str, float] = field(default_factory=dict)
    spend_ceiling_usd: float | None = None
    review_names: tuple[str, ...] = ()
    pass_score: float | None = None
    serving_stopped_reason: str = ""
    serving_stopped_ns: int = 0
    evidence_since_ns: int = 0

    @property
    def serving(self) -> bool:
        """Whether memories are served."""
        return not self.serving_stopped_reason

    def stopped(self, reason: str, now_ns: int) -> "ProjectSettings":
        """The same with serving stopped; a stop that holds already keeps its reason and time."""
        return replace(self, serving_stopped_reason=reason, serving_stopped_ns=now_ns) if self.serving else self

    def resumed(self, now_ns: int) -> "ProjectSettings":
        """The same with serving resumed and the evidence beginning anew; unchanged while serving goes on."""
        if self.serving:
            return self
        return replace(self, serving_stopped_reason="", serving_stopped_ns=0, evidence_since_ns=now_ns)


DEFAULTS: Final = ProjectSettings()

SETTING_NAMES: Final = tuple(sorted(SettingsChange.__annotations__))
"""The names a caller may change or reset."""


def change_settings(
    settings: ProjectSettings, change: Mapping[str, Any], reset: tuple[str, ...], now_ns: int
) -> ProjectSettings:
    """The settings after a change.

    Args:
        settings: as they are.
        change: values by name, of the types of ``SettingsChange``.
        reset: names that get their default back.
        now_ns: when serving stops or resumes, Unix nanoseconds.

    Raises:
        InvalidArgument: a name is unknown or given twice, or a value out of range; ``field`` names it.
    """
    for name in (*change, *reset):
        if name not in SETTING_NAMES:
            raise InvalidArgument(
                f"unknown project setting {name[:60]!r}; there are {', '.join(SETTING_NAMES)}", field="reset"
            )
    for name in set(change) & set(reset):
        raise InvalidArgument(f"{name} is both given and reset; do one of them", field=f"settings.{name}")
    values = {**{name: True if name == "serving" else getattr(DEFAULTS, name) for name in reset}, **change}
    serving = values.pop("serving", settings.serving)
    if "review_names" in values:
        values["review_names"] = tuple(dict.fromkeys(name.strip().lower() for name in values["review_names"]))
    changed = _require_valid(replace(settings, **values))
    return changed.resumed(now_ns) if serving else changed.stopped(STOPPED_BY_HAND, now_ns)


def build_document(settings: ProjectSettings) -> dict[str, Any]:
    """The settings as a JSON object; what has its default is left out."""
    values = {item.name: getattr(settings, item.name) for item in fields(settings)}
    document = {name: value for name, value in values.items() if value != getattr(DEFAULTS, name)}
    for name, value in document.items():
        if isinstance(value, Mapping):
            document[name] = dict(value)
        elif isinstance(value, tuple):
            document[name] = list(value)
    return document


def read_document(document: Mapping[str, Any]) -> ProjectSettings:
    """The settings that ``build_document`` was given; keys of a later release are ignored."""
    known = {item.name for item in fields(ProjectSettings)}
    values = {name: value for name, value in document.items() if name in known}
    if "review_names" in values:
        values["review_names"] = tuple(values["review_names"])
    return ProjectSettings(**values)


def _require_valid(settings: ProjectSettings) -> ProjectSettings:
    for name, (is_valid, wanted) in _RULES.items():
        value = getattr(settings, name)
        if value is not None and not is_valid(value):
            raise InvalidArgument(f"{name} is {str(value)[:60]}; use {wanted}", field=f"settings.{name}")
    return settings


def _is_within(low: float, high: float) -> Callable[[float], bool]:
    return lambda value: low <= value <= high


def _are_names(names: tuple[str, ...]) -> bool:
    return len(names) <= MAX_NAMES and all(map(_is_name, names))


def _are_weights(weights: Mapping[str, float]) -> bool:
    return _are_names(tuple(weights)) and all(0.0 <= weight <= 1.0 for weight in weights.values())


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_CHARACTERS and not any(unicodedata.category(c) in {"Cc", "Cs"} for c in name)


_NAMES: Final = f"at most {MAX_NAMES} names of 1 to {MAX_NAME_CHARACTERS} characters"
_RULES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "control_share": (_is_within(0.0, MAX_CONTROL_SHARE), "a share from 0 to 1, such as 0.05"),
    "max_injected": (_is_within(0, MAX_INJECTED), f"0 to {MAX_INJECTED}"),
    "memory_quota": (_is_within(0, MAX_COUNT), "0 or more memories"),
    "author_quota_per_hour": (_is_within(0, MAX_COUNT), "0 or more memories an hour"),
    "reviewer_weights": (_are_weights, f"{_NAMES} with weights from 0 to 1, such as llm 0.5"),
    "spend_ceiling_usd": (_is_within(0.0, 1e9), "0 or more US dollars"),
    "review_names": (_are_names, _NAMES),
    "pass_score": (_is_within(0.0, 1.0), "a score from 0 to 1"),
}
