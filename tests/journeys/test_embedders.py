"""Changing the embedder of a data folder, through kills: the former one serves until the new one has everything."""

import re

import pytest

from reflect_otel import ReflectClient

from .service_process import wait_for

PROJECTS = ("north", "south")
PLACES = ("oslo", "lima", "rome", "cairo", "delhi", "tokyo", "quito", "sofia", "minsk", "accra", "lagos", "dakar")
TASKS = [f"{verb} the flight to {place}" for place in PLACES for verb in ("cancel", "book", "move", "refund", "find")]


def fill(service):
    for project in PROJECTS:
        with ReflectClient(base_url=service.url, project_id=project) as client:
            for number, task in enumerate(TASKS):
                client.create_memory(task=task, reflection=f"lesson {number} of {project}: {task} only after asking")


def nearest(service, task, project):
    with ReflectClient(base_url=service.url, project_id=project) as client:
        return client.query_memories(task, limit=1, lambda_=1.0)[0].task


@pytest.fixture
def opened(start_service):
    return lambda folder, embedder: start_service(folder, "--embedder", embedder)


def test_a_new_embedder_takes_over_through_kills_without_a_gap(opened, tmp_path, minilm):
    service = opened(tmp_path / "data", "hashing")
    fill(service)
    assert service.terminate()[0] == 0
    service = opened(tmp_path / "data", "minilm")
    seen = []
    for wanted in (1, 50, 90):
        state = wait_for(service.status, lambda status, least=wanted: status["memories_embedded"] >= least)
        seen.append(state["memories_embedded"])
        if state["embedder"] == "hashing@1":
            assert state["embedding_into"] == "minilm@1"
        assert nearest(service, TASKS[-1], "south") == TASKS[-1]
        service.kill()
        service.start()
    done = wait_for(service.status, lambda status: status["embedder"] == "minilm@1")
    assert seen == sorted(seen)
    assert done["memories"] == done["memories_embedded"] == len(PROJECTS) * len(TASKS)
    assert not done["embedder_is_lexical"]
    assert [nearest(service, task, "north") for task in TASKS[::9]] == TASKS[::9]


def test_a_former_embedder_that_is_gone_leaves_no_mixture(opened, tmp_path, minilm, monkeypatch):
    service = opened(tmp_path / "data", "minilm")
    fill(service)
    assert service.terminate()[0] == 0
    monkeypatch.setenv("REFLECT_MODELS_DIR", str(tmp_path / "none"))
    service = opened(tmp_path / "data", "auto")
    done = wait_for(service.status, lambda status: status["memories_embedded"] == len(PROJECTS) * len(TASKS))
    assert done["embedder"] == "hashing@1"
    assert nearest(service, TASKS[7], "north") == TASKS[7]
    service.stop()
    assert "minilm@1, which cannot be loaded" in service.log.read_text()


def test_auto_takes_the_model_where_it_is_installed_and_says_when_it_compares_words(
    opened, tmp_path, minilm, monkeypatch
):
    service = opened(tmp_path / "data", "auto")
    assert service.status()["embedder"] == "minilm@1"
    service.stop()
    monkeypatch.setenv("REFLECT_MODELS_DIR", str(tmp_path / "none"))
    service.start()
    assert (service.status()["embedder"], service.status()["embedder_is_lexical"]) == ("hashing@1", True)
    service.stop()
    assert re.search(r"hashing@1 compares words, not meanings; .*models install minilm", service.log.read_text())


def test_an_embedder_that_is_asked_for_and_not_set_up_stops_the_start_with_the_remedy(opened, tmp_path, no_models):
    with pytest.raises(AssertionError, match=r"(?s)models install minilm.*\[CONFIG\]"):
        opened(tmp_path / "data", "minilm")
    with pytest.raises(AssertionError, match=r"installed: hashing, minilm"):
        opened(tmp_path / "data", "nonsense")
