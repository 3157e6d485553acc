"""A service over an empty data folder, a plain OTLP sender and a client for it."""

from contextlib import ExitStack

import pytest

from reflect_otel import ReflectClient

from .service_process import ServiceProcess
from .telemetry import OtlpSender


@pytest.fixture
def start_service():
    """Starts services over data folders, with arguments of ``serve``; whatever a test does, they end with it."""
    with ExitStack() as started:

        def start(data_dir, *arguments):
            return started.enter_context(ServiceProcess(data_dir, *arguments))

        yield start


@pytest.fixture
def start(start_service, tmp_path, monkeypatch):
    """Starts a service that asks the given scripted model."""

    def start_with(llm, *arguments):
        for name, value in llm.environment.items():
            monkeypatch.setenv(name, value)
        options = ("--settle-seconds", "0.1", "--reflector", "openai:gpt-test", *arguments)
        return start_service(tmp_path / "data", *options)

    return start_with


@pytest.fixture
def service(tmp_path):
    with ServiceProcess(tmp_path / "data", "--settle-seconds", "0.2") as process:
        yield process


@pytest.fixture
def sender(service):
    sender = OtlpSender(service.grpc_address)
    yield sender
    sender.close()


@pytest.fixture
def client(service):
    # what comes back is looked at, not when: the default of 0.3 s has tests of its own
    with ReflectClient(base_url=service.url, augment_timeout=30) as client:
        yield client
