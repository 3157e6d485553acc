"""Settings of a project over a real service: by command line, over a restart, down to which event is a review."""

import json
import subprocess
import sys

from reflect_otel import ReflectClient

from .service_process import wait_for
from .telemetry import agent_run, evaluation_request, trace_request

TASK = "Refund the damaged coffee order of a customer"


def reflect_otel(service, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "collector_plugin", "settings", *arguments, "--endpoint", service.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def shown(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_settings_are_changed_by_name_printed_and_outlive_a_restart(service):
    wanted = ["control_share=0.05", 'reviewer_weights={"llm": 0.25}', "review_names=Quality, tone", "max_injected=2"]
    changed = shown(reflect_otel(service, "set", *wanted, "--json"))
    assert (changed["control_share"], changed["reviewer_weights"]) == (0.05, {"llm": 0.25})
    assert (changed["review_names"], changed["max_injected"], changed["serving"]) == (["quality", "tone"], 2, True)
    service.restart()
    assert shown(reflect_otel(service, "show", "--json")) == changed
    reset = shown(reflect_otel(service, "set", "max_injected=", "serving=false", "--json"))
    assert (reset["max_injected"], reset["control_share"], reset["serving"]) == (None, 0.05, False)
    table = reflect_otel(service, "show").stdout
    assert "stopped by hand" in table
    assert "quality, tone" in table


def test_a_wrong_assignment_is_exit_code_3_and_changes_nothing(service):
    for wrong in ("control_share", "no_such=1", "control_share=much", "control_share=7", "stop_on_harm=maybe"):
        done = reflect_otel(service, "set", "max_injected=1", wrong)
        assert (done.returncode, done.stdout) == (3, "")
        assert len(done.stderr.splitlines()) == 1
    assert shown(reflect_otel(service, "show", "--json"))["max_injected"] is None


def test_the_project_decides_which_evaluations_are_reviews(service, sender):
    with ReflectClient(service.url) as client:
        client.update_project_settings(review_names=["Done"], pass_score=0.9)
        spans = agent_run(TASK, "Done.")
        run_id = spans[0].trace_id.hex()
        sender.send(trace_request(spans))
        for name, score in (("Tone", 0.95), ("Done", 0.8)):
            values = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
            sender.send_logs(evaluation_request(values, spans[0].trace_id))
        trace = wait_for(lambda: client.get_trace(run_id), lambda trace: trace.review is not None)
        assert (trace.review.name, trace.review.result) == ("Done", "fail")
