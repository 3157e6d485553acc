"""Runs recorded while the real service is away, slow, deaf or unwilling: the agent goes on, each run arrives once."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest

from reflect_otel import NotFound, ReflectClient, Unavailable
from tests.disk import find_files
from tests.gateway import Gateway
from tests.waiting import wait_until

from .service_process import wait_for
from .test_spool import free_port

TASK = "Refund the damaged coffee order"
ANSWER = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "Refunded to the card."}]

PRELUDE = f"""
import os, sys, reflect_otel
from reflect_otel import ReflectClient, TraceResult, reflect_trace
TASK, ANSWER = {TASK!r}, {ANSWER!r}
client = ReflectClient(sys.argv[1], project_id="shop")
"""

EVERY_PATTERN = """
with client.trace(TASK + " with a block") as ctx:
    assert ctx.degraded and ctx.augmented_task == ctx.task
    ctx.set_output(ANSWER, result="fail", feedback_text="The customer wanted a new one.")

with client.trace(TASK + " reviewed inside", blocking=True) as ctx:
    assert reflect_otel.review("pass", "well done", score=0.9)

@reflect_trace(client, task=TASK + " with a decorator")
def agent(ctx):
    return TraceResult(output="done", trajectory=ANSWER, result="pass", model="gpt-5.4-mini")
assert agent() == "done"

@reflect_trace(client, task=TASK + " that failed")
def broken(ctx):
    raise ConnectionError("the shop is closed")
try:
    broken()
except ConnectionError:
    pass

augmented = client.augment_with_memories(TASK + " by hand")
assert augmented.degraded
submission = client.create_trace(TASK + " by hand", ANSWER, review_result="fail", feedback_text="Asked nobody.")
assert submission.degraded

while client.status.spooled < 5:
    pass
"""

EXPECTED = {
    "with a block": ("fail", "The customer wanted a new one.", "human"),
    "reviewed inside": ("pass", "well done", "human"),
    "with a decorator": ("pass", None, "human"),
    "that failed": ("fail", "ConnectionError: the shop is closed", "code"),
    "by hand": ("fail", "Asked nobody.", "human"),
}


def knows(client, run_id):
    try:
        return client.get_trace(run_id)
    except (NotFound, Unavailable):
        return None


def run_agent(text, url, *, exit_code=0, set_up="", **environment):
    command = [sys.executable, "-W", "ignore", "-c", set_up + PRELUDE + textwrap.dedent(text), url]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == exit_code, done.stderr
    return done.stdout


class Place:
    """An address where a service is or is not."""

    def __init__(self, data_dir, start_service):
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._data_dir = data_dir
        self._start_service = start_service
        self._process = None

    def open(self):
        self._process = self._start_service(self._data_dir, "--settle-seconds", "0.1", "--grpc-address", self.address)
        return self._process

    def kill(self):
        self._process.kill()


@pytest.fixture
def place(tmp_path, start_service):
    return Place(tmp_path / "data", start_service)


@pytest.mark.parametrize("traced", ["no SDK", "spans to the service"])
def test_runs_of_every_pattern_recorded_by_a_killed_process_arrive_once_and_teach_once(place, tmp_path, traced):
    set_up = "" if traced == "no SDK" else "import sys, reflect_otel; reflect_otel.configure(sys.argv[1])\n"
    spool = {"REFLECT_SPOOL_DIR": str(tmp_path / "spool")}
    run_agent(EVERY_PATTERN + "os.kill(os.getpid(), 9)", place.url, exit_code=-signal.SIGKILL, set_up=set_up, **spool)
    place.open()
    run_agent("with client.trace('Anything else'): pass", place.url, set_up=set_up, **spool)
    with ReflectClient(place.url, project_id="shop") as client:
        reviewed = wait_for(lambda: client.list_traces(review_status="reviewed"), lambda found: len(found) >= 5)
        traces = {trace.task.removeprefix(TASK).strip(): client.get_trace(trace.id) for trace in reviewed}
        found = {task: (str(t.review.result), t.review.feedback, str(t.review.source)) for task, t in traces.items()}
        assert (len(reviewed), found) == (5, EXPECTED)
        assert list(traces["with a block"].trajectory) == ANSWER
        assert traces["with a decorator"].model == "gpt-5.4-mini"
        assert len(client.list_traces()) == 6
        learned = [memory.created_from for memory in client.list_memories()]
        assert len(learned) == len(set(learned)) > 0
    wait_until(lambda: not find_files(tmp_path / "spool", ".journal"))


def test_a_memory_served_before_the_outage_is_credited_once_after_it(place):
    place.open()
    client = ReflectClient(place.url, project_id="shop", augment_timeout=10)
    memory = client.create_memory(TASK, "Refund to the card that was charged.")
    client.close()
    client = ReflectClient(place.url, project_id="shop", augment_timeout=0.5)
    scope = client.trace(TASK)
    ctx = scope.__enter__()
    assert ctx.memory_ids == (memory.id,)
    place.kill()
    ctx.set_output(ANSWER, result="pass")
    scope.__exit__(None, None, None)
    wait_until(lambda: client.status.spooled == 1)
    place.open()
    wait_until(lambda: not client.status.waiting_bytes, 30)
    client.close()
    client = ReflectClient(place.url, project_id="shop")
    wait_until(lambda: knows(client, ctx.trace_id), 20)
    trace = client.wait_for_trace(ctx.trace_id, require_reviewed=True, wait_timeout=30)
    assert trace.retrieved_memory_ids == (memory.id,)
    credited = client.get_memory(memory.id)
    assert (credited.utility, credited.uses, credited.passes) == (0.75, 1, 1)
    client.close()


def test_a_record_that_arrived_although_no_answer_came_back_is_one_run_with_one_review(place):
    service = place.open()
    with ReflectClient(place.url, project_id="shop", augment_timeout=10) as setting_up:
        memory = setting_up.create_memory(TASK, "Refund to the card that was charged.")
    with Gateway(int(place.address.rpartition(":")[2])) as gateway:
        client = ReflectClient(gateway.url, project_id="shop", augment_timeout=1)
        with client.trace(TASK) as ctx:
            assert ctx.memory_ids == (memory.id,)
            ctx.set_output(ANSWER, result="pass")
            gateway.is_mute = True
        wait_until(lambda: client.status.spooled == 1)
        with ReflectClient(place.url, project_id="shop") as direct:
            direct.wait_for_trace(ctx.trace_id, require_reviewed=True)  # it did arrive
            gateway.is_mute = False
            gateway.freeze()
            wait_until(lambda: not client.status.waiting_bytes, 30)  # and was sent again
            service.wait_settled()
            (trace,) = direct.list_traces()
            assert (trace.id, trace.review_status) == (ctx.trace_id, "reviewed")
            credited = direct.get_memory(memory.id)
            assert (credited.utility, credited.uses) == (0.75, 1)
            assert len(direct.list_memories()) <= 2
            assert service.status()["spans"] == 1
        client.close()


def test_runs_of_a_refused_key_arrive_with_the_right_one(start_service, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("rf_the_right_one:shop\n")
    keys.chmod(0o600)
    service = start_service(tmp_path / "data", "--settle-seconds", "0.1", "--api-key-file", str(keys))
    spool = {"REFLECT_SPOOL_DIR": str(tmp_path / "spool")}
    agent = """
    @reflect_trace(client, task=TASK)
    def agent(ctx):
        return "done" if ctx.degraded else "with memories"
    print(agent())
    """
    assert run_agent(agent, service.url, REFLECT_API_KEY="rf_the_wrong_one", **spool) == "done\n"
    assert run_agent(agent, service.url, REFLECT_API_KEY="rf_the_right_one", **spool) == "with memories\n"
    with ReflectClient(service.url, api_key="rf_the_right_one") as client:
        wait_until(lambda: len(client.list_traces()) == 2, 20)


def test_forked_children_and_worker_processes_record_their_own_runs_through_an_outage(place, tmp_path):
    code = """
    import multiprocessing
    def work(name):
        with client.trace(name) as ctx:
            ctx.set_output(ANSWER, result="pass")
        while not client.status.spooled:
            pass
    with client.trace("parent") as ctx:
        ctx.set_output(ANSWER)
    for number in range(2):
        if os.fork() == 0:
            work(f"child {number}")
            os._exit(0)
    assert [os.wait()[1] for _ in range(2)] == [0, 0]
    worker = multiprocessing.get_context("fork").Process(target=work, args=("worker",))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    """
    spool = {"REFLECT_SPOOL_DIR": str(tmp_path / "spool")}
    run_agent(code, place.url, **spool)
    place.open()
    run_agent("with client.trace('after'): pass", place.url, **spool)
    with ReflectClient(place.url, project_id="shop") as client:
        tasks = ["after", "child 0", "child 1", "parent", "worker"]
        wait_until(lambda: sorted(trace.task for trace in client.list_traces()) == tasks, 20)


def test_the_log_says_what_happened_once_and_names_the_address(place, tmp_path):
    code = "import logging; logging.basicConfig(format='%(message)s')\n" + PRELUDE
    code += "for _ in range(5):\n    with client.trace(TASK): pass\n"
    spool = {"REFLECT_SPOOL_DIR": str(tmp_path / "spool")}
    done = subprocess.run(
        [sys.executable, "-c", code, place.url],
        env={**os.environ, **spool},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if not re.match(r"[IWE]\d{4} ", line)]
    assert 1 <= len(lines) <= 4, done.stderr
    assert any(place.address in line for line in lines)


@pytest.mark.parametrize("service", ["there", "away at the end"])
def test_ctrl_c_is_a_cancelled_run_that_moves_no_utility(place, tmp_path, service):
    place.open()
    with ReflectClient(place.url, project_id="shop", augment_timeout=10) as client:
        memory = client.create_memory(TASK, "Refund to the card that was charged.")
    code = PRELUDE.replace('project_id="shop"', 'project_id="shop", augment_timeout=5') + textwrap.dedent("""
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with Ctrl-C ignored
    with client.trace(TASK) as ctx:
        assert ctx.memories
        ctx.set_output(ANSWER, result="pass")
        print("working", flush=True)
        sys.stdin.read()
    """)
    pipe = subprocess.PIPE
    agent = subprocess.Popen(
        [sys.executable, "-c", code, place.url],
        env={**os.environ, "REFLECT_SPOOL_DIR": str(tmp_path / "spool")},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )
    assert agent.stdout.readline() == "working\n"
    if service == "away at the end":
        place.kill()
    agent.send_signal(signal.SIGINT)
    _, log = agent.communicate(timeout=30)
    assert "\nKeyboardInterrupt\n" in log
    if service == "away at the end":
        place.open()
        run_agent("with client.trace('after'): pass", place.url, REFLECT_SPOOL_DIR=str(tmp_path / "spool"))
    with ReflectClient(place.url, project_id="shop") as client:
        (trace,) = wait_for(
            lambda: [trace for trace in client.list_traces() if trace.task == TASK], lambda found: len(found) == 1
        )
        trace = client.wait_for_trace(trace.id)
        assert (trace.metadata, trace.review) == ({"cancelled": "KeyboardInterrupt"}, None)
        assert trace.retrieved_memory_ids == (memory.id,)
        assert (client.get_memory(memory.id).utility, client.get_memory(memory.id).uses) == (0.5, 0)
