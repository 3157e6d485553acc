"""The command line by itself: help, errors as exit codes, what it prints of untrusted text."""

import contextlib
import io
import json
import socket
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from collector_plugin.commands.memories import MEMORY_COLUMNS, build_memory_row
from collector_plugin.commands.runs import RUN_COLUMNS
from collector_plugin.commands.serve import read_api_key_file
from collector_plugin.settings import join_address, split_address
from collector_plugin.terminal import build_table, print_json, printable
from reflect_otel.errors import ConfigError
from reflect_otel.model.memory import Memory, MemoryKind

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \u202egnp.exe \x9b2J [bold]not markup[/bold]\r\nnext"


def reflect_otel(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "collector_plugin", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "", "HOME": "", **environment},
        timeout=30,
        check=False,
    )


@pytest.fixture
def closed_endpoint():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_help_names_commands_and_exit_codes():
    done = reflect_otel("--help")
    assert done.returncode == 0
    for word in (
        "serve",
        "demo",
        "read",
        "runs",
        "session",
        "review",
        "memories",
        "augment",
        "settings",
        "lift",
        "doctor",
        "Exit codes:",
    ):
        assert word in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "demo",
        "read",
        "runs",
        "run",
        "session",
        "review",
        "memories",
        "augment",
        "settings",
        "lift",
        "doctor",
    ],
)
def test_examples_in_the_help_can_be_pasted_into_a_shell(command):
    examples = reflect_otel(command, "--help").stdout.partition("Examples:")[2]
    assert examples.count(f"reflect-otel {command}") >= 2
    parsed = subprocess.run(["/bin/sh", "-n"], input=examples, capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr


@pytest.mark.parametrize("command", [[], ["memories"], ["settings"], ["models"]])
def test_the_list_of_commands_says_what_each_does_within_80_columns(command):
    commands = reflect_otel(*command, "--help", COLUMNS="80").stdout.partition("Commands:")[2].partition("Ex")[0]
    assert commands.strip()
    assert "..." not in commands


def test_ctrl_c_while_the_command_is_still_loading_ends_it_without_a_word(tmp_path):
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    done = reflect_otel("runs", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_table_never_loses_a_part_of_an_id(width):
    run_id = "7e2ff6e8-bf10-4b13-bff1-6cf2e18d1a3d"
    row = (run_id, "Cancel the flight", "support", "gpt", 12, 3, 1, 6000, "pending")
    console = Console(width=width, file=io.StringIO())
    console.print(build_table(RUN_COLUMNS, [row], width=width))
    shown = "".join(line[:36].split()[0] for line in console.file.getvalue().splitlines()[1:])
    assert shown.startswith(run_id)


def test_lessons_in_a_table_begin_where_they_differ():
    memory = Memory(
        id="mem-1", task="t", reflection="When the task is like “Refund”: ask first.", kind=MemoryKind.PITFALL
    )
    row = dict(zip((column.name for column in MEMORY_COLUMNS), build_memory_row(memory), strict=True))
    assert row["lesson"] == "“Refund”: ask first."


def test_a_file_of_another_kind_is_told_in_a_few_lines(tmp_path):
    (tmp_path / "notes.txt").write_text("not telemetry\n" * 1000)
    done = reflect_otel("read", str(tmp_path / "notes.txt"))
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 4
    assert "997 more lines like these" in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:4317", "localhost:0", "[::1]:4317"])
def test_an_address_is_shown_as_it_may_be_given(address):
    assert join_address(*split_address(address)) == address


def test_version_is_printed():
    assert reflect_otel("--version").stdout.startswith("reflect-otel 0.")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["runs", "--no-such-option"], 2),
        (["review", "my-run"], 2),
        (["review", "my-run", "--result", "meh"], 3),
        (["runs", "--status", "open"], 2),
        (["read", "no-such-file", "--by", "agent"], 2),
        (["read", "no-such-file", "--json"], 3),
        (["runs", "--endpoint", "localhost:4317"], 3),
        (["serve", "--grpc-address", "0.0.0.0:4317", "--data-dir", "never-made"], 3),
        (["serve", "--api-key-file", "no-such-file"], 3),
        (["serve", "--telemetry"], 3),
        (["serve", "--embedder", "no-such-embedder", "--data-dir", "/dev/null/never-made"], 3),
    ],
)
def test_wrong_input_is_refused_in_one_line_before_anything_is_sent(arguments, code):
    done = reflect_otel(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", [["runs"], ["run", "x"], ["session", "x"], ["memories"], ["augment", "a task"]])
def test_a_service_that_is_not_there_is_exit_code_5_with_the_remedy(command, closed_endpoint):
    done = reflect_otel(*command, REFLECT_ENDPOINT=closed_endpoint)
    assert done.returncode == 5, done.stderr
    assert "reflect-otel serve" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_doctor_names_the_remedy_for_every_closed_door(closed_endpoint):
    done = reflect_otel("doctor", "--json", "--endpoint", closed_endpoint, "--http-endpoint", closed_endpoint)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert {finding["check"] for finding in findings} >= {"grpc", "project", "http"}
    assert all(finding["remedy"] for finding in findings if not finding["ok"])


@pytest.fixture
def stranger():
    """A door behind which somebody speaks, but not HTTP: as the gRPC port does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    caller.recv(65_536)
                    caller.sendall(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\r\n")
                    caller.close()

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_doctor_tells_of_a_door_behind_which_nobody_speaks_http(closed_endpoint, stranger):
    for http_endpoint in (stranger, "http://127.0.0.1:door"):
        done = reflect_otel("doctor", "--json", "--endpoint", closed_endpoint, "--http-endpoint", http_endpoint)
        findings = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "--http-address" in findings["http"]["remedy"]


def test_without_the_server_extra_the_command_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from collector_plugin.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'reflect-otel[server]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_hostile_text_cannot_steer_the_terminal():
    shown = printable(HOSTILE)
    assert shown.isprintable()
    assert "[bold]not markup[/bold]" in shown
    assert "\\x1b[31mred" in shown
    assert "\n" in printable(HOSTILE, keep_lines=True)


@given(st.text(alphabet=st.characters()))
def test_printable_text_is_printable_whatever_comes(text):
    assert printable(text).isprintable()
    assert all(character.isprintable() or character in "\n\t" for character in printable(text, keep_lines=True))


def test_json_output_is_one_ascii_line_an_object(capsys):
    print_json(Memory(id="m1", task=HOSTILE, reflection="naïve", kind=MemoryKind.PITFALL, metadata={"a": "b"}))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isascii()
    assert json.loads(line)["task"] == HOSTILE
    assert json.loads(line)["kind"] == "pitfall"


def test_api_key_file_is_read_without_comments(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# production\n\nsecret-key-0123456:shop\n")
    assert read_api_key_file(path) == ("secret-key-0123456:shop",)


def test_api_key_file_without_a_key_is_refused(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# nothing yet\n")
    with pytest.raises(ConfigError, match="holds no KEY:PROJECT line"):
        read_api_key_file(path)
