"""Ours comes last at exit, whoever registered first after ``import reflect_otel``; a forked child has none of it."""

import subprocess
import sys

PROGRAM = """
import os, sys
from reflect_otel import exit_order
import atexit
exit_order.register(lambda: print("opened first", flush=True))
exit_order.register(lambda: 1 / 0)
exit_order.register(lambda: print("opened second", flush=True))
forgotten = lambda: print("closed before", flush=True)
exit_order.register(forgotten)
exit_order.unregister(forgotten)
exit_order.unregister(forgotten)
atexit.register(lambda: print("host", flush=True))
child = os.fork()
if child == 0:
    sys.exit()
os.waitpid(child, 0)
print("end", flush=True)
"""


def test_callbacks_run_last_in_reverse_order_and_only_in_the_process_that_registered_them():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.split("\n") == ["host", "end", "host", "opened second", "opened first", ""]
    assert "could not finish in order" in done.stderr
