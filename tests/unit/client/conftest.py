"""A scripted service and a client for it."""

import pytest

from reflect_otel import ReflectClient
from tests.wire_server import WireServer


@pytest.fixture(autouse=True)
def no_reflect_environment(monkeypatch):
    for variable in ("REFLECT_ENDPOINT", "REFLECT_API_KEY", "REFLECT_PROJECT_ID"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def service():
    server = WireServer()
    yield server
    server.stop()


@pytest.fixture
def client(service):
    with ReflectClient(service.url, augment_timeout=5) as client:
        yield client
