"""What holds for every test: property tests are not timed, because the machine is shared with other workers."""

import pytest
from hypothesis import settings

settings.register_profile("shared-machine", deadline=None, database=None)
settings.load_profile("shared-machine")


@pytest.fixture(autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry that a test leaves undelivered is not found by another one, nor in the user's own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-goldens", action="store_true", help="write what is read now to tests/golden")


@pytest.fixture
def rewrite_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--rewrite-goldens"))
