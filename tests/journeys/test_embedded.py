"""Embedded mode in processes of its own: one owner, shared within it, safe at exit, at a fork and at a kill."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from reflect_otel import ReflectClient, errors

from .service_process import ServiceProcess

TASK = "Refund the damaged coffee order of a customer"
CHAT = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "Refunded the wrong order."}]

CLIENT, AGENT = "ReflectClient('embedded://' + FOLDER)", "configure('embedded://' + FOLDER)"
"""Two ways to open the folder."""

RUN = """
from opentelemetry import trace
with trace.get_tracer("shop").start_as_current_span(
    "invoke_agent support", attributes={"gen_ai.operation.name": "invoke_agent", "reflect.task": TASK}
) as span:
    messages = [{"role": "user", "parts": [{"type": "text", "content": TASK}]}]
    with trace.get_tracer("shop").start_as_current_span(
        "chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(messages)}
    ):
        pass
    reflect_otel.review("fail", "ask which order is meant")
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


def program(text, folder):
    return f"import json, os, sys\nFOLDER = {str(folder)!r}\nTASK = {TASK!r}\n{textwrap.dedent(text)}"


def run(text, folder, *, silent=True, **environment):
    """What a program printed; it ends well, and silent ones print nothing on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", program(text, folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (silent and done.stderr)
    return done.stdout.splitlines()


def start(text, folder):
    """A program that has printed its first line and waits for its standard input to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", program(text, folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == "open"
    return process


def end(process):
    _, log = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGKILL), log


HOLD = """
import reflect_otel
client = reflect_otel.ReflectClient.embedded(FOLDER)
print("open", flush=True)
sys.stdin.read()
"""


def only_lesson(folder):
    """The memory that a new process serves for the task, and the run it came from."""
    with ReflectClient.embedded(folder, augment_timeout=10) as client:
        (memory,) = client.augment_with_memories(TASK).memories
        trace = client.get_trace(memory.created_from)
    return memory, trace


def test_nothing_listens_and_no_grpc_is_loaded(folder):
    (line,) = run(
        """
        import psutil, reflect_otel
        with reflect_otel.ReflectClient.embedded(FOLDER) as client:
            client.create_trace_and_wait(TASK, [{"role": "user", "content": TASK}], review_result="pass")
            client.augment_with_memories(TASK)
            sockets = [c for c in psutil.Process().net_connections() if c.status == "LISTEN"]
            print(len(sockets), "grpc" in sys.modules, "uvicorn" in sys.modules)
        """,
        folder,
    )
    assert line == "0 False False"


@pytest.mark.parametrize("provider_first", [True, False])
def test_spans_of_a_configured_agent_teach_the_next_process_although_nothing_was_closed(folder, provider_first):
    set_up = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""
    configured = """
import reflect_otel
reflect_otel.configure(endpoint=f"embedded://{FOLDER}", service_name="shop")
"""
    run((set_up if provider_first else "") + configured + RUN, folder)
    memory, trace = only_lesson(folder)
    assert "ask which order is meant" in memory.reflection
    assert (trace.task, trace.closed_by, trace.review_status) == (TASK, "root_ended", "reviewed")


def test_spans_client_and_evaluation_events_share_one_engine(folder):
    lines = run(
        """
        import reflect_otel
        os.environ["REFLECT_ENDPOINT"] = f"embedded://{FOLDER}"
        reflect_otel.configure()
        client = reflect_otel.ReflectClient()
        from opentelemetry import _logs, trace
        with trace.get_tracer("shop").start_as_current_span(
            "invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent", "reflect.task": TASK}
        ) as span:
            run_id = f"{span.get_span_context().trace_id:032x}"
            served = client.augment_with_memories(TASK)
        _logs.get_logger("judge").emit(
            _logs.LogRecord(
                event_name="gen_ai.evaluation.result",
                context=trace.set_span_in_context(span),
                attributes={
                    "gen_ai.evaluation.name": "Done",
                    "gen_ai.evaluation.score.label": "fail",
                    "gen_ai.evaluation.explanation": "ask which order is meant",
                },
            )
        )
        _logs.get_logger_provider().force_flush()
        trace.get_tracer_provider().force_flush()
        stored = client.wait_for_trace(run_id, require_reviewed=True, wait_timeout=20)
        print(served.degraded, stored.task == TASK, stored.review.feedback)
        """,
        folder,
    )
    assert lines == ["False True ask which order is meant"]


def test_a_configuration_that_failed_does_not_stand_in_the_way_of_the_next(folder):
    lines = run(
        """
        import reflect_otel
        not_a_folder = f"{FOLDER}.txt"
        open(not_a_folder, "w").close()
        try:
            reflect_otel.configure(endpoint=f"embedded://{not_a_folder}")
        except reflect_otel.ConfigError as error:
            kept = error  # with its frames, as an interactive interpreter keeps it
        reflect_otel.configure(endpoint=f"embedded://{FOLDER}")
        from opentelemetry import trace
        with trace.get_tracer("shop").start_as_current_span(
            "invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent", "reflect.task": TASK}
        ):
            pass
        trace.get_tracer_provider().force_flush()
        print(reflect_otel.delivery_status().spans.delivered)
        """,
        folder,
    )
    assert lines == ["1"]


def test_a_service_takes_over_the_folder_and_gives_it_back(folder):
    with ReflectClient.embedded(folder) as client:
        submitted = client.create_trace_and_wait(TASK, CHAT, review_result="fail", feedback_text="It was too late.")
        run_id = submitted.id
    with ServiceProcess(folder) as service:
        with ReflectClient(service.url) as client:
            assert client.get_trace(run_id).review_status == "reviewed"
            client.create_memory(TASK, "Written while a service had the folder.")
        with pytest.raises(errors.StoreLocked, match=f"in use by process {service.process.pid}") as locked:
            ReflectClient.embedded(folder)
        assert "choose another" in str(locked.value)
    with ReflectClient.embedded(folder) as client:
        assert len(client.list_memories()) == 2


def test_the_command_line_takes_a_folder_for_an_address(folder):
    with ReflectClient.embedded(folder) as client:
        memory = client.create_memory(TASK, "Ask first.")
    printed = [
        subprocess.run(
            [sys.executable, "-m", "collector_plugin", command, "--endpoint", f"embedded://{folder}", "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for command in ("memories", "doctor")
    ]
    assert json.loads(printed[0])["id"] == memory.id
    assert '"check": "folder"' not in printed[1]
    assert '"runs"' in printed[1]


def test_a_second_process_is_told_who_has_the_folder(folder):
    holder = start(HOLD, folder)
    for opening in (CLIENT, AGENT):
        (line,) = run(
            f"""
            import reflect_otel
            try:
                reflect_otel.{opening}
            except reflect_otel.errors.StoreLocked as error:
                print(error)
            """,
            folder,
        )
        assert f"in use by process {holder.pid}" in line
        assert "stop that process, talk to it over its address, or choose another" in line
    end(holder)
    with ReflectClient.embedded(folder) as client:
        assert client.list_traces() == []


def test_clients_of_one_folder_share_it_until_the_last_closes(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    first = ReflectClient.embedded(folder)
    second = ReflectClient("embedded://./link", project_id="other")
    run_id = first.create_trace(TASK, CHAT).id
    first.close()
    with pytest.raises(errors.NotFound):
        second.get_trace(run_id)
    second.create_memory(TASK, "Still open.")
    with pytest.raises(errors.ConfigError, match="another embedder"):
        ReflectClient.embedded(folder, embedder="other")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        subprocess.run([sys.executable, "-c", program(HOLD, folder)], capture_output=True, text=True, check=True)
    assert "StoreLocked" in refused.value.stderr
    second.close()
    assert run(
        "import reflect_otel\nprint(len(reflect_otel.ReflectClient.embedded(FOLDER).list_traces()))", folder
    ) == ["1"]


def test_a_run_cancelled_by_the_end_of_the_program_is_recorded(folder):
    run(
        """
        import reflect_otel
        client = reflect_otel.ReflectClient.embedded(FOLDER)
        with client.trace(TASK) as ctx:
            sys.exit()
        """,
        folder,
    )
    with ReflectClient.embedded(folder) as client:
        (trace,) = client.list_traces()
    assert (trace.metadata["cancelled"], trace.review_status) == ("SystemExit", "pending")


def test_what_was_acknowledged_survives_a_kill(folder):
    process = start(
        """
        import reflect_otel
        client = reflect_otel.ReflectClient.embedded(FOLDER)
        chat = [{"role": "user", "content": TASK}]
        for number in range(20):
            client.create_trace(TASK, chat, trace_id=f"run-{number}", review_result="fail", feedback_text="ask first")
        print("open", flush=True)
        sys.stdin.read()
        """,
        folder,
    )
    process.kill()
    end(process)
    with ReflectClient.embedded(folder) as client:
        traces = [client.wait_for_trace(f"run-{number}", require_reviewed=True) for number in range(20)]
    assert {trace.ingest_status for trace in traces} == {"completed"}


FORKING = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
import logging
logging.disable()
import reflect_otel
client = reflect_otel.ReflectClient.embedded(FOLDER, timeout=5)
client.create_memory(TASK, "Ask first.")
sys.stdout.flush()
child = os.fork()
if child == 0:
    seen = []
    for call in (
        lambda: client.list_memories(),
        lambda: client.wait_for_trace("run", wait_timeout=2),
        lambda: reflect_otel.ReflectClient.embedded(FOLDER),
    ):
        try:
            call()
        except Exception as error:
            seen.append((type(error).__name__, str(os.getppid()) in str(error)))
    augmented = client.augment_with_memories(TASK)
    seen.append((augmented.augmented_task == TASK, augmented.degraded))
    print(json.dumps(seen), flush=True)
    with reflect_otel.ReflectClient.embedded(FOLDER + "-child") as own:
        own.create_memory(TASK, "A folder of the child's own.")
        print(len(own.list_memories()), flush=True)
    client.close()
    sys.stdout.flush()
    os._exit(0) if HARD else sys.exit(0)
_, status = os.waitpid(child, 0)
print(status, len(client.list_memories()), client.create_memory(TASK, "Ask twice.").reflection, flush=True)
client.close()
"""


@pytest.mark.parametrize("hard", [True, False])
def test_a_forked_child_is_told_and_leaves_its_parents_folder_alone(folder, hard):
    done = subprocess.run(
        [sys.executable, "-c", f"HARD = {hard}\n{program(FORKING, folder)}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seen, own, after = done.stdout.splitlines()
    assert json.loads(seen) == [
        ["Unavailable", True],
        ["Unavailable", True],
        ["StoreLocked", True],
        [True, True],
    ]
    assert (own, after) == ("1", "0 1 Ask twice.")
    with ReflectClient.embedded(folder) as client:
        assert len(client.list_memories()) == 2


@pytest.mark.parametrize(("library", "opening"), [("duckdb", CLIENT), ("faiss", CLIENT), ("numpy", AGENT)])
def test_without_the_server_extra_the_error_names_what_to_install(folder, library, opening):
    (line,) = run(
        f"""
        import reflect_otel
        sys.modules[{library!r}] = None
        try:
            reflect_otel.{opening}
        except reflect_otel.errors.PluginError as error:
            print(error)
        """,
        folder,
    )
    assert library in line
    assert "pip install 'reflect-otel[server]'" in line


@pytest.mark.parametrize(
    ("url", "words"),
    [("embedded://", "names no data folder"), ("embedded:data", "embedded://FOLDER")],
)
def test_an_address_without_a_folder_is_refused(url, words):
    with pytest.raises(errors.InvalidArgument, match=words):
        ReflectClient(url)


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.ConfigError, match="cannot use data folder"):
        ReflectClient.embedded(tmp_path / "file" / "data")


SLOW = """
import threading
from reflect_otel.providers.hashing import HashingEmbedder
class SlowEmbedder(HashingEmbedder):
    def embed(self, texts):
        threading.Event().wait(2)
        return super().embed(texts)
"""


def test_an_embedder_that_does_not_answer_delays_no_agent(folder, tmp_path):
    (tmp_path / "slow_embedder.py").write_text(SLOW)
    installed = tmp_path / "slow_embedder-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-embedder\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[reflect_otel.embedders]\nslow = slow_embedder:SlowEmbedder\n")
    (line,) = run(
        """
        import logging, time
        logging.disable()
        import reflect_otel
        with reflect_otel.ReflectClient.embedded(FOLDER, embedder="slow") as client:
            client.create_memory(TASK, "Ask first.")
            began = time.monotonic()
            degraded = client.augment_with_memories("Another task").degraded
            print(degraded, time.monotonic() - began)
        """,
        folder,
        silent=False,  # DuckDB tells of the thread that is still in the embedder when the process ends
        PYTHONPATH=str(tmp_path),
    )
    degraded, took_seconds = line.split()
    assert degraded == "True"
    assert 0.3 <= float(took_seconds) < 0.3 + 0.25  # the shared machine's own pauses
