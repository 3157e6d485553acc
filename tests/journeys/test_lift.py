"""Lift from the command line of a real service: what it says before, while and after memories are proven harmful."""

import json
import subprocess
import sys

import pytest

from reflect_otel import ReflectClient

from .service_process import wait_for

TASK = "Refund the damaged coffee order of a customer"
CHAT = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "I refunded order A-1."}]


def reflect_otel(service, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "collector_plugin", *arguments, "--endpoint", service.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(service, *arguments):
    done = reflect_otel(service, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def play(client, number):
    """A run that fails because of the memory it was served."""
    with client.trace(f"{TASK} {number}", blocking=True, lambda_=1.0) as run:
        assert not run.degraded
        run.set_output(CHAT, result="fail" if run.memories else "pass")


@pytest.fixture
def client(service):
    """One that waits for its memories on a busy machine, too: a run that goes on without them is on neither side."""
    with ReflectClient(service.url, augment_timeout=30) as client:
        yield client


def test_harm_is_shown_serving_stops_over_restarts_and_resumes_by_command(service, client):
    assert "control_share=0.05" in said(service, "lift")
    said(service, "settings", "set", "control_share=0.5", "max_injected=1")
    client.create_memory(TASK, "Refund the first order you find.")
    play(client, 0)
    assert "Not yet known" in said(service, "lift")

    for number in range(1, 200):
        play(client, number)
        if not client.get_project_settings().serving:
            break
    assert "Serving is stopped" in said(service, "lift")
    assert "Memories do harm" in said(service, "lift")
    assert "passed less often" in said(service, "lift")
    assert service.status()["serving_stopped_projects"] == 1
    service.restart()
    assert json.loads(said(service, "lift", "--json"))["serving_stopped_reason"]
    assert "Serving is stopped" in reflect_otel(service, "augment", TASK).stderr
    doctor = reflect_otel(service, "doctor", "--json", "--http-endpoint", service.http_url)
    (finding,) = [f for f in map(json.loads, doctor.stdout.splitlines()) if f["check"] == "serving"]
    assert (doctor.returncode, finding["ok"], "lift --resume" in finding["remedy"]) == (1, False, True)

    report = json.loads(said(service, "lift", "--resume", "--json"))
    assert (report["serving_stopped_reason"], report["project"]["with_memory"]["runs"]) == ("", 0)
    assert "no run has been served memories or denied them" in said(service, "lift")
    assert "Of the runs since 20" in said(service, "lift")
    assert "evidence since  20" in said(service, "settings", "show")
    old = json.loads(said(service, "lift", "--since", "2020-01-01", "--json"))
    assert (old["project"]["conclusion"], old["project"]["with_memory"]["pass_rate"]) == ("harms", 0.0)
    assert old["memories"][0]["conclusion"] == "harms"
    assert wait_for(service.status, lambda status: status["serving_stopped_projects"] == 0)


def test_a_project_without_a_control_group_that_is_stopped_by_hand_is_told_as_that(service):
    said(service, "settings", "set", "serving=false")
    assert "no run is denied memories by chance" in said(service, "lift")
    assert "Serving is stopped: stopped by hand" in said(service, "lift")


def test_a_wrong_option_is_refused(service):
    assert reflect_otel(service, "lift", "--half-width", "2").returncode == 3
    assert reflect_otel(service, "lift", "--since", "yesterday").returncode == 2
