"""Receivers that misbehave, spans to send them, and ways of looking at a spool."""

import contextlib
import socket
import threading
from pathlib import Path
from typing import Self

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, status_pb2
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.otlp_sink import OtlpInbox, OtlpSink
from tests.unit.capture.conftest import CollectingExporter

DEAD_URL = "http://127.0.0.1:1"


def build_spans(*names: str, text: str = "") -> list[ReadableSpan]:
    """Ended spans, apart from any exporter."""
    collected = CollectingExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(collected))
    for name in names:
        provider.get_tracer("test").start_span(name, attributes={"text": text}).end()
    return [span for batch in collected.batches for span in batch]


def names_at(inbox: OtlpInbox) -> list[str]:
    return [span.name for span in inbox.spans]


def free_port() -> int:
    """A port at which nobody listens, and a receiver may later."""
    sink = OtlpSink()
    sink.stop()
    return sink.port


def refuse(
    code: grpc.StatusCode, retry_after_seconds: float | None = None, *, header: str = "", times: int = 1 << 30
):
    """An answer that ends the first ``times`` calls with a status, with ``RetryInfo`` or a ``retry-after`` header."""
    left = [times]

    def answer(request, context):
        if left[0] <= 0:
            return
        left[0] -= 1
        if header:
            context.set_trailing_metadata((("retry-after", header),))
            context.abort(code, "scripted")
        status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message="scripted")
        if retry_after_seconds is not None:
            whole, rest = divmod(retry_after_seconds, 1)
            status.details.append(Any())
            status.details[0].Pack(RetryInfo(retry_delay=Duration(seconds=int(whole), nanos=int(rest * 1e9))))
        context.abort_with_status(rpc_status.to_status(status))

    return answer


class Gateway:
    """A TCP relay to a receiver; ``freeze`` leaves its connections open and passes nothing on any more."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._frozen = threading.Event()
        self._sockets: list[socket.socket] = [self._listener]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def freeze(self) -> None:
        """What is open stays open and silent; new connections are relayed."""
        self._frozen.set()
        self._frozen = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self.connections += 1
            self._sockets += (client, server)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._relay, args=(source, sink, self._frozen), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, frozen: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not frozen.is_set():
                    sink.sendall(data)


def spool_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def journals(root: Path) -> list[Path]:
    return sorted(path for path in spool_files(root) if path.suffix == ".journal")


def journal_bytes(root: Path) -> int:
    return sum(path.stat().st_size for path in journals(root))
