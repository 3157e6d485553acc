"""``reflect-otel doctor``: is the way from here to the memories open, and if not, where does it end."""

import email.utils
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from collector_plugin.commands.connection import Connection
from collector_plugin.commands.finding import Finding, print_findings
from collector_plugin.exit_codes import ExitCode
from reflect_otel import __version__
from reflect_otel.capture.connection import parse_address
from reflect_otel.errors import ReflectError

_TIMEOUT_SECONDS: Final = 5.0
_MAX_SKEW_SECONDS: Final = 5.0
_CLOCK_SECONDS: Final = 2.0
"""How old the header's time may be: whole seconds, set once a second."""
_REMEDIES: Final[Mapping[str, str]] = {
    "reflector_error": "check the model's endpoint, key and budget; until then lessons wait or are written offline",
    "embedding_error": "check the embedding endpoint and key; until then tasks go without some or all memories",
    "telemetry_set_aside": "requests that cannot be stored lie in set-aside in the data folder, their cause in the "
    "service's log; report it, then delete them and restart",
}
"""What to do where the service reports trouble; that with endpoints ends by itself when they answer."""


def run_doctor(connection: Connection, http_endpoint: str, *, probe: bool, as_json: bool) -> ExitCode:
    """Check a running service and print what was found.

    Raises:
        InvalidArgument: for an endpoint that is no address.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _check_grpc(connection),
        lambda: _check_project(connection),
        lambda: _check_http(connection, http_endpoint),
    ]
    findings: list[Finding] = []
    for check in checks:
        findings += check()
    if probe and all(finding.ok for finding in findings if finding.check in ("grpc", "project")):
        findings += _check_probe(connection)
    return print_findings(findings, as_json=as_json)


def _check_grpc(connection: Connection) -> Iterator[Finding]:
    address = parse_address(connection.endpoint, field="endpoint")
    open_channel = _secure_channel if address.secure else grpc.insecure_channel
    with open_channel(address.target) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS
            )
        except grpc.RpcError as error:
            yield Finding(
                check="grpc",
                detail=f"{address.target}: {error.code().name}",
                remedy="start the service with `reflect-otel serve`, or set REFLECT_ENDPOINT to where it listens",
            )
            return
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    yield Finding(
        check="grpc",
        detail=f"{address.target}: {'serving' if serving else 'not serving'}",
        remedy="" if serving else "the service is starting or stopping; ask again",
    )


def _secure_channel(target: str) -> grpc.Channel:
    return grpc.secure_channel(target, grpc.ssl_channel_credentials())


def _check_project(connection: Connection) -> Iterator[Finding]:
    try:
        with connection.open() as client:
            newest = next(client.iter_traces(), None)
            settings = client.get_project_settings()
    except ReflectError as error:
        yield Finding(check="project", detail=error.reason, remedy=str(error))
        return
    detail = f"readable; newest run {newest.id}" if newest else "readable; no runs yet"
    yield Finding(check="project", detail=detail)
    yield Finding(
        check="serving",
        detail="memories are served" if settings.serving else f"stopped: {settings.serving_stopped_reason}",
        value=settings.serving,
        remedy="" if settings.serving else "see `reflect-otel lift`; `reflect-otel lift --resume` serves again",
    )


def _check_http(connection: Connection, endpoint: str) -> Iterator[Finding]:
    try:
        code, _, _ = _get(endpoint, "/readyz", connection)
        status_code, body, headers = _get(endpoint, "/status", connection)
    except (OSError, http.client.HTTPException) as error:  # no HTTP, too: it may be the gRPC port
        yield Finding(
            check="http",
            detail=f"{endpoint}: {error}",
            remedy="check --http-endpoint against the service's --http-address",
        )
        return
    ready = code == http.client.OK
    yield Finding(
        check="http",
        detail=f"{endpoint}: {'ready' if ready else 'not ready'}",
        remedy="" if ready else "the service is starting, stopping or out of disk; see its log",
    )
    if "date" in headers:
        yield from _check_clock(headers["date"])
    if status_code == http.client.OK:
        yield from _check_status(body)
    else:
        yield Finding(check="status", detail=f"HTTP {status_code}", remedy=str(body.get("message", "see its log")))


def _check_clock(date: str) -> Iterator[Finding]:
    sent = email.utils.parsedate_to_datetime(date).timestamp()
    skew_seconds = sent + _CLOCK_SECONDS / 2 - time.time()
    in_step = abs(skew_seconds) <= _CLOCK_SECONDS
    far = abs(skew_seconds) > _MAX_SKEW_SECONDS
    yield Finding(
        check="clock",
        detail="in step with this machine's" if in_step else f"{skew_seconds:+.0f} s against this machine",
        value=0 if in_step else round(skew_seconds),
        remedy="set both clocks by NTP; runs close and sort by these times" if far else "",
    )


def _check_status(status: Mapping[str, Any]) -> Iterator[Finding]:
    version = str(status.get("version"))
    yield Finding(
        check="version",
        detail=f"service {version}, command {__version__}",
        value=version,
        remedy="" if version == __version__ else "install the same release on both sides",
    )
    for name in sorted(status.keys() - {"version", "ready"}):
        remedy = _REMEDIES.get(name, "") if status[name] else ""
        yield Finding(check=name, detail=str(status[name]), value=status[name], remedy=remedy, quiet=not status[name])


def _check_probe(connection: Connection) -> Iterator[Finding]:
    from collector_plugin.commands.probe import run_probe

    try:
        yield Finding(check="probe", detail=run_probe(connection))
    except ReflectError as error:
        yield Finding(check="probe", detail=error.reason, remedy=str(error))


def _get(endpoint: str, path: str, connection: Connection) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    address = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    asked = {"x-reflect-project": connection.project_id}
    if connection.api_key:
        asked["authorization"] = f"Bearer {connection.api_key}"
    http_connection = kind(address.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        http_connection.request("GET", path, headers=asked)
        response = http_connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, _decoded(response.read()), headers
    finally:
        http_connection.close()


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
