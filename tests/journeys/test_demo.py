"""The demo as a newcomer meets it: one command, every stage done, the data there to be opened again."""

import json
import re
import subprocess
import sys

import pytest

from .service_process import ServiceProcess

MAX_SECONDS = 60


def reflect_otel(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "collector_plugin", *arguments],
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "data"


@pytest.fixture(scope="module")
def demo(data_dir):
    return reflect_otel("demo", "--data-dir", str(data_dir))


def test_every_stage_does_its_work_within_a_minute(demo):
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "FAILED" not in demo.stdout
    for stage in (
        "telemetry",
        "first tries",
        "memories",
        "later tries",
        "served",
        "utilities",
        "next prompt",
        "service",
    ):
        assert f"  {stage}: " in demo.stdout


def test_it_says_what_compares_tasks_and_lessons(demo):
    said = " ".join(demo.stdout.split())
    assert re.search(r"by the embedder (minilm@1, which compares meanings|hashing@1, which compares words)", said)


def test_the_next_prompt_is_the_task_with_notes_after_it(demo):
    assert "[notes from earlier runs" in demo.stdout
    assert demo.stdout.index("I need to cancel one of my flights") < demo.stdout.index("[end of notes]")


def test_nothing_is_printed_that_could_steer_a_terminal(demo):
    assert "\x1b" not in demo.stdout


def test_the_data_can_be_opened_again(demo, data_dir):
    assert f"reflect-otel serve --data-dir {data_dir}" in demo.stdout
    with ServiceProcess(data_dir) as service:
        listed = reflect_otel("runs", "--json", "--limit", "1000", "--endpoint", service.url)
        kept = reflect_otel("memories", "--json", "--endpoint", service.url)
    runs = [json.loads(line) for line in listed.stdout.splitlines()]
    reviewed = [run for run in runs if run["review_status"] == "reviewed"]
    assert len(runs) > 100
    assert len(reviewed) >= 50
    assert kept.stdout


def test_a_folder_that_is_in_use_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = reflect_otel("demo", "--data-dir", str(tmp_path))
    assert done.returncode == 3
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
