import json

from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.model.plain_json import MAX_DEPTH, TOO_DEEP, from_plain, to_plain
from reflect_otel.store.value_json import read_json, write_json

TEXTS = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(["$bytes", "$pairs", "$float", "\ud800"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | st.binary(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)


@given(VALUES)
def test_every_otlp_value_comes_back_equal(value):
    assert read_json(write_json(value)) == value
    assert from_plain(to_plain(value)) == value


@given(VALUES)
def test_the_text_is_strict_json_that_utf8_can_hold(value):
    def refuse(constant):
        raise AssertionError(constant)

    json.loads(write_json(value).encode("utf-8"), parse_constant=refuse)


def test_nan_is_not_turned_into_null():
    assert read_json(write_json({"a": [float("nan")]}))["a"][0] != read_json("null")
    assert str(read_json(write_json(float("nan")))) == "nan"


def test_values_nested_too_deep_for_any_parser_are_cut_with_a_note():
    value = "leaf"
    for _ in range(5_000):
        value = [value]
    text = write_json(value)
    assert TOO_DEEP in text
    assert text.count("[") == MAX_DEPTH
    assert isinstance(read_json(text), list)


def test_what_is_no_otlp_value_is_kept_as_its_text():
    assert read_json(
        write_json(
            {
                "path": {
                    1,
                }
            }
        )
    ) == {"path": "{1}"}
    assert read_json(write_json({1: ("a", bytearray(b"b"))})) == {1: ["a", b"b"]}
