"""Runs whose model calls tell nothing: what agents, wrappers, messages and exceptions around them tell."""

import json
from typing import Any

from reflect_otel.model.spans import SpanEvent
from reflect_otel.model.trajectory import Trajectory, TrajectoryMetrics

from .spans import read, said, span

ASKED = {"role": "user", "blocks": [{"block_type": "text", "text": "Where is A-1?"}]}
PROMPT = {"role": "system", "blocks": [{"block_type": "text", "text": "Be brief."}]}
CALL = {"id": "c1", "function": {"name": "lookup", "arguments": '{"order": 1}'}}
ASKS = {"role": "assistant", "blocks": [{"block_type": "text", "text": "One moment."}], "tool_calls": [CALL]}
ANSWER = {"role": "assistant", "blocks": [{"block_type": "text", "text": "In Köln."}]}


def task(number: int, left: Any, **more: Any) -> Any:
    attributes = {"traceloop.span.kind": "task", "traceloop.entity.output": json.dumps(left), **more}
    return span(number, attributes, parent=1)


def counts(trajectory: Trajectory) -> TrajectoryMetrics:
    assert trajectory.metrics is not None
    return trajectory.metrics


def test_steps_of_a_workflow_that_hand_messages_around_tell_the_conversation() -> None:
    found = {"blocks": [{"block_type": "text", "text": "stuck"}], "raw_output": "stuck", "is_error": True}
    trajectory = read(
        span(1, {"traceloop.span.kind": "workflow"}, end_ns=10**12),
        task(2, {"input": [ASKED]}),
        task(3, {"input": [PROMPT, ASKED], "current_agent_name": "support"}),
        task(4, {"response": ASKS}),
        task(5, {"tool_id": "c1", "tool_output": found}, **{"tool.name": "lookup", "tool.arguments": '{"order": 1}'}),
        task(6, {"result": {"response": ANSWER}}),
    )
    assert said(trajectory) == [
        ("system", "Be brief."),
        ("user", "Where is A-1?"),
        ("assistant", "One moment."),
        ("tool", "stuck"),
        ("assistant", "In Köln."),
    ]
    assert (trajectory.final_response, trajectory.agent) == ("In Köln.", "support")
    assert (counts(trajectory).llm_calls, counts(trajectory).num_tool_failures) == (2, 1)
    assert len(trajectory.steps) == 2


def test_tokens_noted_beside_answers_count_where_nothing_else_reports_any() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    messages = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "1", "meta": {"usage": usage}}]
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.output.messages": json.dumps(messages)}
    trajectory = read(span(1, attributes))
    counted = counts(trajectory)
    assert (counted.llm_calls, counted.input_tokens, counted.output_tokens) == (1, 10, 2)
    assert counted.cached_input_tokens == 4
    assert trajectory.messages[-1].usage == {"input_tokens": 10, "output_tokens": 2, "cached_input_tokens": 4}


def test_an_exception_of_a_models_client_is_a_failed_call_where_no_span_tells_of_it() -> None:
    failure = SpanEvent(name="exception", attributes={"exception.type": "openai.RateLimitError"})
    agent = {"gen_ai.operation.name": "invoke_agent"}
    assert counts(read(span(1, agent, status_code=2, events=(failure,)))).llm_errors == 1
    assert counts(read(span(1, agent, status_code=2))).llm_errors == 0


def test_a_result_without_its_text_in_the_history_takes_it_from_the_tools_span() -> None:
    messages = [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1"}]}]
    asks = {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "lookup", "arguments": {}}]}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": [asks]}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup", "gen_ai.tool.call.id": "c1"}
    trajectory = read(
        span(1, chat),
        span(2, {**tool, "gen_ai.tool.call.result": "stuck"}),
        span(3, {"gen_ai.operation.name": "chat", "gen_ai.input.messages": [asks, *messages]}),
    )
    assert said(trajectory)[-1] == ("tool", "stuck")


def test_autogens_results_and_thought_stand_beside_the_message() -> None:
    asked = "llm.input_messages"
    result = {"name": "lookup", "content": "stuck", "call_id": "c1", "is_error": True}
    trajectory = read(
        span(
            1,
            {
                "openinference.span.kind": "LLM",
                f"{asked}.0.message.role": "assistant",
                f"{asked}.0.message.tool_calls.0.tool_call.id": "c1",
                f"{asked}.0.message.tool_calls.0.tool_call.function.name": "lookup",
                f"{asked}.0.thought": "One moment.",
                f"{asked}.1.message.role": "function",
                f"{asked}.1.function.0": json.dumps(result),
            },
        )
    )
    assert said(trajectory) == [("assistant", "One moment."), ("tool", "stuck")]
    response = trajectory.messages[1].tool_response
    assert response is not None
    assert (response.id, response.error) == ("c1", "stuck")


def test_the_object_that_gemini_wants_around_a_text_result_is_opened() -> None:
    asked = "llm.input_messages"
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.provider": "google",
        f"{asked}.0.message.role": "tool",
        f"{asked}.0.message.tool_call_id": "c1",
        f"{asked}.0.message.content": '{"result": "stuck"}',
    }
    assert said(read(span(1, attributes))) == [("tool", "stuck")]
    assert said(read(span(1, {**attributes, "llm.provider": "openai"}))) == [("tool", '{"result": "stuck"}')]
