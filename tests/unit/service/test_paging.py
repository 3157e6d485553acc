"""Page tokens: opaque, bound to their list, and never an unexpected error."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import InvalidArgument
from reflect_otel.service.paging import build_page, build_page_token, read_page_token, require_page_size

SCOPE = ("traces", "shop", "pending", None)
keys = st.tuples(st.integers(0, 2**63 - 1), st.text(max_size=100))


@given(keys)
def test_a_token_brings_back_where_the_next_page_starts(key):
    assert read_page_token(SCOPE, build_page_token(SCOPE, key)) == key


def test_no_token_is_the_first_page():
    assert read_page_token(SCOPE, "") is None


@pytest.mark.parametrize("other", [("traces", "bank", "pending", None), ("memories", "shop"), (*SCOPE[:3], "agent")])
def test_a_token_of_another_project_list_or_filter_is_refused(other):
    with pytest.raises(InvalidArgument, match="another list or filter") as refusal:
        read_page_token(other, build_page_token(SCOPE, (1, "run")))
    assert refusal.value.field == "page_token"


@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_damaged_token_is_a_typed_error(token):
    with pytest.raises(InvalidArgument):
        read_page_token(SCOPE, token)


def test_a_page_says_whether_there_is_another():
    page = build_page([3, 2, 1], 2, SCOPE, lambda item: (item, str(item)))
    assert page.items == (3, 2)
    assert read_page_token(SCOPE, page.next_page_token) == (2, "2")
    assert build_page([3, 2], 2, SCOPE, lambda item: (item, str(item))).next_page_token == ""
    assert build_page([], 2, SCOPE, lambda item: (item, str(item))).items == ()


def test_page_sizes_outside_the_range_are_refused():
    assert require_page_size(0) == 100
    assert require_page_size(1000) == 1000
    for size in (-1, 1001):
        with pytest.raises(InvalidArgument, match="page_size"):
            require_page_size(size)
