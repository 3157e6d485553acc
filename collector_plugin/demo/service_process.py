"""A real ``reflect-otel serve`` in a process of its own, for as long as the demo lasts."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from reflect_otel.errors import Unavailable

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.05
_STATUS_SECONDS: Final = 5.0


class ServiceProcess:
    """The service on free ports over a data folder; its output goes to ``service.log`` in that folder.

    Args:
        data_dir: an existing folder.
        settle_seconds: how long a finished run waits for late spans; the recordings have none.
    """

    def __init__(self, data_dir: Path, settle_seconds: float = 0.3) -> None:
        self.grpc_address, self.http_address = (f"{_HOST}:{port}" for port in _find_free_ports(2))
        self.log_path = data_dir / "service.log"
        self._command = [
            *(sys.executable, "-P", "-m", "collector_plugin", "serve", "--data-dir", str(data_dir)),
            *("--grpc-address", self.grpc_address, "--http-address", self.http_address),
            *("--settle-seconds", str(settle_seconds), "--idle-seconds", "3"),
        ]

    def __enter__(self) -> Self:
        """Start the service and wait until it takes work.

        Raises:
            Unavailable: when it ends or is not ready in time; the message ends with its last words.
        """
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._kill()
                raise Unavailable(f"the service did not start: {self._last_words()}")
            time.sleep(_POLL_SECONDS)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Stop the service as an orchestrator would."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self.exit_code = -signal.SIGKILL

    def read_status(self) -> Mapping[str, Any]:
        """What the running service says of itself.

        Raises:
            Unavailable: it does not answer.
        """
        connection = http.client.HTTPConnection(self.http_address, timeout=_STATUS_SECONDS)
        try:
            connection.request("GET", "/status")
            status: Mapping[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the service does not answer: {error}") from error
        finally:
            connection.close()
        return status

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self.http_address, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("reflect-otel: ")]
        return " | ".join(errors or lines[-3:]) or "it said nothing"


def isolate_environment() -> None:
    """Take this process and its children away from the user's own service, exporter settings and proxies."""
    for name in [name for name in os.environ if name.startswith(("REFLECT_", "OTEL_"))]:
        del os.environ[name]
    os.environ["no_grpc_proxy"] = _HOST  # noqa: SIM112 - gRPC reads it in lower case


def _find_free_ports(count: int) -> list[int]:
    listeners = [socket.create_server((_HOST, 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
