"""Chat dictionaries <-> messages: nothing said is lost, and odd input never gets past a typed error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.dialects.chat_messages import build_chat_message, read_chat_messages
from reflect_otel.dialects.parts import RAW_ARGUMENTS
from reflect_otel.errors import InvalidArgument
from reflect_otel.model.trajectory import Message, Role, ToolCall

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
prose = st.text().filter(lambda text: not text.startswith("["))
calls = st.builds(
    lambda call_id, name, arguments: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))},
    },
    st.text(min_size=1),
    st.text(),
    st.dictionaries(st.text().filter(lambda key: key != RAW_ARGUMENTS), json_values, max_size=3),
)
parts = st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text()})
    | st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.dictionaries(st.text(), st.text())}),
    min_size=1,
).filter(lambda items: any(item["type"] != "text" for item in items))
chats = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user"]), "content": prose | parts},
        optional={"name": st.text(min_size=1)},
    ),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": st.none() | prose},
        optional={"tool_calls": st.lists(calls, min_size=1), "reasoning_content": st.text(min_size=1)},
    ),
    st.fixed_dictionaries(
        {"role": st.just("tool"), "content": prose, "tool_call_id": st.text()}, optional={"name": st.text(min_size=1)}
    ),
)


@given(chats)
def test_a_chat_message_comes_back_as_it_was(chat):
    (message,) = read_chat_messages([chat])
    assert build_chat_message(message) == chat


@given(
    st.lists(json_values | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name"]), json_values))
)
def test_odd_input_is_read_or_refused_with_its_place(entries):
    try:
        read_chat_messages(entries)
    except InvalidArgument as refusal:
        assert refusal.field.startswith("trajectory[")  # noqa: PT017 - most inputs are refused, some are fine


def read(chat: object) -> Message:
    return read_chat_messages([chat])[0]


def test_text_parts_become_one_text():
    content = [{"type": "text", "text": "Look"}, {"type": "input_text", "text": "here"}, "now"]
    assert read({"role": "user", "content": content}).content == "Look\nhere\nnow"
    assert read({"role": "user", "content": {"type": "text", "text": "one"}}).content == "one"


def test_arguments_may_be_an_object_json_text_or_anything_else():
    def arguments(value):
        call = {"id": "c1", "function": {"name": "search", "arguments": value}}
        return read({"role": "assistant", "content": None, "tool_calls": [call]}).tool_calls[0].arguments

    assert arguments({"limit": 3}) == {"limit": 3}
    assert arguments('{"limit": 3}') == {"limit": 3}
    assert arguments("") == {}
    assert arguments(None) == {}
    for text in ("[1, 2]", "{broken", "NaN", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100_000):
        assert arguments(text) == {RAW_ARGUMENTS: text}


def test_arguments_that_are_no_json_come_back_unchanged():
    call = ToolCall(id="c1", name="run", arguments={RAW_ARGUMENTS: "{broken"})
    chat = build_chat_message(Message(role=Role.ASSISTANT, tool_calls=(call,)))
    assert chat["tool_calls"][0]["function"]["arguments"] == "{broken"


@pytest.mark.parametrize(
    ("role", "expected"), [("developer", "system"), ("ai", "assistant"), ("Human", "user"), ("function", "tool")]
)
def test_other_vendors_roles_are_understood(role, expected):
    assert read({"role": role, "content": "x"}).role.value == expected


def test_the_older_function_call_form_is_understood():
    message = read({"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}})
    assert message.tool_calls == (ToolCall(name="f", arguments={"a": 1}),)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ("hello", "trajectory[0]"),
        ({"content": "x"}, "trajectory[0].role"),
        ({"role": "narrator", "content": "x"}, "trajectory[0].role"),
        ({"role": "user", "content": 5}, "trajectory[0].content"),
        ({"role": "user", "content": "x", "name": 5}, "trajectory[0].name"),
        ({"role": "assistant", "tool_calls": {}}, "trajectory[0].tool_calls"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "trajectory[0].tool_calls[0]"),
    ],
)
def test_the_field_of_a_refused_message_is_named(entry, field):
    with pytest.raises(InvalidArgument) as refusal:
        read(entry)
    assert refusal.value.field == field


def test_very_deep_content_that_looks_like_parts_stays_text():
    text = '[{"type":"image","x":' + "[" * 60 + "]" * 60 + "}]"
    assert build_chat_message(Message(role=Role.USER, content=text))["content"] == text
