"""The local model: the published one, calibrated on real tasks, and refused when a file is another one."""

import shutil
from itertools import combinations

import numpy as np
import pytest

from reflect_otel.errors import ConfigError
from reflect_otel.providers.local_models import ENV_MODELS_DIR, MINILM, WEIGHTS
from reflect_otel.providers.minilm import MiniLMEmbedder
from tests.paraphrases import PARAPHRASES
from tests.plain_minilm import PlainMiniLM

from .recorded_tasks import EVERYDAY, read_distinct_tasks, read_recorded_tasks


@pytest.fixture
def embedder(minilm):
    return MiniLMEmbedder()


def stacked(embedder, texts):
    return np.stack([np.asarray(vector) for vector in embedder.embed(list(texts))])


def test_it_computes_what_the_published_model_computes(embedder):
    plain = PlainMiniLM()
    texts = [*EVERYDAY[:3], "a", "Überweise 39,90 €", " ".join(EVERYDAY)]
    for text, vector in zip(texts, stacked(embedder, texts), strict=True):
        assert float(plain.embed(text) @ vector) == pytest.approx(1.0, abs=1e-5)


def test_a_paraphrased_task_finds_its_memory(embedder):
    lessons = stacked(embedder, [lesson for lesson, _ in PARAPHRASES])
    tasks = stacked(embedder, [task for _, task in PARAPHRASES])
    found = (tasks @ lessons.T).argmax(axis=1)
    assert np.mean(found == np.arange(len(PARAPHRASES))) >= 0.9


def test_the_gate_is_the_95th_percentile_of_pairs_of_different_tasks(embedder):
    vectors = stacked(embedder, read_distinct_tasks())
    pairs = [float(left @ right) for left, right in combinations(vectors, 2)]
    assert np.quantile(pairs, 0.95) == pytest.approx(embedder.gate, abs=0.01)


def test_the_nearest_other_run_is_mostly_one_of_the_same_task(embedder):
    recorded = read_recorded_tasks()
    vectors = stacked(embedder, [text for _, text in recorded])
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -1.0)
    hits = [recorded[row][0] == recorded[column][0] for row, column in enumerate(similar.argmax(axis=1))]
    assert np.mean(hits) > 0.9


def test_what_stands_behind_its_reach_does_not_count(embedder):
    first, second = stacked(embedder, ["word " * 300 + "and a tail", "word " * 300])
    assert (first == second).all()


@pytest.mark.parametrize("damage", ["missing", "cut short", "one bit off"])
def test_a_damaged_model_is_refused_with_the_command_that_mends_it(minilm, tmp_path, monkeypatch, damage):
    copy = MINILM.build_folder(tmp_path)
    shutil.copytree(MINILM.build_folder(minilm), copy)
    weights = copy / WEIGHTS.name
    if damage == "missing":
        weights.unlink()
    else:
        with weights.open("r+b") as file:
            if damage == "cut short":
                file.truncate(WEIGHTS.size_bytes - 1)
            else:
                file.seek(-1, 2)
                last = file.read(1)
                file.seek(-1, 2)
                file.write(bytes([last[0] ^ 1]))
    monkeypatch.setenv(ENV_MODELS_DIR, str(tmp_path))
    with pytest.raises(ConfigError, match="reflect-otel models install minilm"):
        MiniLMEmbedder()


def test_a_model_that_is_not_there_is_asked_for(no_models):
    with pytest.raises(ConfigError, match=r"not installed .* run `reflect-otel models install minilm`"):
        MiniLMEmbedder()
