"""The service process: an engine with its network ports in front.

Ports open last and close first.
"""

from collections.abc import Mapping
from concurrent import futures
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from collector_plugin.engine import MAX_WAITERS, Engine
from collector_plugin.grpc_receiver import LOGS_SERVICE, METRICS_SERVICE, TRACE_SERVICE, OtlpHandler
from collector_plugin.http_server import HttpServer, build_app
from collector_plugin.interpreter import shared_out
from collector_plugin.observation.export import TelemetryExport
from collector_plugin.otlp_receiver import OtlpReceiver
from collector_plugin.settings import MAX_MESSAGE_BYTES, ServeOptions, check_exposure, join_address, split_address
from collector_plugin.stop_signal import StopSignal
from reflect_otel import __version__
from reflect_otel.errors import ConfigError
from reflect_otel.service.auth import Authenticator, hash_key
from reflect_otel.service.grpc_handler import build_service_handler
from reflect_otel.service.servicer import SERVICE_NAME

_HANDLER_THREADS: Final = MAX_WAITERS + 32
"""Each waiter of WaitTrace keeps a thread; the rest is for everyone else."""
_EXPORT_THREADS: Final = 32
"""Apart from the others, so that telemetry is acknowledged whatever callers wait for."""
_SLOW_CALL_THREADS: Final = 32
_LAST_TELEMETRY_SECONDS: Final = 2.0
_SERVICES: Final = (SERVICE_NAME, TRACE_SERVICE, LOGS_SERVICE, METRICS_SERVICE)


class Service:
    """One service process over one data folder.

    Args:
        options: addresses, folder, keys.

    Raises:
        ConfigError: an address or key is wrong, or the exposure is not allowed.
        StoreError: the data folder cannot be used; the message names the remedy.
    """

    def __init__(self, options: ServeOptions) -> None:
        check_exposure(options)
        self._shutdown_seconds = options.shutdown_seconds
        self._stopping = False
        authenticator = Authenticator(read_api_keys(options.api_keys))
        self._engine = Engine(options.engine)
        self._health = health.HealthServicer()
        self._exports = futures.ThreadPoolExecutor(_EXPORT_THREADS, thread_name_prefix="reflect-export")
        self._slow_calls = futures.ThreadPoolExecutor(_SLOW_CALL_THREADS, thread_name_prefix="reflect-slow")
        try:
            self._grpc, self.grpc_address = self._build_grpc(options.grpc_address, authenticator)
            host, port = split_address(options.http_address)
            self._http = HttpServer(build_app(self._find_fault, self._read_status, authenticator), host, port)
            self.http_address = join_address(host, self._http.port)
        except BaseException:
            self._engine.stop(0)
            raise

    def start(self) -> None:
        """Take work."""
        self._engine.start()
        self._grpc.start()
        self._http.start()
        for name in ("", *_SERVICES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self) -> None:
        """Refuse new work, finish what is in flight within ``shutdown_seconds``, release the data folder."""
        self._stopping = True
        self._health.enter_graceful_shutdown()
        self._engine.watch.close()
        self._grpc.stop(self._shutdown_seconds / 2).wait()
        for threads in (self._exports, self._slow_calls):
            threads.shutdown(wait=False, cancel_futures=True)
        self._engine.stop(self._shutdown_seconds / 2)
        self._http.stop()

    def _build_grpc(self, address: str, authenticator: Authenticator) -> tuple[Any, str]:
        server = grpc.server(
            futures.ThreadPoolExecutor(_HANDLER_THREADS, thread_name_prefix="reflect-grpc"),
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        server.add_generic_rpc_handlers(
            (
                OtlpHandler(
                    OtlpReceiver(self._engine.pipeline, self._engine.telemetry), authenticator, self._exports
                ),
                build_service_handler(self._engine.operations, authenticator, self._slow_calls),
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        host, _ = split_address(address)
        try:
            port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigError(
                f"cannot listen on {address}: another process has it, or it is no address of this machine; "
                "choose another --grpc-address"
            ) from error
        return server, join_address(host, port)

    def _find_fault(self) -> str:
        return "stopping" if self._stopping else self._engine.pipeline.failure

    def _read_status(self) -> Mapping[str, object]:
        return {"ready": not self._find_fault(), **self._engine.read_status()}


def read_api_keys(pairs: tuple[str, ...]) -> dict[str, str]:
    """``KEY:PROJECT`` pairs as the project of each hashed key.

    Raises:
        ConfigError: a pair has no project or a key is shorter than 16 characters.
    """
    keys: dict[str, str] = {}
    for pair in pairs:
        key, separator, project_id = pair.rpartition(":")
        if not separator or len(key) < 16:
            raise ConfigError(
                "an API key entry is KEY:PROJECT with a key of at least 16 characters, see `openssl rand -hex 16`"
            )
        keys[hash_key(key)] = project_id
    return keys


def serve(options: ServeOptions) -> int:
    """Run the service until SIGTERM or SIGINT; the process's exit code."""
    export = TelemetryExport((options.grpc_address, options.http_address)) if options.telemetry else None
    service = Service(options)
    stop = StopSignal()
    with shared_out():
        service.start()
        print(
            f"reflect-otel {__version__}: OTLP and API on {service.grpc_address}, "
            f"health on http://{service.http_address}, data in {options.engine.data_dir}",
            flush=True,
        )
        stop.wait()
        service.stop()
    if export is not None:
        export.stop(_LAST_TELEMETRY_SECONDS)
    return 0
