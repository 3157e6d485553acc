"""What an embedding costs: the shipped minilm beside the same model in plain numpy, hashing, and a cache hit.

    python tests/bench/embed_cost.py [--rounds 40]

One core (OpenBLAS and onnxruntime are told so), rounds interleaved, minimum and median of each. Also prints how many
paraphrased tasks find their memory (tests/paraphrases.py). Needs `reflect-otel models install minilm`.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402 - after the setting above

from reflect_otel.learning.query_embeddings import QueryEmbeddings  # noqa: E402
from reflect_otel.providers.hashing import HashingEmbedder  # noqa: E402
from reflect_otel.providers.minilm import MiniLMEmbedder  # noqa: E402
from tests.paraphrases import PARAPHRASES  # noqa: E402
from tests.plain_minilm import PlainMiniLM  # noqa: E402

SENTENCE = "the agent must verify that the order exists before it starts the refund and then tell the customer "
LENGTHS = (16, 64, 256)


def text_of(plain: PlainMiniLM, tokens: int) -> str:
    """A text of so many tokens, the two special ones included."""
    words = (SENTENCE * 20).split()
    return next(
        text
        for text in (" ".join(words[:count]) for count in range(len(words), 0, -1))
        if len(plain.tokenizer.encode(text).ids) <= tokens and len(text) < 6 * tokens
    )


def milliseconds(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float]]:
    """(minimum, median) of each call, one of each a round."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 3):
        for name, call in calls.items():
            started = time.perf_counter_ns()
            call()
            if number >= 3:
                taken[name].append((time.perf_counter_ns() - started) / 1e6)
    return {name: (min(values), statistics.median(values)) for name, values in taken.items()}


def recall(embed: Callable[[str], Any]) -> float:
    """Share of tasks whose nearest lesson is theirs."""
    lessons = np.stack([embed(lesson) for lesson, _ in PARAPHRASES])
    tasks = np.stack([embed(task) for _, task in PARAPHRASES])
    return float(np.mean((tasks @ lessons.T).argmax(axis=1) == np.arange(len(PARAPHRASES))))


def main() -> None:
    """Print one row a length, then recall and the cache."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    started = time.perf_counter()
    minilm = MiniLMEmbedder()
    loaded = time.perf_counter() - started
    plain, hashing = PlainMiniLM(), HashingEmbedder()
    print(f"minilm loaded and its SHA-256 sums compared in {loaded:.2f} s")
    print(
        f"{'tokens':>7}{'onnxruntime ms':>20}{'plain numpy ms':>20}{'ratio':>8}{'hashing ms':>18}   (minimum, median)"
    )
    for tokens in LENGTHS:
        text = text_of(plain, tokens)
        found = milliseconds(
            {
                "onnx": lambda text=text: minilm.embed([text]),
                "numpy": lambda text=text: plain.embed(text),
                "hashing": lambda text=text: hashing.embed([text]),
            },
            arguments.rounds,
        )
        cells = {name: f"{low:.2f} {middle:.2f}" for name, (low, middle) in found.items()}
        ratio = found["onnx"][0] / found["numpy"][0]
        print(f"{tokens:>7}{cells['onnx']:>20}{cells['numpy']:>20}{ratio:>8.2f}{cells['hashing']:>18}", flush=True)
    queries = QueryEmbeddings(minilm)
    queries.embed(SENTENCE)
    hit = milliseconds({"hit": lambda: queries.embed(SENTENCE, 0.3)}, 2000)["hit"]
    print(f"a task asked for before: {hit[0]:.4f} {hit[1]:.4f} ms")
    print(f"paraphrases found first: minilm {recall(lambda text: minilm.embed([text])[0]):.3f}", end=", ")
    print(f"hashing {recall(lambda text: np.asarray(hashing.embed([text])[0])):.3f}, of {len(PARAPHRASES)}")


if __name__ == "__main__":
    main()
