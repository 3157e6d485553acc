import pytest

from reflect_otel.service.auth import Authenticator, hash_key
from reflect_otel.testing.fakes import InMemoryIndex, InMemoryStore
from tests.unit.service.backend import KEYS, Api, Backend, serving


@pytest.fixture
def backend():
    backend = Backend(InMemoryStore(), InMemoryIndex)
    yield backend
    backend.loop.stop(5)


@pytest.fixture
def address(backend):
    with serving(backend, Authenticator({hash_key(key): name for name, key in KEYS.items()})) as address:
        yield address


@pytest.fixture
def api(address):
    api = Api(address, KEYS["shop"])
    yield api
    api.channel.close()


@pytest.fixture
def bank(address):
    api = Api(address, KEYS["bank"])
    yield api
    api.channel.close()
