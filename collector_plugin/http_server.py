"""The HTTP port: health for orchestrators, status for people and tests.

``/healthz`` says that the process lives, ``/readyz`` that it takes work, ``/status`` what it holds (numbers over
all projects, no content, and only with a key where keys are configured). Exporters that send OTLP over HTTP, to the
port that is theirs by default, are told where to go.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.errors import AuthError, ConfigError, InvalidArgument
from reflect_otel.service.auth import Authenticator

_GRACE_SECONDS: Final = 3
_NO_OTLP: Final = (
    "OTLP over HTTP is not served; send it by gRPC to the other port (4317 unless configured), "
    "with OTEL_EXPORTER_OTLP_PROTOCOL=grpc and OTEL_EXPORTER_OTLP_ENDPOINT"
)

_log: Final = LimitedLog(logging.getLogger(__name__))


def build_app(
    find_fault: Callable[[], str], read_status: Callable[[], Mapping[str, object]], authenticator: Authenticator
) -> Starlette:
    """The routes.

    Args:
        find_fault: why the service is not ready; empty when it is.
        read_status: the numbers of ``/status``; may touch the store, so it runs in a worker thread.
        authenticator: guards ``/status``.
    """

    async def healthz(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> JSONResponse:
        fault = find_fault()
        body = {"status": "not ready", "reason": fault} if fault else {"status": "ready"}
        return JSONResponse(body, status_code=503 if fault else 200)

    async def status(request: Request) -> JSONResponse:
        try:
            authenticator.authenticate(request.headers.items())
        except (AuthError, InvalidArgument) as error:
            code = 401 if isinstance(error, AuthError) else 400
            return JSONResponse({"reason": error.reason, "message": str(error)}, status_code=code)
        return JSONResponse(dict(await asyncio.to_thread(read_status)))

    async def otlp(_request: Request) -> PlainTextResponse:
        _log.warn("otlp", "somebody sends OTLP to the HTTP port: %s", _NO_OTLP)
        return PlainTextResponse(_NO_OTLP, status_code=404)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/status", status),
            Route("/v1/{signal}", otlp, methods=["POST"]),
        ]
    )


class HttpServer:
    """An ASGI application on its own thread and event loop.

    Args:
        app: what to serve.
        host: address to bind.
        port: 0 picks a free one.

    Raises:
        ConfigError: when the address is taken or not ours.
    """

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        try:
            self._socket = socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
            )
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another --http-address"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_GRACE_SECONDS
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="reflect-http", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish requests in flight and close the port."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_GRACE_SECONDS + 1)
        self._socket.close()
