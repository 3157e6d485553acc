"""Where everything is wired, and nowhere else.

Start order: data folder, store, journal, memory table, learning loop, pipeline, ports. Stop order is the reverse, so
that nothing is accepted that cannot be finished; what is journalled and not finished is taken up by the next start.
"""

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Mapping
from concurrent import futures
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from collector_plugin.grpc_receiver import LOGS_SERVICE, METRICS_SERVICE, TRACE_SERVICE, OtlpHandler, OtlpReceiver
from collector_plugin.http_server import HttpServer, build_app
from collector_plugin.pipeline import Pipeline
from collector_plugin.settings import MAX_MESSAGE_BYTES, ServeOptions, check_exposure, split_address
from reflect_otel import __version__
from reflect_otel.errors import ConfigError
from reflect_otel.journal import Journal
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import Embedder, Reflector, Store
from reflect_otel.service.auth import Authenticator, hash_key
from reflect_otel.service.operations import Operations
from reflect_otel.service.servicer import SERVICE_NAME, build_service_handler
from reflect_otel.service.watch import RunWatch

logger = logging.getLogger(__name__)

_MAX_WAITERS: Final = 64
_HANDLER_THREADS: Final = _MAX_WAITERS + 32
"""Each waiter of WaitTrace keeps a thread; the rest is for everyone else."""
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
        self._options = options
        authenticator = Authenticator(read_api_keys(options.api_keys))
        self._prepare_folder()
        self._store: Store = load_plugin("reflect_otel.stores", "duckdb")(options.data_dir / "reflect.duckdb")
        self._journal = Journal(
            options.data_dir / "journal",
            capacity_bytes=options.journal_bytes,
            start_after=self._store.journal_offset(),
        )
        self._stopping = False
        self._watch = RunWatch(_MAX_WAITERS)
        self._table, self._loop = self._build_learning()
        self._pipeline = Pipeline(
            self._journal, self._store, options.settings, time.time_ns, self._watch.publish, self._loop.wake
        )
        self._operations = Operations(
            store=self._store,
            retriever=Retriever(self._table, self._embedder, options.settings),
            loop=self._loop,
            intake=self._pipeline,
            watch=self._watch,
            settings=options.settings,
            clock=time.time_ns,
            ids=lambda: secrets.token_hex(16),
        )
        self._health = health.HealthServicer()
        self._grpc = self._build_grpc(authenticator)
        host, port = split_address(options.http_address)
        self._http = HttpServer(build_app(self._find_fault, self._read_status, authenticator), host, port)
        self._http_host = host

    @property
    def grpc_address(self) -> str:
        """``HOST:PORT`` of OTLP and the reflect API."""
        return self._grpc_address

    @property
    def http_address(self) -> str:
        """``HOST:PORT`` of health and status."""
        return f"{self._http_host}:{self._http.port}"

    def start(self) -> None:
        """Take work."""
        self._loop.start()
        self._pipeline.start()
        self._grpc.start()
        self._http.start()
        for name in ("", *_SERVICES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self) -> None:
        """Refuse new work, finish what is in flight within ``shutdown_seconds``, release the data folder."""
        self._stopping = True
        left = self._options.shutdown_seconds
        self._health.enter_graceful_shutdown()
        self._watch.close()
        self._grpc.stop(left / 2).wait()
        self._pipeline.stop(left / 4)
        self._loop.stop(left / 4)
        self._http.stop()
        self._store.close()
        self._journal.close()

    def _prepare_folder(self) -> None:
        folder = self._options.data_dir
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(
                f"cannot use data folder {folder} ({error.strerror}); choose another --data-dir"
            ) from error
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"cannot write to data folder {folder}; change its owner or choose another --data-dir")

    def _build_learning(self) -> tuple[MemoryTable, LearningLoop]:
        self._embedder: Embedder = load_plugin("reflect_otel.embedders", self._options.embedder)()
        reflector: Reflector = load_plugin("reflect_otel.reflectors", self._options.reflector)()
        table = MemoryTable(load_plugin("reflect_otel.indexes", "faiss"))
        table.load(self._store.find_vectors())
        loop = LearningLoop(self._store, table, self._embedder, reflector, time.time_ns, self._watch.publish)
        return table, loop

    def _build_grpc(self, authenticator: Authenticator) -> Any:
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
                OtlpHandler(OtlpReceiver(self._pipeline), authenticator),
                build_service_handler(self._operations, authenticator),
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        host, port = split_address(self._options.grpc_address)
        try:
            bound = server.add_insecure_port(self._options.grpc_address)
        except RuntimeError:
            bound = 0
        if not bound:
            raise ConfigError(f"cannot listen on {self._options.grpc_address}; choose another --grpc-address")
        self._grpc_address = f"{host}:{bound or port}"
        return server

    def _find_fault(self) -> str:
        if self._stopping:
            return "stopping"
        return self._pipeline.failure

    def _read_status(self) -> Mapping[str, object]:
        return {
            "version": __version__,
            "ready": not self._find_fault(),
            "spans": self._store.count_spans(),
            "runs": self._store.count_runs(),
            "journal_pending": self._pipeline.pending_records,
            "unclosed_runs": self._pipeline.unclosed_runs,
            "embedder": self._embedder.id,
            "embedder_is_lexical": self._embedder.lexical,
        }


def read_api_keys(pairs: tuple[str, ...]) -> dict[str, str]:
    """``KEY:PROJECT`` pairs as the project of each hashed key.

    Raises:
        ConfigError: a pair has no project or a key is shorter than 16 characters.
    """
    keys: dict[str, str] = {}
    for pair in pairs:
        key, separator, project_id = pair.rpartition(":")
        if not separator or len(key) < 16:
            raise ConfigError("an API key entry is KEY:PROJECT with a key of at least 16 characters")
        keys[hash_key(key)] = project_id
    return keys


def serve(options: ServeOptions) -> int:
    """Run the service until SIGTERM or SIGINT; the process's exit code."""
    service = Service(options)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service.start()
    print(
        f"reflect-otel {__version__}: OTLP and API on {service.grpc_address}, "
        f"health on http://{service.http_address}, data in {options.data_dir}",
        flush=True,
    )
    stop.wait()
    service.stop()
    return 0
