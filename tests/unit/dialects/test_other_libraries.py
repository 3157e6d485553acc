"""Spans as backends and frameworks write them, cut down from recordings of the real libraries."""

import json
from typing import Any

import pytest

from reflect_otel.model.spans import StatusCode
from reflect_otel.model.trajectory import Message, Role, Trajectory, TrajectoryMetrics

from .spans import read, span

CALL = {"id": "call_1", "type": "function", "function": {"name": "lookup_order", "arguments": '{"order_id": "A-1"}'}}
REQUEST = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is A-1?"}],
}
ASKS = {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]}
ANSWERED = [*REQUEST["messages"], ASKS, {"role": "tool", "tool_call_id": "call_1", "content": "stuck"}]
USAGE = {"prompt_tokens": 412, "completion_tokens": 87, "prompt_tokens_details": {"cached_tokens": 256}}


def told(trajectory: Trajectory) -> list[tuple[Role, str | None]]:
    return [(message.role, message.content) for message in trajectory.messages]


def counts(trajectory: Trajectory) -> TrajectoryMetrics:
    assert trajectory.metrics is not None
    return trajectory.metrics


def langfuse() -> list[Any]:
    kind, entered, left = (f"langfuse.observation.{name}" for name in ("type", "input", "output"))
    model = {"langfuse.observation.model.name": "gpt-4o-mini", "session.id": "conv-1"}
    usage = {"langfuse.observation.usage_details": json.dumps(USAGE)}
    return [
        span(1, {kind: "agent"}, name="support"),
        span(
            2, {kind: "generation", entered: json.dumps(REQUEST), left: json.dumps(ASKS), **model, **usage}, parent=1
        ),
        span(4, {kind: "tool", entered: '{"order_id": "A-1"}', left: '"stuck"'}, parent=1, name="lookup_order"),
        span(
            6,
            {
                kind: "generation",
                entered: json.dumps({"messages": ANSWERED}),
                left: '{"role": "assistant", "content": "Soon."}',
                **model,
            },
            parent=1,
        ),
    ]


def langsmith() -> list[Any]:
    facts = {"gen_ai.request.model": "gpt-4o-mini", "langsmith.metadata.session_id": "conv-1"}
    usage = {"gen_ai.usage.input_tokens": 412, "gen_ai.usage.output_tokens": 87}
    return [
        span(1, {"langsmith.span.kind": "chain", "gen_ai.completion": '{"output": "Soon."}'}, name="support"),
        span(
            2,
            {
                "langsmith.span.kind": "llm",
                "gen_ai.operation.name": "chat",
                "gen_ai.prompt": json.dumps(REQUEST),
                "gen_ai.completion": json.dumps({"choices": [{"message": ASKS, "finish_reason": "tool_calls"}]}),
                "langsmith.metadata.usage_metadata": json.dumps(
                    {"input_tokens": 412, "output_tokens": 87, "input_token_details": {"cache_read": 256}}
                ),
                **facts,
                **usage,
            },
            parent=1,
        ),
        span(
            4,
            {
                "langsmith.span.kind": "tool",
                "gen_ai.tool.name": "lookup_order",
                "gen_ai.prompt": "{\"input\": \"{'order_id': 'A-1'}\"}",
                "gen_ai.completion": '{"output": "stuck"}',
            },
            parent=1,
        ),
        span(
            6,
            {
                "langsmith.span.kind": "llm",
                "gen_ai.operation.name": "chat",
                "gen_ai.prompt": json.dumps({"messages": ANSWERED}),
                "gen_ai.completion": '{"choices": [{"message": {"role": "assistant", "content": "Soon."}}]}',
                **facts,
            },
            parent=1,
        ),
    ]


def mlflow() -> list[Any]:
    kind, entered, left = "mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs"
    counts = {"mlflow.chat.tokenUsage": '{"input_tokens": 412, "output_tokens": 87, "cache_read_input_tokens": 256}'}
    answer = {"choices": [{"message": {"role": "assistant", "content": "Soon."}}]}
    return [
        span(1, {kind: '"AGENT"', "mlflow.trace.session": '"conv-1"'}, name="support"),
        span(
            2,
            {
                kind: '"CHAT_MODEL"',
                entered: json.dumps(REQUEST),
                left: json.dumps({"choices": [{"message": ASKS}]}),
                **counts,
            },
            parent=1,
        ),
        span(4, {kind: '"TOOL"', entered: '{"order_id": "A-1"}', left: '"stuck"'}, parent=1, name="lookup_order"),
        span(
            6, {kind: '"CHAT_MODEL"', entered: json.dumps({"messages": ANSWERED}), left: json.dumps(answer)}, parent=1
        ),
    ]


def vercel_ai() -> list[Any]:
    facts = {
        "ai.model.id": "gpt-4o-mini",
        "ai.telemetry.functionId": "support",
        "ai.telemetry.metadata.sessionId": "conv-1",
    }
    calls = [{"toolCallId": "call_1", "toolName": "lookup_order", "input": '{"order_id": "A-1"}'}]
    part = {"toolCallId": "call_1", "toolName": "lookup_order"}
    history = [
        *REQUEST["messages"],
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool-call", **part, "input": {"order_id": "A-1"}},
            ],
        },
        {"role": "tool", "content": [{"type": "tool-result", **part, "output": {"type": "text", "value": "stuck"}}]},
    ]
    totals = {"ai.usage.inputTokens": 1000, "ai.usage.outputTokens": 100}
    return [
        span(1, {"ai.operationId": "ai.generateText", "ai.response.text": "Soon.", **totals, **facts}),
        span(
            2,
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.prompt.messages": json.dumps(REQUEST["messages"]),
                "ai.response.text": "Let me look.",
                "ai.response.toolCalls": json.dumps(calls),
                "ai.usage.inputTokens": 412,
                "ai.usage.outputTokens": 87,
                "ai.usage.cachedInputTokens": 256,
                **facts,
            },
            parent=1,
        ),
        span(
            4,
            {
                "ai.operationId": "ai.toolCall",
                "ai.toolCall.name": "lookup_order",
                "ai.toolCall.id": "call_1",
                "ai.toolCall.args": '{"order_id": "A-1"}',
                "ai.toolCall.result": '"stuck"',
            },
            parent=1,
        ),
        span(
            6,
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.prompt.messages": json.dumps(history),
                "ai.response.text": "Soon.",
                **facts,
            },
            parent=1,
        ),
    ]


@pytest.mark.parametrize("record", [langfuse, langsmith, mlflow, vercel_ai])
def test_each_backend_tells_the_same_story(record: Any) -> None:
    got = read(*record())
    assert told(got) == [
        (Role.SYSTEM, "Be brief."),
        (Role.USER, "Where is A-1?"),
        (Role.ASSISTANT, "Let me look."),
        (Role.TOOL, "stuck"),
        (Role.ASSISTANT, "Soon."),
    ]
    calls = got.messages[2].tool_calls or ()
    assert [(call.id, call.name, call.arguments) for call in calls] == [
        ("call_1", "lookup_order", {"order_id": "A-1"})
    ]
    told_counts = counts(got)
    assert (told_counts.llm_calls, told_counts.num_tool_calls) == (2, 1)
    assert (told_counts.input_tokens, told_counts.output_tokens) == (412, 87)
    assert told_counts.cached_input_tokens == 256
    assert (got.agent, got.model, got.final_response) == ("support", "gpt-4o-mini", "Soon.")
    assert got.task.conversation_id == "conv-1"
    assert not got.inferred


def test_langfuse_counts_that_leave_cached_tokens_out_are_added_up() -> None:
    details = {"input": 156, "output": 71, "total": 499, "input_cache_read": 256, "output_reasoning": 16}
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(details),
    }
    got = counts(read(span(1, attributes)))
    assert (got.input_tokens, got.output_tokens) == (412, 87)
    assert (got.cached_input_tokens, got.reasoning_output_tokens) == (256, 16)


def test_messages_of_frameworks_are_read_from_their_python_form() -> None:
    user = "ChatMessage(_role=<ChatRole.USER: 'user'>, _content=[TextContent(text='Where is \"A-1\"?')], _meta={})"
    called = "ToolCall(tool_name='lookup_order', arguments={'order_id': 'A-1'}, id='call_1')"
    asks = (
        f"ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>, _content=[TextContent(text='Let me look.'), {called}])"
    )
    result = f"ToolCallResult(result='stuck', origin={called}, error=False)"
    tool = f"ChatMessage(_role=<ChatRole.TOOL: 'tool'>, _content=[{result}])"
    attributes = {
        "openinference.span.kind": "CHAIN",
        "input.value": json.dumps({"messages": [user]}),
        "output.value": json.dumps({"messages": [user, asks, tool]}),
    }
    got = read(span(1, attributes))
    assert told(got) == [
        (Role.USER, 'Where is "A-1"?'),
        (Role.ASSISTANT, "Let me look."),
        (Role.TOOL, "stuck"),
    ]
    assert (got.messages[1].tool_calls or ())[0].arguments == {"order_id": "A-1"}


@pytest.mark.parametrize(
    "text", ["Message(", "Message(role=__import__('os').getcwd())", "M(a=" + "(" * 5000, "Sure(text=1, **x)"]
)
def test_text_that_only_looks_like_an_object_stays_text_and_runs_nothing(text: str) -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "m", "output.value": text}
    got = read(span(1, attributes))
    assert counts(got).llm_calls == 1
    assert not any("/" in (message.content or "") for message in got.messages)


def test_an_object_that_tells_only_its_address_is_no_answer() -> None:
    stream = "<groq.Stream object at 0x7fc18d7bf7d0>"
    got = read(span(1, {"openinference.span.kind": "LLM", "llm.model_name": "m", "output.value": stream}))
    assert got.final_response is None


def test_haystack_generators_are_model_calls_and_other_components_are_not() -> None:
    reply = {
        "role": "assistant",
        "content": [{"text": "Soon."}],
        "meta": {"model": "gpt-4o-mini", "usage": {"prompt_tokens": 5, "completion_tokens": 3}},
    }
    entered = json.dumps({"messages": [{"role": "user", "content": [{"text": "When?"}]}]})
    name, kind = "haystack.component.name", "haystack.component.type"
    got = read(
        span(1, {name: "support", kind: "Agent"}),
        span(
            2,
            {
                kind: "OpenAIChatGenerator",
                "haystack.component.input": entered,
                "haystack.component.output": json.dumps({"replies": [reply]}),
            },
            parent=1,
        ),
        span(4, {kind: "ToolInvoker", "haystack.component.input": entered}, parent=1),
    )
    assert told(got) == [(Role.USER, "When?"), (Role.ASSISTANT, "Soon.")]
    assert (counts(got).llm_calls, counts(got).input_tokens, counts(got).output_tokens) == (1, 5, 3)
    assert (got.agent, got.model) == ("support", "gpt-4o-mini")


def test_logfires_event_list_holds_the_question_and_the_answer() -> None:
    events = [
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Where is A-1?"},
        {"event.name": "gen_ai.assistant.message", "role": "assistant", "content": "Let me look."},
        {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": [CALL]},
    ]
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "events": json.dumps(events)}
    tool = {"mcp_data": "null", "name": "lookup_order", "input": '{"order_id": "A-1"}', "output": "stuck"}
    got = read(span(1, attributes), span(3, tool))
    assert told(got) == [
        (Role.USER, "Where is A-1?"),
        (Role.ASSISTANT, "Let me look."),
        (Role.TOOL, "stuck"),
    ]
    assert counts(got).num_tool_calls == 1


def test_adks_summary_of_tools_that_ran_side_by_side_is_no_tool() -> None:
    facts = {"gen_ai.operation.name": "execute_tool", "gcp.vertex.agent.event_id": "e"}
    got = read(
        span(1, {**facts, "gen_ai.tool.name": "lookup_order", "gen_ai.tool.call.id": "call_1"}),
        span(3, {**facts, "gen_ai.tool.name": "(merged tools)", "gen_ai.tool.call.id": "e"}),
    )
    assert [call.name for message in got.messages for call in message.tool_calls or ()] == ["lookup_order"]


def test_an_agent_that_tells_only_question_and_answer_is_a_conversation() -> None:
    attributes = {
        "traceloop.span.kind": "agent",
        "traceloop.entity.name": "support",
        "traceloop.entity.input": "Where is A-1?",
        "traceloop.entity.output": "Stuck in Köln.",
    }
    got = read(span(1, attributes, status_code=StatusCode.OK))
    assert got.messages == (
        Message(role=Role.USER, content="Where is A-1?"),
        Message(role=Role.ASSISTANT, content="Stuck in Köln."),
    )
    assert got.final_response == "Stuck in Köln."
