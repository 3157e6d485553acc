"""A real `reflect-otel serve` process for tests: started, asked, killed and restarted over one data folder."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

_T = TypeVar("_T")
_HANG_SECONDS = 20
"""A process that has not ended by then never will; how long it may take is for the tests to say."""
_ADDRESSES = re.compile(r"OTLP and API on (\S+), health on (http://\S+),")


class ServiceProcess:
    """One service process on free ports of this machine; leaving the ``with`` block ends it, however it stands.

    Tests that restart or kill theirs ask for the fixture ``start_service`` instead.
    """

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self._arguments = arguments
        self.log = data_dir.with_suffix(".log")
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "collector_plugin", "serve", "--data-dir", str(self.data_dir),
            "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", *self._arguments,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = _ADDRESSES.search(line)
        if found is None:
            self.kill()
            raise AssertionError(f"the service did not start: {line}{self.log.read_text()}")
        self.grpc_address, self.http_url = found.groups()
        self.url = f"http://{self.grpc_address}"

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def terminate(self) -> tuple[int, float]:
        """SIGTERM; the exit code and the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(_HANG_SECONDS)
        self._reap()
        return self.process.returncode, time.monotonic() - began

    def restart(self) -> None:
        self.terminate()
        self.start()

    def stop(self) -> None:
        """End it in order; one that does not end is killed, and that is an error."""
        try:
            if self.process.poll() is None:
                self.terminate()
        finally:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict]:
        request = urllib.request.Request(self.http_url + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def status(self) -> dict:
        return self.get("/status")[1]

    def wait_settled(self) -> dict:
        """Until everything accepted is stored and every run is closed."""
        return wait_for(self.status, lambda status: status["journal_pending"] == 0 and status["unclosed_runs"] == 0)

    def _reap(self) -> None:
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()


def wait_for(read: Callable[[], _T], accept: Callable[[_T], bool], timeout_seconds: float = 20.0) -> _T:
    """Read until the value is accepted; the assertion shows the last value."""
    end = time.monotonic() + timeout_seconds
    value = read()
    while not accept(value):
        assert time.monotonic() < end, f"still {value!r} after {timeout_seconds} s"
        time.sleep(0.02)
        value = read()
    return value
