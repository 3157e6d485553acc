"""Page tokens: opaque, bound to their list, and never an unexpected error."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import InvalidArgument
from reflect_otel.service.paging import (
    MAX_PAGE_BYTES,
    build_page,
    build_page_token,
    count_text_bytes,
    read_page_token,
    require_page_size,
)

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


def page_of(found, page_size, item_bytes=1):
    return build_page(found, page_size, SCOPE, lambda item: (item, str(item)), lambda item: item_bytes)


def test_a_page_says_whether_there_is_another():
    page = page_of([3, 2, 1], 2)
    assert page.items == (3, 2)
    assert read_page_token(SCOPE, page.next_page_token) == (2, "2")
    assert page_of([3, 2], 2).next_page_token == ""
    assert page_of([], 2).items == ()


@pytest.mark.parametrize(("item_bytes", "expected"), [(MAX_PAGE_BYTES // 2, (3, 2)), (MAX_PAGE_BYTES + 1, (3,))])
def test_a_page_of_large_items_ends_early_but_never_empty(item_bytes, expected):
    page = page_of([3, 2, 1], 3, item_bytes)
    assert page.items == expected
    assert read_page_token(SCOPE, page.next_page_token) == (expected[-1], str(expected[-1]))


def test_text_is_counted_by_what_it_may_need_on_the_wire():
    assert count_text_bytes("abc", None, "", "ä") == 3 + 4


def test_page_sizes_outside_the_range_are_refused():
    assert require_page_size(0) == 100
    assert require_page_size(1000) == 1000
    for size in (-1, 1001):
        with pytest.raises(InvalidArgument, match="page_size"):
            require_page_size(size)
