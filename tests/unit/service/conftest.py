from contextlib import contextmanager

import pytest

from reflect_otel.service.auth import Authenticator, hash_key
from reflect_otel.store.duckdb_store import DuckDBStore
from reflect_otel.store.faiss_index import FaissIndex
from tests.unit.service.backend import KEYS, Api, Backend, serving


@contextmanager
def opened_backend(folder):
    store = DuckDBStore(folder / "reflect.duckdb")
    backend = Backend(store, FaissIndex)
    yield backend
    backend.loop.stop(5)
    store.close()


@contextmanager
def calling(address, project):
    api = Api(address, KEYS[project])
    yield api
    api.channel.close()


def authenticator():
    return Authenticator({hash_key(key): name for name, key in KEYS.items()})


@pytest.fixture
def backend(tmp_path):
    with opened_backend(tmp_path) as backend:
        yield backend


@pytest.fixture
def address(backend):
    with serving(backend, authenticator()) as address:
        yield address


@pytest.fixture
def api(address):
    with calling(address, "shop") as api:
        yield api


@pytest.fixture
def bank(address):
    with calling(address, "bank") as api:
        yield api


@pytest.fixture(scope="module")
def empty_backend(tmp_path_factory):
    """Shared by tests whose every call is refused, so that it stays empty."""
    with opened_backend(tmp_path_factory.mktemp("empty")) as backend:
        yield backend


@pytest.fixture(scope="module")
def empty_address(empty_backend):
    with serving(empty_backend, authenticator()) as address:
        yield address


@pytest.fixture(scope="module")
def refusing_api(empty_address):
    with calling(empty_address, "shop") as api:
        yield api
