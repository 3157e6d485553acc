"""Every call, token, tool and second counts once."""

import pytest

from reflect_otel.model.spans import SpanEvent, SpanRecord
from reflect_otel.model.trajectory import TerminationReason, Trajectory, TrajectoryMetrics

from .spans import assistant, call, chat, read, result, span, user

SECOND = 1_000_000_000


def metrics(*spans: SpanRecord) -> TrajectoryMetrics:
    found = read(*spans).metrics
    assert found is not None
    return found


def usage(tokens_in: int, tokens_out: int, **more: object) -> dict[str, object]:
    return {"gen_ai.usage.input_tokens": tokens_in, "gen_ai.usage.output_tokens": tokens_out, **more}


def test_two_spans_of_one_response_count_once() -> None:
    shared = usage(10, 2, **{"gen_ai.response.id": "r1"})
    counted = metrics(
        chat(1, attributes=shared, inputs=[user("one")]), chat(5, attributes=shared, outputs=[assistant("1")])
    )
    assert (counted.llm_calls, counted.input_tokens, counted.output_tokens) == (1, 10, 2)


def test_a_client_span_under_a_framework_span_counts_once() -> None:
    counted = metrics(chat(1, attributes=usage(10, 2)), chat(2, parent=1, attributes=usage(10, 2)))
    assert (counted.llm_calls, counted.input_tokens) == (1, 10)


def test_a_failed_try_under_the_same_call_counts_as_an_error() -> None:
    counted = metrics(
        chat(1, attributes=usage(10, 2)),
        chat(2, parent=1, status_code=2),
        chat(3, parent=1, attributes=usage(10, 2)),
    )
    assert (counted.llm_calls, counted.llm_errors, counted.input_tokens) == (1, 1, 10)


def test_a_model_span_around_several_calls_is_a_loop_not_a_call() -> None:
    counted = metrics(
        chat(1, attributes=usage(30, 6)),
        chat(2, parent=1, attributes=usage(10, 2)),
        chat(3, parent=1, attributes=usage(20, 4)),
    )
    assert (counted.llm_calls, counted.input_tokens, counted.output_tokens) == (2, 30, 6)


def test_overlapping_failures_of_two_scopes_under_one_parent_are_one_failure() -> None:
    counted = metrics(
        span(1, {"gen_ai.operation.name": "invoke_agent"}, end_ns=9 * SECOND),
        chat(2, parent=1, status_code=2, scope_name="instrumentation"),
        chat(3, parent=1, status_code=2, scope_name="client", start_ns=2 * SECOND + 1),
    )
    assert (counted.llm_calls, counted.llm_errors) == (0, 1)


def test_parallel_calls_of_one_scope_stay_two_calls() -> None:
    counted = metrics(
        chat(1, attributes=usage(10, 2), scope_name="s"),
        chat(2, attributes=usage(10, 2), scope_name="s", start_ns=SECOND),
    )
    assert counted.llm_calls == 2


def test_agent_totals_are_not_added_to_the_calls_tokens() -> None:
    counted = metrics(
        span(1, {"gen_ai.operation.name": "invoke_agent", **usage(99, 99)}),
        chat(2, parent=1, attributes=usage(10, 2)),
    )
    assert (counted.input_tokens, counted.output_tokens) == (10, 2)


def test_agent_totals_stand_in_where_no_call_reports_tokens() -> None:
    counted = metrics(span(1, {"gen_ai.operation.name": "invoke_agent", **usage(99, 9)}), chat(2, parent=1))
    assert (counted.input_tokens, counted.output_tokens) == (99, 9)


def test_embeddings_count_neither_as_calls_nor_as_tokens() -> None:
    attributes = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e", **usage(7, 0)}
    trajectory = read(span(1, attributes))
    assert trajectory.metrics is not None
    assert (trajectory.metrics.llm_calls, trajectory.metrics.input_tokens) == (0, 0)
    assert (trajectory.model, trajectory.messages) == ("e", ())


def tool(number: int, name: str, **facts: object) -> SpanRecord:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    identifier = facts.pop("identifier", None)
    if identifier:
        attributes["gen_ai.tool.call.id"] = str(identifier)
    if "answer" in facts:
        attributes["gen_ai.tool.call.result"] = str(facts.pop("answer"))
    return span(number, attributes, **facts)


def test_parallel_calls_whose_ids_do_not_match_pair_by_name_and_order() -> None:
    asked = assistant(None, call("fc_1", "lookup", order=1), call("fc_2", "refund", order=1))
    answers = [result("call_1", "gone"), result("call_2", "denied")]
    trajectory = read(
        chat(1, inputs=[user("one")], outputs=[asked]),
        tool(2, "lookup", identifier="call_1", answer="gone"),
        tool(3, "refund", identifier="call_2", answer="denied", status_code=2, status_message="denied"),
        chat(4, inputs=[user("one"), asked, *answers], outputs=[assistant("Sorry.")]),
    )
    responses = [message.tool_response for message in trajectory.messages if message.tool_response]
    assert [(response.name, response.response, response.error) for response in responses] == [
        ("lookup", "gone", None),
        ("refund", "denied", "denied"),
    ]
    assert trajectory.metrics is not None
    assert (trajectory.metrics.num_tool_calls, trajectory.metrics.num_tool_failures) == (2, 1)
    assert trajectory.metrics.tool_error_rate == 0.5


def test_a_result_that_was_never_sent_back_comes_from_the_tool_span() -> None:
    trajectory = read(
        chat(1, inputs=[user("one")], outputs=[assistant(None, call("c1", "lookup", order=1))]),
        tool(2, "lookup", identifier="c1", status_code=2, status_message="no such order"),
    )
    last = trajectory.messages[-1]
    assert last.tool_response is not None
    assert (last.tool_response.id, last.tool_response.error) == ("c1", "no such order")
    assert last.content == "no such order"


def test_a_tool_span_under_one_of_the_same_name_counts_once() -> None:
    trajectory = read(tool(1, "lookup", status_code=2), tool(2, "lookup", parent=1, status_code=2))
    assert trajectory.metrics is not None
    assert (trajectory.metrics.num_tool_calls, trajectory.metrics.num_tool_failures) == (1, 1)


def test_tool_calls_of_an_earlier_run_in_the_history_do_not_count() -> None:
    history = [
        user("one"),
        assistant(None, call("c1", "lookup")),
        result("c1", "gone"),
        assistant("Gone."),
        user("two"),
    ]
    counted = metrics(chat(1, inputs=history, outputs=[assistant("2")]))
    assert counted.num_tool_calls == 0


def test_times_are_unions_of_intervals() -> None:
    trajectory = read(
        span(1, {"gen_ai.operation.name": "invoke_agent"}, end_ns=11 * SECOND),
        chat(2, parent=1, end_ns=4 * SECOND, scope_name="s"),
        chat(3, parent=1, end_ns=5 * SECOND, scope_name="s"),
        tool(6, "lookup", parent=1, end_ns=8 * SECOND),
        tool(7, "refund", parent=1, end_ns=9 * SECOND),
    )
    times = trajectory.execution_metrics
    assert times is not None
    assert (times.llm_time, times.env_time, times.total_time) == (3.0, 3.0, 10.0)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("asyncio.exceptions.CancelledError", TerminationReason.CANCELLED),
        ("context canceled", TerminationReason.CANCELLED),
        ("KeyboardInterrupt", TerminationReason.CANCELLED),
        ("shop.CancellationRefused", TerminationReason.ERROR),
        ("openai.APITimeoutError", TerminationReason.TIMEOUT),
        ("agents.MaxTurnsExceeded", TerminationReason.MAX_STEPS),
        ("ValueError", TerminationReason.ERROR),
    ],
)
def test_the_kind_of_error_tells_why_a_run_ended(kind: str, reason: TerminationReason) -> None:
    trajectory = read(span(1, {"gen_ai.operation.name": "invoke_agent", "error.type": kind}, status_code=2))
    assert trajectory.execution_metrics is not None
    assert trajectory.execution_metrics.termination_reason is reason


def test_an_answer_cut_by_the_token_limit_is_a_truncation() -> None:
    trajectory = read(
        chat(1, outputs=[assistant("abc")], attributes={"gen_ai.response.finish_reasons": ["max_tokens"]})
    )
    assert trajectory.execution_metrics is not None
    assert trajectory.execution_metrics.termination_reason is TerminationReason.TRUNCATION


def test_the_error_says_what_the_exception_said() -> None:
    failure = SpanEvent(name="exception", attributes={"exception.message": "the server is on fire"})
    trajectory: Trajectory = read(chat(1, status_code=2, status_message="Traceback ...", events=(failure,)))
    assert trajectory.error == "the server is on fire"
    assert trajectory.final_response is None


def test_an_answer_told_after_its_stream_ended_belongs_to_the_call() -> None:
    asked = [user("one")]
    late = {"attributes": usage(10, 2), "end_ns": 3 * SECOND, "scope_name": "s"}
    trajectory = read(
        chat(1, inputs=asked, scope_name="s"),
        chat(3, inputs=asked, outputs=[assistant("1")], **late),
    )
    assert trajectory.metrics is not None
    assert (trajectory.metrics.llm_calls, trajectory.metrics.input_tokens) == (1, 10)
    assert trajectory.final_response == "1"


def http(number: int, status: int, **facts: object) -> SpanRecord:
    return span(number, {"http.request.method": "POST", "http.response.status_code": status}, kind=3, **facts)


def test_refused_requests_under_an_answered_call_are_failed_tries_of_it() -> None:
    counted = metrics(chat(1), http(2, 429, parent=1), http(3, 503, parent=1), http(4, 200, parent=1))
    assert (counted.llm_calls, counted.llm_errors) == (1, 2)


def test_the_request_that_failed_a_call_is_not_a_second_failure() -> None:
    counted = metrics(chat(1, status_code=2), http(2, 500, parent=1))
    assert (counted.llm_calls, counted.llm_errors) == (0, 1)


def test_a_refused_request_of_a_tool_is_no_failed_model_call() -> None:
    tools = span(2, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "fetch"}, parent=1)
    counted = metrics(span(1, {"gen_ai.operation.name": "invoke_agent"}), tools, http(3, 404, parent=2), chat(4))
    assert (counted.llm_calls, counted.llm_errors) == (1, 0)


def test_equal_requests_side_by_side_seen_by_two_scopes_stay_as_many_as_they_were() -> None:
    same = {"inputs": [user("one")], "parent": 1, "end_ns": 9 * SECOND}
    calls = [chat(2 + n, scope_name="sdk" if n < 3 else "instrumentation", **same) for n in range(6)]
    counted = metrics(span(1, {"gen_ai.operation.name": "invoke_agent"}, end_ns=9 * SECOND), *calls)
    assert counted.llm_calls == 3


def test_overlapping_calls_of_two_scopes_that_ask_different_things_are_two_calls() -> None:
    counted = metrics(
        chat(1, inputs=[user("one")], scope_name="a"),
        chat(2, inputs=[user("two")], scope_name="b", start_ns=SECOND),
    )
    assert counted.llm_calls == 2


def test_overlapping_roots_of_two_traces_are_two_calls() -> None:
    counted = metrics(
        chat(1, inputs=[user("one")], scope_name="a"),
        chat(2, inputs=[user("one")], scope_name="b", start_ns=SECOND, trace_id=b"2" * 16),
    )
    assert counted.llm_calls == 2


def test_two_scopes_whose_answers_tell_different_response_ids_are_two_calls() -> None:
    counted = metrics(
        chat(1, attributes={"gen_ai.response.id": "r1"}, scope_name="a"),
        chat(2, attributes={"gen_ai.response.id": "r2"}, scope_name="b", start_ns=SECOND),
    )
    assert counted.llm_calls == 2


def test_a_call_inside_a_tool_that_another_call_runs_is_a_call_of_its_own() -> None:
    counted = metrics(
        chat(1, attributes=usage(10, 2), end_ns=9 * SECOND),
        tool(2, "ask_expert", parent=1, end_ns=8 * SECOND),
        chat(3, parent=2, attributes=usage(20, 4)),
    )
    assert (counted.llm_calls, counted.input_tokens) == (2, 30)


def test_three_layers_of_one_call_count_once() -> None:
    counted = metrics(
        chat(1, attributes=usage(10, 2)),
        chat(2, parent=1, attributes=usage(10, 2)),
        chat(3, parent=2, attributes=usage(10, 2)),
    )
    assert (counted.llm_calls, counted.input_tokens) == (1, 10)


def test_a_stream_whose_framework_span_failed_after_the_answer_is_an_answered_call() -> None:
    counted = metrics(chat(1, status_code=2), chat(2, parent=1, attributes=usage(10, 2)))
    assert (counted.llm_calls, counted.llm_errors) == (1, 0)


def test_agents_of_one_run_in_two_traces_add_up() -> None:
    shared = usage(10, 2)
    counted = metrics(
        span(1, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner", **usage(50, 9)}),
        chat(2, parent=1, attributes=shared, inputs=[user("plan")], outputs=[assistant("go")]),
        span(3, {"gen_ai.operation.name": "invoke_agent", **usage(50, 9)}, trace_id=b"2" * 16),
        chat(4, parent=3, attributes=shared, trace_id=b"2" * 16, inputs=[user("go")], outputs=[assistant("done")]),
    )
    assert (counted.llm_calls, counted.input_tokens, counted.output_tokens) == (2, 20, 4)


def test_the_same_tool_called_twice_with_other_arguments_in_one_turn_is_two_executions() -> None:
    asked = assistant(None, call(None, "look", n=1), call(None, "look", n=2))
    looks = [
        span(
            number,
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "look",
                "gen_ai.tool.call.arguments": f'{{"n": {n}}}',
                "gen_ai.tool.call.result": f"found {n}",
            },
        )
        for number, n in ((2, 2), (3, 1))
    ]
    trajectory = read(chat(1, inputs=[user("one")], outputs=[asked]), *looks)
    assert trajectory.metrics is not None
    assert trajectory.metrics.num_tool_calls == 2
    assert [message.content for message in trajectory.messages[2:]] == ["found 1", "found 2"]
