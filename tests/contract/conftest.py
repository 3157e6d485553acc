"""The two ways to the use cases, each as an address: a service process over gRPC, and an engine in this process."""

from itertools import count

import pytest

from reflect_otel import ReflectClient
from tests.journeys.service_process import ServiceProcess

WAYS = ("grpc", "embedded")
PATIENT_SECONDS = 10
"""So that a busy machine does not look like a service that is away."""

_projects = count(1)


@pytest.fixture(scope="session")
def addresses(tmp_path_factory):
    """The address of each way; both stay open for all tests."""
    folder = tmp_path_factory.mktemp("contract")
    embedded = f"embedded://{folder / 'embedded'}"
    with ServiceProcess(folder / "service", "--settle-seconds", "0.2") as process, ReflectClient(embedded):
        yield {"grpc": process.url, "embedded": embedded}


@pytest.fixture
def project():
    """A project that nobody has written to."""
    return f"contract-{next(_projects)}"


@pytest.fixture(params=WAYS)
def address(request, addresses):
    return addresses[request.param]


@pytest.fixture
def client(address, project):
    with ReflectClient(address, project_id=project, augment_timeout=PATIENT_SECONDS) as client:
        yield client


@pytest.fixture
def clients(addresses, project):
    """One client each way, to be asked the same."""
    pairs = {
        way: ReflectClient(address, project_id=project, augment_timeout=PATIENT_SECONDS)
        for way, address in addresses.items()
    }
    yield pairs
    for client in pairs.values():
        client.close()
