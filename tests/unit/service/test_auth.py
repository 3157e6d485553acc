"""Who calls: every place a key may stand in, and that nothing but the key decides the project."""

import base64
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import AuthError, ConfigError, InvalidArgument
from reflect_otel.service.auth import Authenticator, hash_key, require_project_name

KEY, OTHER = "rf_live_0123456789abcdef", "rf_live_fedcba9876543210"
KEYED = Authenticator({hash_key(KEY): "shop", hash_key(OTHER): "bank"})
OPEN = Authenticator({})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        ("authorization", f"Bearer {KEY}"),
        ("Authorization", f"bearer  {KEY} "),
        ("authorization", basic("anyone", KEY)),
        ("authorization", basic("", KEY)),
        ("x-api-key", KEY),
        ("api-key", KEY.encode()),
    ],
)
def test_a_known_key_decides_the_project_wherever_it_stands(header):
    caller = KEYED.authenticate([("user-agent", "otel"), header])
    assert (caller.project_id, caller.bound) == ("shop", True)


def test_the_key_wins_over_the_project_header_and_the_resource_attribute():
    caller = KEYED.authenticate([("x-reflect-project", "bank"), ("x-api-key", KEY)])
    assert caller.project_id == "shop"
    assert caller.project_for("bank") == "shop"


def test_one_valid_key_among_several_is_enough():
    caller = KEYED.authenticate([("authorization", "Bearer of-a-proxy-in-between"), ("x-api-key", OTHER)])
    assert caller.project_id == "bank"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-reflect-project", "shop")],
        [("authorization", "Bearer " + KEY[:-1])],
        [("authorization", f"Bearer {hash_key(KEY)}")],
        [("authorization", KEY)],
        [("authorization", "Basic !!!")],
        [("authorization", "Basic " + base64.b64encode(b"\xff\xfe").decode())],
        [("x-api-key", "")],
        [("cookie", f"key={KEY}")],
    ],
)
def test_a_missing_or_wrong_key_is_refused_without_repeating_it(headers, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthError) as refusal:
        KEYED.authenticate(headers)
    assert KEY[:-1] not in str(refusal.value)
    assert KEY[:-1] not in caplog.text


@given(st.lists(st.tuples(st.sampled_from(["authorization", "x-api-key", "api-key"]), st.text() | st.binary())))
def test_no_header_but_a_known_key_opens_the_door(headers):
    with pytest.raises(AuthError):
        KEYED.authenticate(headers)


def test_without_keys_the_caller_names_the_project():
    assert OPEN.authenticate([("x-reflect-project", "shop")]).project_id == "shop"
    assert OPEN.authenticate([("authorization", "Bearer ignored")]).project_id == "default"
    assert not OPEN.requires_key
    assert KEYED.requires_key


def test_without_keys_and_header_each_resource_names_its_project():
    caller = OPEN.authenticate([])
    assert caller.project_for("shop") == "shop"
    assert caller.project_for(None) == "default"
    assert OPEN.authenticate([("x-reflect-project", "bank")]).project_for("shop") == "bank"
    with pytest.raises(InvalidArgument):
        caller.project_for("../shop")


@pytest.mark.parametrize("name", ["a/b", "a b", "ä", "x" * 101, "a\n", "'; --"])
def test_a_project_name_that_is_no_name_is_refused(name):
    with pytest.raises(InvalidArgument) as refusal:
        OPEN.authenticate([("x-reflect-project", name)])
    assert refusal.value.field == "x-reflect-project"


def test_project_names_may_have_letters_digits_dot_dash_and_underscore():
    assert require_project_name("Team_1.shop-2") == "Team_1.shop-2"


@pytest.mark.parametrize("keys", [{KEY: "shop"}, {hash_key(KEY).upper(): "shop"}, {hash_key(KEY): "no name"}])
def test_keys_that_are_not_hashed_or_have_no_project_are_a_configuration_error(keys):
    with pytest.raises(ConfigError) as refusal:
        Authenticator(keys)
    assert KEY not in str(refusal.value)
