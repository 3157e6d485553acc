"""The receiver goes away and comes back: what real agent processes lose, with the stock exporter and with ours.

``tests/bench/outage.py`` is the same experiment at full length.
"""

import os
import signal
import subprocess
import sys
import threading
import time

from tests.bench.outage import AGENT, SPANS_A_SECOND, measure
from tests.disk import find_files
from tests.otlp_sink import OtlpSink
from tests.waiting import wait_until

from .test_spool import free_port


def test_an_outage_costs_no_span_and_the_stock_exporter_most(capsys):
    stock, ours = measure(seconds=6, scale=10)
    with capsys.disabled():
        print(f"\noutage of 60 s at a tenth of its length: {stock.verdict}, {ours.verdict}")
        print(ours)
    assert ours.emitted > 250
    assert (ours.lost, ours.repeated) == (0, 0)
    assert stock.lost > stock.emitted / 4
    assert ours.grown_mib < 50


def test_a_process_killed_during_an_outage_loses_its_last_second_at_most(tmp_path, capsys):
    port = free_port()
    environment = {**os.environ, "REFLECT_SPOOL_DIR": str(tmp_path)}
    command = [sys.executable, AGENT, f"http://127.0.0.1:{port}", "reflect", str(SPANS_A_SECOND)]
    killed = subprocess.Popen([*command, "60"], env=environment, stdout=subprocess.PIPE, text=True)
    lines = [killed.stdout.readline() for _ in range(3 * SPANS_A_SECOND)]
    killed.send_signal(signal.SIGKILL)
    lines += killed.communicate(timeout=20)[0].splitlines()
    emitted = [line.split()[0] for line in lines]
    with OtlpSink(port) as back:
        subprocess.run([*command, "0.5"], env=environment, stdout=subprocess.PIPE, timeout=60, check=True)
        wait_until(lambda: not find_files(tmp_path, ".journal"))
        ids = [span.span_id.hex() for span in back.spans]
    lost = [number for number, span_id in enumerate(emitted) if span_id not in ids]
    with capsys.disabled():
        print(f"\nkilled during an outage: reflect-otel lost {len(lost)} of {len(emitted)}")
    assert len(ids) == len(set(ids))
    assert all(number >= len(emitted) - SPANS_A_SECOND for number in lost)


def test_an_agent_ends_in_its_own_time_while_the_receiver_is_deaf(tmp_path):
    hearing = threading.Event()
    with OtlpSink(answer=lambda request, context: hearing.wait(60) and None) as deaf:
        began = time.monotonic()
        environment = {**os.environ, "REFLECT_SPOOL_DIR": str(tmp_path)}
        command = [sys.executable, AGENT, deaf.url, "reflect", "200", "2"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        took = time.monotonic() - began
        hearing.set()
    assert took < 2 + 3 + 10  # its work, two seconds of shutting down, and a busy machine starting Python
    assert len(done.stdout.splitlines()) == 401
    assert find_files(tmp_path, ".journal")
