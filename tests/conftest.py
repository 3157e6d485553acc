"""What holds for every test: property tests are not timed, because the machine is shared with other workers."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from reflect_otel.providers.local_models import ENV_MODELS_DIR, MINILM, find_models_dir, is_installed

INSTALLED_MODELS: Final = find_models_dir()

settings.register_profile("shared-machine", deadline=None, database=None)
settings.load_profile("shared-machine")


@pytest.fixture(autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry that a test leaves undelivered is not found by another one, nor in the user's own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def no_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are the same on machines with and without models; those that want one ask for ``minilm``."""
    monkeypatch.setenv(ENV_MODELS_DIR, str(tmp_path_factory.mktemp("models")))
    for name in ("REFLECT_EMBEDDER", "REFLECT_EMBEDDING_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def minilm(no_models: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models of whoever runs the tests, with the real all-MiniLM-L6-v2 in it."""
    if not is_installed(MINILM, INSTALLED_MODELS):
        pytest.skip(f"minilm is not in {INSTALLED_MODELS}; run `reflect-otel models install minilm`")
    monkeypatch.setenv(ENV_MODELS_DIR, str(INSTALLED_MODELS))
    return INSTALLED_MODELS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-goldens", action="store_true", help="write what is read now to tests/golden")


@pytest.fixture
def rewrite_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--rewrite-goldens"))
