"""A service over an empty data folder, a plain OTLP sender and a client for it."""

import pytest

from reflect_otel import ReflectClient

from .service_process import ServiceProcess
from .telemetry import OtlpSender


@pytest.fixture
def service(tmp_path):
    process = ServiceProcess(tmp_path / "data", "--settle-seconds", "0.2")
    yield process
    process.stop()


@pytest.fixture
def sender(service):
    sender = OtlpSender(service.grpc_address)
    yield sender
    sender.close()


@pytest.fixture
def client(service):
    with ReflectClient(base_url=service.url) as client:
        yield client
