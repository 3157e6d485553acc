"""The whole service within the process of its caller: no server, no sockets, no gRPC.

``EmbeddedTransport`` stands where a gRPC channel would: behind ``ReflectClient`` as its ``Transport``, behind the
span exporter as its ``OtlpSink``. Both find it through the entry-point group ``reflect_otel.transports``.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace

from collector_plugin.shared_engines import MAX_CALLS, SharedEngine, engines
from reflect_otel.capture.suppression import suppressed_instrumentation
from reflect_otel.client.call_threads import run_with_deadline
from reflect_otel.errors import DeadlineExceeded, FailedPrecondition, Unavailable
from reflect_otel.ports import Settings
from reflect_otel.service.auth import Authenticator
from reflect_otel.service.call import Call
from reflect_otel.service.caller_errors import build_caller_error

_AUTHENTICATOR: Final = Authenticator({})
"""Whoever runs in the process may read the folder, so that a key would protect nothing."""


class EmbeddedTransport:
    """One user's way into the engine over a data folder in this process. Thread-safe.

    Unary calls run in a thread of ours, so that a caller with a deadline, such as an agent that asks for memories,
    goes on in time whatever the embedder or the disk does. In a forked child every call raises Unavailable.

    Args:
        folder: the data folder; ``~`` is the home directory.
        headers: as a gRPC client would send them; ``x-reflect-project`` names the project.
        settings: delays and limits.
        embedder, reflector: names of installed adapters. ``None``: as the folder is open already, else the default.

    Raises:
        InvalidArgument: the project name cannot be used.
        PluginError: a library or adapter is not installed.
        ConfigError: the folder cannot be used, or is open with other options.
        StoreError: its content cannot be used; StoreLocked when another process has it.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        headers: Mapping[str, str],
        *,
        settings: Settings | None = None,
        embedder: str | None = None,
        reflector: str | None = None,
    ) -> None:
        self._caller = _AUTHENTICATOR.authenticate(headers.items())
        self._folder = Path(folder).expanduser().resolve()
        self._owner_pid = os.getpid()
        self._closed = False
        self._shared = engines.join(self._folder, settings=settings, embedder=embedder, reflector=reflector)

    # --- Transport ------------------------------------------------------------------------------------

    def call(self, method: str, request: Any, timeout_seconds: float) -> Any:
        """The response of the RPC of that name.

        Raises:
            ReflectError: what a gRPC client would raise.
        """
        shared = self._require_open()
        answer = shared.servicer.methods[method]
        call = self._build_call(timeout_seconds, lambda _: None)
        if not shared.free_calls.acquire(timeout=timeout_seconds):
            raise DeadlineExceeded(f"{MAX_CALLS} calls are under way and none ended within {timeout_seconds:g} s")

        def work() -> Any:
            try:
                return answer(call, request)
            finally:
                shared.free_calls.release()

        return _answer(lambda: run_with_deadline(work, timeout_seconds))

    def stream(self, method: str, request: Any, timeout_seconds: float) -> Iterator[Any]:
        """The responses of a streaming RPC as they come, in the caller's thread. Raises as ``call`` does."""
        at_end: list[Callable[[], None]] = []
        call = self._build_call(timeout_seconds, at_end.append)
        answers = _answer(lambda: iter(self._require_open().servicer.methods[method](call, request)))
        try:
            while (response := _answer(lambda: next(answers, None))) is not None:
                yield response
        finally:
            for callback in at_end:
                callback()

    # --- OtlpSink -------------------------------------------------------------------------------------

    def export_traces(self, body: bytes) -> str:
        """Accept a serialised ``ExportTraceServiceRequest``; what was left out of it and why. Raises ReflectError."""
        receiver = self._require_open().receiver
        response = _answer(lambda: receiver.export_traces(body, self._caller))
        return str(response.partial_success.error_message)

    def export_logs(self, body: bytes) -> str:
        """Accept a serialised ``ExportLogsServiceRequest``; as ``export_traces``."""
        receiver = self._require_open().receiver
        response = _answer(lambda: receiver.export_logs(body, self._caller))
        return str(response.partial_success.error_message)

    def close(self) -> None:
        """Give the engine up; it ends with its last user. Harmless when repeated, and in a forked child."""
        if not self._closed and os.getpid() == self._owner_pid:
            engines.leave(self._folder, self._shared)
        self._closed = True

    # --- inside ---------------------------------------------------------------------------------------

    def _require_open(self) -> SharedEngine:
        if self._closed:
            raise FailedPrecondition("this ReflectClient is closed; make a new one")
        if os.getpid() != self._owner_pid:
            raise Unavailable(
                f"{self._folder} belongs to process {self._owner_pid}, which this process was forked from; "
                "for several processes, run `reflect-otel serve` and give each of them its address"
            )
        return self._shared

    def _build_call(self, timeout_seconds: float, on_end: Callable[[Callable[[], None]], None]) -> Call:
        span_context = trace.get_current_span().get_span_context()
        deadline = time.monotonic() + timeout_seconds
        return Call(
            project_id=self._caller.project_id,
            trace_id=span_context.trace_id.to_bytes(16, "big") if span_context.is_valid else None,
            remaining_seconds=timeout_seconds,
            answer_seconds=timeout_seconds,  # an answer within the process needs no time to arrive
            is_awaited=lambda: time.monotonic() < deadline,
            on_end=on_end,
        )


def _answer(call: Callable[[], Any]) -> Any:
    with suppressed_instrumentation():
        try:
            return call()
        except Exception as error:
            seen = build_caller_error(error)
            if seen is error:
                raise
            raise seen from error
