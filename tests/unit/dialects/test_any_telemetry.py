"""Whatever arrives, a trajectory comes out: property tests over names that matter and values that do not fit."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector_plugin.commands.read import describe
from reflect_otel.dialects.decoding import decode, unflatten
from reflect_otel.dialects.messages import read_messages
from reflect_otel.dialects.provider_json import read_request, read_response
from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.dialects.recorded_calls import RecordedCallReader
from reflect_otel.dialects.salvage import salvage_json
from reflect_otel.dialects.span_readers import find_readers
from reflect_otel.model.spans import LogRecord, Run, SpanEvent, SpanRecord

NAMES = [
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.usage.input_tokens",
    "gen_ai.response.id",
    "gen_ai.response.finish_reasons",
    "gen_ai.tool.name",
    "gen_ai.tool.call.id",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.content",
    "gen_ai.prompt.0.content.1",
    "gen_ai.prompt.0.tool_calls.0.arguments",
    "gen_ai.completion.0.content",
    "llm.request.type",
    "traceloop.span.kind",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "openinference.span.kind",
    "llm.input_messages.0.message.role",
    "llm.input_messages.0.message.contents.0.message_content.text",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
    "input.value",
    "output.value",
    "metadata",
    "pydantic_ai.all_messages",
    "tool_arguments",
    "reflect.run.id",
    "reflect.task",
    "session.id",
    "error.type",
    "ai.operationId",
    "ai.prompt",
    "ai.prompt.messages",
    "ai.response.toolCalls",
    "ai.toolCall.args",
    "ai.toolCall.result",
    "haystack.component.type",
    "http.response.status_code",
    "langfuse.observation.usage_details",
    "langfuse.observation.cost_details",
    "llm.provider",
    "mlflow.chat.tokenUsage",
    "tool.name",
    *(
        name
        for reader in find_readers()
        if isinstance(reader, RecordedCallReader)
        for names in (reader.layout.claimed, reader.layout.inputs, reader.layout.outputs, reader.layout.usage_keys)
        for name in sorted(names)
    ),
]
WORDS = st.sampled_from(
    [
        "chat",
        "execute_tool",
        "invoke_agent",
        "LLM",
        "TOOL",
        "AGENT",
        "tool",
        "agent",
        "user",
        "assistant",
        "text",
        "google",
        "generation",
        "ai.generateText.doGenerate",
        "OpenAIChatGenerator",
        "",
    ]
)
KEYS = st.sampled_from(
    [
        "role",
        "content",
        "parts",
        "type",
        "text",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "response",
        "result",
        "messages",
        "message",
        "choices",
        "data",
        "kwargs",
        "lc",
        "output",
        "usage",
        "isError",
        "thought",
        "meta",
        "blocks",
        "tool_output",
        "raw_output",
        "candidates",
        "generations",
        "input_str",
        "args",
        "replies",
        "event.name",
    ]
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
CUT_JSON = st.builds(lambda value, cut: json.dumps(value)[: cut + 1], PLAIN, st.integers(0, 200))
VALUES = PLAIN | PLAIN.map(json.dumps) | PLAIN.map(str) | CUT_JSON | st.binary(max_size=9)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=12), VALUES, max_size=6)
EVENT_NAMES = st.sampled_from(
    ["exception", "gen_ai.choice", "gen_ai.user.message", "gen_ai.client.inference.operation.details", "x"]
)
SPAN_IDS = st.integers(1, 6).map(lambda number: number.to_bytes(8, "big"))
SPANS = st.builds(
    SpanRecord,
    trace_id=st.sampled_from([b"1" * 16, b"2" * 16]),
    span_id=SPAN_IDS,
    parent_span_id=st.none() | SPAN_IDS,
    name=st.text(max_size=8),
    kind=st.integers(0, 9),
    start_ns=st.integers(0, 9),
    end_ns=st.integers(0, 9),
    status_code=st.integers(0, 3),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(SpanEvent, name=EVENT_NAMES, attributes=ATTRIBUTES), max_size=2).map(tuple),
    scope_name=st.sampled_from(["", "a", "com.anthropic.sdk.python"]),
)
LOGS = st.builds(LogRecord, span_id=st.none() | SPAN_IDS, event_name=EVENT_NAMES, body=VALUES, attributes=ATTRIBUTES)


@settings(max_examples=60)
@given(st.lists(SPANS, max_size=4), st.lists(LOGS, max_size=3))
def test_any_spans_and_logs_give_a_trajectory(spans: list[SpanRecord], logs: list[LogRecord]) -> None:
    trajectory = read_trajectory(Run(run_id="r", spans=spans, logs=logs))
    assert not [problem for problem in trajectory.problems if "reader failed" in problem]
    json.dumps(describe(trajectory), allow_nan=False).encode()


@given(VALUES)
def test_any_value_gives_messages_requests_and_responses(value: Any) -> None:
    for message in (*read_messages(value), *read_request(value).messages, *read_response(value).messages):
        assert message.content is None or message.content.encode() is not None


@given(PLAIN, st.integers(0, 300))
def test_cut_json_is_read_up_to_the_cut(value: Any, cut: int) -> None:
    text = json.dumps(value)
    saved = salvage_json(text[:cut])
    if cut < len(text) and saved is not None:
        assert type(saved) is type(value)


def test_a_cut_message_keeps_its_head_and_the_cut_is_reported() -> None:
    story = "a long story \U0001f4e6 about parcels"
    whole = json.dumps([{"role": "user", "parts": [{"type": "text", "content": story}]}])
    for cut in range(whole.index("a long") + 1, whole.index('"}]')):
        problems: list[str] = []
        (message,) = read_messages(whole[:cut], problems=problems)
        assert message.content is not None
        assert story.startswith(message.content.rstrip("?"))
        assert problems


@pytest.mark.parametrize("depth", [100, 5000, 100_000])
def test_deeply_nested_values_are_survived(depth: int) -> None:
    text = "[" * depth + "]" * depth
    span = SpanRecord(trace_id=b"1" * 16, span_id=b"1" * 8, attributes={"gen_ai.input.messages": text})
    assert read_trajectory(Run(run_id="r", spans=[span])).run_id == "r"
    assert read_messages([text]) is not None


def test_half_surrogate_pairs_become_writable_text() -> None:
    (message,) = read_messages('[{"role": "user", "content": "cut \\ud83d"}]')
    assert message.content is not None
    assert message.content.encode().startswith(b"cut ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': None, 'b': [True]}", {"a": None, "b": [True]}),
        ('"[1, 2]"', [1, 2]),
        ("{not json", "{not json"),
        ("[INFO] started", "[INFO] started"),
        ('{"a": NaN}', {"a": "NaN"}),
        ("plain", "plain"),
        (
            "{'m': [Message(role=<Role.USER: 'user'>, text='a <b> c')], 'f': <function f.<locals>.g at 0x1f>}",
            {"m": [{"type": "message", "role": "user", "text": "a <b> c"}], "f": None},
        ),
        ("[Message(text='cut", "[Message(text='cut"),
    ],
)
def test_text_is_decoded_only_when_it_stands_for_a_value(text: str, value: Any) -> None:
    assert decode(text) == value


def test_indexed_attributes_spell_lists_in_the_order_of_their_numbers() -> None:
    attributes = {f"p.{index}.role": str(index) for index in (10, 2, 0)}
    assert unflatten(attributes, "p.") == [{"role": "0"}, {"role": "2"}, {"role": "10"}]
