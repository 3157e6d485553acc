"""The client commands against a real service: what a person and what a program get."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from reflect_otel import ReflectClient

from .telemetry import agent_run, trace_request

KEY = "test-key-0123456789"
HOSTILE_TASK = "Refund \x1b[31mthe\x1b]0;owned\x07 coffee \u202eorder"


def reflect_otel(endpoint, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "collector_plugin", *arguments, "--endpoint", endpoint],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def run_id(client):
    return client.create_trace_and_wait(
        HOSTILE_TASK,
        [{"role": "user", "content": "My coffee is broken."}, {"role": "assistant", "content": "Sorry \x9b2J."}],
        model="m-1",
    ).id


def test_a_run_is_listed_shown_reviewed_and_learned_from(service, run_id):
    (listed,) = map(json.loads, reflect_otel(service.url, "runs", "--json").stdout.splitlines())
    assert (listed["id"], listed["review_status"]) == (run_id, "pending")

    reviewed = reflect_otel(service.url, "review", run_id, "--result", "fail", "--feedback", "Ask for a photo first.")
    assert reviewed.returncode == 0, reviewed.stderr
    shown = json.loads(reflect_otel(service.url, "run", run_id, "--json").stdout)
    assert shown["review"]["result"] == "fail"
    assert [message["role"] for message in shown["trajectory"]] == ["user", "assistant"]

    (memory,) = map(json.loads, reflect_otel(service.url, "memories", "--json").stdout.splitlines())
    assert (memory["created_from"], memory["status"]) == (run_id, "quarantined")
    assert "hidden characters" in memory["status_reason"]
    augmented = json.loads(reflect_otel(service.url, "augment", HOSTILE_TASK, "--json").stdout)
    assert augmented["memories"] == []
    assert reflect_otel(service.url, "memories", "release", memory["id"]).returncode == 0
    augmented = json.loads(reflect_otel(service.url, "augment", HOSTILE_TASK, "--json").stdout)
    assert [found["id"] for found in augmented["memories"]] == [memory["id"]]


def test_several_reviewers_judge_a_run_and_each_is_shown_with_what_they_come_to(service, run_id):
    def judge(*arguments):
        answer = reflect_otel(service.url, "review", run_id, *arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    judge("--result", "pass", "--identifier", "ada", "--feedback", "It was kind.")
    told = judge("--result", "fail", "--score", "0.2", "--source", "llm", "--name", "tone", "--identifier", "m-1")
    assert "2 reviews stand: pass, reward 0.73" in told
    shown = reflect_otel(service.url, "run", run_id).stdout
    assert "verdict  pass, reward 0.73" in shown
    assert "review  pass by human ada: It was kind." in shown
    assert "review  fail 0.20 by llm m-1 (tone)" in shown
    assert "pass" in reflect_otel(service.url, "runs").stdout
    left = reflect_otel(service.url, "unreview", run_id, "--identifier", "ada").stdout
    assert "1 review stands: fail, reward 0.20" in left
    refused = reflect_otel(service.url, "review", run_id, "--result", "pass", "--alpha", "2")
    assert (refused.returncode, "alpha" in refused.stderr) == (3, True)


def test_an_augmentation_may_be_narrowed_to_metadata(service, client):
    for team in ("air", "rail"):
        client.create_memory("Book a seat for a customer", f"Ask the {team} desk first.", metadata={"team": team})
    asked = ["augment", "Book a seat for a customer", "--lambda", "1"]
    assert "air desk" in reflect_otel(service.url, *asked, "--filter", "team=air").stdout
    assert "rail desk" not in reflect_otel(service.url, *asked, "--filter", "team=air").stdout
    refused = reflect_otel(service.url, *asked, "--filter", "air")
    assert (refused.returncode, "--filter takes KEY=VALUE" in refused.stderr) == (3, True)


def test_a_session_is_shown_as_one_conversation(service, client):
    history = [
        {"role": "user", "content": "My coffee is \x1b[31mbroken."},
        {"role": "assistant", "content": "Sorry."},
    ]
    client.create_trace_and_wait(HOSTILE_TASK, history, session_id="conv-7")
    again = [*history, {"role": "user", "content": "Refund it."}, {"role": "assistant", "content": "Done."}]
    client.create_trace_and_wait("Refund it.", again, session_id="conv-7")

    session = json.loads(reflect_otel(service.url, "session", "conv-7", "--json").stdout)
    assert (session["num_turns"], len(session["runs"])) == (2, 2)
    assert [message["role"] for message in session["trajectory"]] == ["user", "assistant"] * 2
    typed = json.loads(reflect_otel(service.url, "session", "conv-7", "--trajectory").stdout)
    assert (typed["task"]["num_turns"], typed["message_count"], len(typed["steps"])) == (2, 4, 2)
    run = json.loads(reflect_otel(service.url, "run", session["runs"][0]["id"], "--trajectory").stdout)
    assert (run["task"]["num_turns"], run["task"]["text"]) == (1, HOSTILE_TASK)
    shown = reflect_otel(service.url, "session", "conv-7")
    assert shown.stdout.replace("\n", "").isprintable()
    assert shown.stdout.count("Sorry.") == 1


def test_tables_show_whole_ids_and_no_control_characters(service, run_id):
    reflect_otel(service.url, "review", run_id, "--result", "fail", "--feedback", "Ask \x1b[2J for a photo.")
    for command in (["runs"], ["run", run_id], ["memories"], ["augment", HOSTILE_TASK]):
        done = reflect_otel(service.url, *command)
        assert done.returncode == 0, done.stderr
        assert done.stdout.replace("\n", "").replace("\t", "").isprintable()
    assert run_id in reflect_otel(service.url, "runs").stdout


def test_an_unknown_run_is_exit_code_6(service):
    for command in (
        ["run", "no-such-run"],
        ["session", "no-such-run"],
        ["review", "no-such-run", "--result", "pass"],
    ):
        done = reflect_otel(service.url, *command)
        assert done.returncode == 6
        assert "no-such-run" in done.stderr


def test_an_explained_augmentation_shows_what_was_left_out_and_why(service):
    with ReflectClient(service.url, project_id="explained") as client:
        for number in range(2):
            client.create_memory(f"Water the \x1b[2J tulips {number}", f"Tulips lesson {number}")
    asked = ["augment", "Water the tulips", "--explain", "--project", "explained"]
    told = reflect_otel(service.url, *asked)
    assert "one untried is enough" in told.stdout
    assert "M1" in told.stdout
    assert "\x1b" not in told.stdout
    assert "0.5 * closeness" in told.stderr
    document = json.loads(reflect_otel(service.url, *asked, "--lambda", "1", "--max-injected", "1", "--json").stdout)
    assert [found["left_out"] for found in document["explanation"]["candidates"]] == [None, "max_injected"]


def test_a_task_from_standard_input_is_augmented(service):
    done = subprocess.run(
        [sys.executable, "-m", "collector_plugin", "augment", "-", "--endpoint", service.url],
        input="What is new?",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "What is new?\n"


def test_a_missing_or_wrong_key_is_exit_code_4(start_service, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}:shop\n")
    keys.chmod(0o600)
    service = start_service(tmp_path / "data", "--api-key-file", str(keys))
    assert reflect_otel(service.url, "runs").returncode == 4
    assert reflect_otel(service.url, "runs", "--api-key", "wrong-key-0123456789").returncode == 4
    assert reflect_otel(service.url, "runs", "--api-key", KEY).returncode == 0


def test_doctor_finds_an_open_way_and_the_probe_leaves_nothing(service, client):
    done = reflect_otel(service.url, "doctor", "--probe", "--json", "--http-endpoint", service.http_url)
    findings = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout
    assert all(finding["ok"] for finding in findings.values())
    assert {"grpc", "project", "http", "clock", "version", "spans", "probe"} <= findings.keys()
    assert (client.list_traces(), client.list_memories()) == ([], [])


def test_doctor_tells_people_only_what_there_is_to_tell(service):
    done = reflect_otel(service.url, "doctor", "--http-endpoint", service.http_url)
    assert "learning_parked" not in done.stdout
    assert "embedder" in done.stdout
    assert "in step with this machine's" in done.stdout
    assert len(done.stdout.splitlines()) < 12


def test_a_filter_that_nothing_passes_is_not_taken_for_an_empty_service(service):
    assert "No such runs." in reflect_otel(service.url, "runs", "--agent", "nobody").stderr
    assert "Send some" in reflect_otel(service.url, "runs").stderr


def test_an_exporter_that_speaks_http_is_told_where_to_go(service):
    request = urllib.request.Request(f"{service.http_url}/v1/traces", data=b"", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        assert (answer.code, b"OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in answer.read()) == (404, True)
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in service.log.read_text()


def test_doctor_counts_what_a_stopped_service_left(service, sender):
    sender.send(trace_request(agent_run("Refund the order", "Refunded.")))
    spans = service.wait_settled()["spans"]
    service.terminate()
    done = subprocess.run(
        [sys.executable, "-m", "collector_plugin", "doctor", "--data-dir", str(service.data_dir), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    findings = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings["spans"]["value"] == spans
    assert findings["runs"]["value"] == 1
    assert findings["journal_pending"]["value"] == 0


def test_doctor_does_not_touch_the_folder_of_a_running_service(service):
    done = subprocess.run(
        [sys.executable, "-m", "collector_plugin", "doctor", "--data-dir", str(service.data_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert str(service.process.pid) in done.stdout
