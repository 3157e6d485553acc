"""Project settings: every change is checked, and the document says exactly what was set."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.project_settings import (
    DEFAULTS,
    STOPPED_BY_HAND,
    ProjectSettings,
    build_document,
    change_settings,
    read_document,
)

SHARES = st.floats(0, 1)
COUNTS = st.integers(0, 2**31 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
SETTINGS = st.builds(
    ProjectSettings,
    control_share=SHARES,
    max_injected=st.none() | st.integers(0, 100),
    stop_on_harm=st.booleans(),
    memory_quota=COUNTS,
    author_quota_per_hour=COUNTS,
    reviewer_weights=st.dictionaries(NAMES, SHARES, max_size=3),
    spend_ceiling_usd=st.none() | st.floats(0, 1e6),
    review_names=st.lists(NAMES, max_size=3).map(tuple),
    pass_score=st.none() | SHARES,
    serving_stopped_reason=st.text(max_size=20),
    serving_stopped_ns=st.integers(0, 2**62),
    evidence_since_ns=st.integers(0, 2**62),
)


@given(SETTINGS)
def test_a_document_loses_nothing(settings):
    assert read_document(build_document(settings)) == settings


def test_a_document_holds_only_what_differs_from_the_defaults():
    assert build_document(DEFAULTS) == {}
    assert build_document(ProjectSettings(max_injected=0)) == {"max_injected": 0}


def test_what_a_later_release_wrote_is_read_as_far_as_it_is_known():
    assert read_document({"max_injected": 2, "of_the_future": [1]}) == ProjectSettings(max_injected=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("control_share", -0.01),
        ("control_share", 1.01),
        ("control_share", math.nan),
        ("max_injected", -1),
        ("max_injected", 101),
        ("memory_quota", -1),
        ("author_quota_per_hour", -1),
        ("reviewer_weights", {"llm": 1.5}),
        ("reviewer_weights", {"llm": math.nan}),
        ("reviewer_weights", {"": 1.0}),
        ("spend_ceiling_usd", -0.1),
        ("spend_ceiling_usd", math.inf),
        ("review_names", ("line\nbreak",)),
        ("review_names", ("",)),
        ("review_names", tuple(f"n{number}" for number in range(101))),
        ("pass_score", 2.0),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(InvalidArgument, match=name) as refused:
        change_settings(DEFAULTS, {name: value}, (), 1)
    assert refused.value.field == f"settings.{name}"


def test_an_unknown_name_is_refused_with_those_there_are():
    for change, reset in (({"control": 0.1}, ()), ({}, ("control",)), ({"serving_stopped_reason": "x"}, ())):
        with pytest.raises(InvalidArgument, match="control_share"):
            change_settings(DEFAULTS, change, reset, 1)


def test_one_name_cannot_be_given_and_reset():
    with pytest.raises(InvalidArgument, match="both given and reset"):
        change_settings(DEFAULTS, {"pass_score": 0.5}, ("pass_score",), 1)


def test_only_what_is_given_changes_and_a_reset_brings_the_default_back():
    first = change_settings(DEFAULTS, {"control_share": 0.05, "review_names": (" Quality ", "quality")}, (), 1)
    assert first == ProjectSettings(control_share=0.05, review_names=("quality",))
    assert change_settings(first, {"max_injected": 1}, ("review_names",), 1) == ProjectSettings(
        control_share=0.05, max_injected=1
    )


def test_serving_stops_by_hand_and_resumes_with_fresh_evidence():
    stopped = change_settings(DEFAULTS, {"serving": False}, (), 5)
    assert (stopped.serving, stopped.serving_stopped_reason, stopped.serving_stopped_ns) == (
        False,
        STOPPED_BY_HAND,
        5,
    )
    assert change_settings(stopped, {"serving": False}, (), 9) == stopped
    for change, reset in (({"serving": True}, ()), ({}, ("serving",))):
        resumed = change_settings(stopped, change, reset, 7)
        assert (resumed.serving, resumed.serving_stopped_ns, resumed.evidence_since_ns) == (True, 0, 7)
        assert change_settings(resumed, change, reset, 8) == resumed
