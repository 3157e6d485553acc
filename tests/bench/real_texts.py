"""Does what is retrieved tell how a run will end? Real agent runs, one left out at a time, AUC of pass against fail.

    python tests/bench/real_texts.py RUNS.jsonl.gz [--embedders minilm hashing] [--most 200]

For each run: the real learning loop learns from all other runs (in trial order; each is served what the retriever
gives it, and its known outcome moves those memories), then the retriever is asked with the run's first message. The
prediction is the mean utility of the best three memories found, once ranked by the blend (lambda 0.5) and once by
similarity alone (1.0); beside it the share of their source runs that passed. The left-out run takes no part; other
trials of its task do. Recorded outcomes were not caused by our memories: this measures whether utilities and ranking
carry the information, not a gain. Lines need `id`, `task_id`, `trial`, `first_user`, `messages`, `result`.
"""

import argparse
import gzip
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from reflect_otel.dialects.chat_messages import read_chat_messages
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.model.memory import RetrievalOptions
from reflect_otel.model.review import Review, ReviewResult
from reflect_otel.model.spans import ClosedBy, RunState
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import MessagePrefix, Role, Step, Task, Trajectory
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import Settings
from reflect_otel.testing.fakes import FixedClock, InMemoryStore

PROJECT = "bench"
BEST = 3
ARMS = {"blend": 0.5, "similarity": 1.0}


class RememberingEmbedder:
    """An embedder that embeds no text twice: every fold asks for the same ones."""

    def __init__(self, embedder: Any) -> None:
        self._embedder, self._known = embedder, {}
        self.id, self.dimensions = embedder.id, embedder.dimensions
        self.lexical, self.gate = embedder.lexical, embedder.gate

    def embed(self, texts: Sequence[str]) -> list[Any]:
        """One vector per text."""
        for text in texts:
            if text not in self._known:
                self._known[text] = self._embedder.embed([text])[0]
        return [self._known[text] for text in texts]


def read_runs(path: Path) -> list[dict[str, Any]]:
    """The recorded runs, by trial, then task: every task is tried before any is tried again."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        runs = [json.loads(line) for line in lines]
    return sorted(runs, key=lambda run: (str(run["trial"]), str(run["task_id"])))


def build_trajectory(run: dict[str, Any]) -> Trajectory:
    """The run's chat messages with a step at each answer."""
    messages = read_chat_messages(run["messages"])
    ends = [at + 1 for at, message in enumerate(messages) if message.role is Role.ASSISTANT]
    steps = tuple(Step(messages=MessagePrefix(messages, end)) for end in ends)
    return Trajectory(run_id=run["id"], task=Task(text=run["first_user"]), messages=messages, steps=steps)


class World:
    """A store, the real loop and the real retriever."""

    def __init__(self, embedder: Any, reflector: Any) -> None:
        self._clock, self._store = FixedClock(), InMemoryStore()
        table = MemoryTable(load_plugin("reflect_otel.indexes", "faiss"))
        self._loop = LearningLoop(self._store, table, embedder, reflector, self._clock)
        self.retriever = Retriever(table, embedder, Settings(), self._clock)

    def learn(self, run: dict[str, Any], trajectory: Trajectory) -> None:
        """Serve the run what it would get, then learn from its outcome."""
        served = self.retriever.augment(PROJECT, run["first_user"], RetrievalOptions()).memories
        self._clock.advance(1)
        record = RunRecord(
            project_id=PROJECT,
            run_id=run["id"],
            state=RunState.CLOSED,
            closed_by=ClosedBy.ROOT_ENDED,
            task=run["first_user"],
            served_memory_ids=tuple(memory.id for memory in served),
            first_seen_ns=self._clock(),
            last_seen_ns=self._clock(),
        )
        self._store.write_runs([(record, trajectory)])
        review = Review(result=ReviewResult.parse(run["result"]), created_ns=self._clock())
        self._store.write_review(PROJECT, run["id"], review)
        self._loop.run_pending()


def predict(retriever: Retriever, task: str, lambda_: float) -> tuple[float, float]:
    """(mean utility, share of passed source runs) of the best memories; a half where there are none."""
    found = retriever.find_memories(PROJECT, task, RetrievalOptions(lambda_=lambda_, limit=BEST))
    if not found:
        return 0.5, 0.5
    return (
        float(np.mean([memory.utility for memory in found])),
        float(np.mean([memory.success is not False for memory in found])),
    )


def auc(scores: Sequence[float], passed: Sequence[bool]) -> float:
    """Chance that a passed run scores above a failed one, ties a half (Mann and Whitney)."""
    values, flags = np.asarray(scores), np.asarray(passed)
    gaps = values[flags][:, np.newaxis] - values[~flags]
    return float((gaps > 0).mean() + (gaps == 0).mean() / 2)


def iter_folds(runs: list[dict[str, Any]], embedder: Any, most: int) -> Iterator[tuple[bool, dict[str, Any]]]:
    """(passed, predictions by arm) of each left-out run."""
    reflector = load_plugin("reflect_otel.reflectors", "offline")()
    trajectories = {run["id"]: build_trajectory(run) for run in runs}
    step = max(1, -(-len(runs) // most))
    for left_out in runs[::step]:
        world = World(embedder, reflector)
        for run in runs:
            if run is not left_out:
                world.learn(run, trajectories[run["id"]])
        yield (
            left_out["result"] == "pass",
            {arm: predict(world.retriever, left_out["first_user"], lambda_) for arm, lambda_ in ARMS.items()},
        )


def interval(scores: dict[str, list[float]], passed: list[bool]) -> str:
    """95 % interval of blend minus similarity, by 2,000 resamples of the left-out runs."""
    rng, gaps = np.random.default_rng(0), []
    flags = np.asarray(passed)
    for _ in range(2_000):
        rows = rng.integers(len(flags), size=len(flags))
        if 0 < flags[rows].sum() < len(rows):
            both = [auc(np.asarray(scores[arm])[rows], flags[rows]) for arm in ARMS]
            gaps.append(both[0] - both[1])
    low, high = np.quantile(gaps, [0.025, 0.975])
    return f"{low:+.3f} to {high:+.3f}"


def main() -> None:
    """Print one line for each embedder and prediction."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="?", default=Path("examples/data/trajectories/tau-sample.jsonl.gz"))
    parser.add_argument("--embedders", nargs="+", default=["minilm", "hashing"])
    parser.add_argument("--most", type=int, default=200, help="most runs that are left out, evenly spread")
    arguments = parser.parse_args()
    runs = read_runs(arguments.runs)
    for name in arguments.embedders:
        embedder = RememberingEmbedder(load_plugin("reflect_otel.embedders", name)())
        folds = list(iter_folds(runs, embedder, arguments.most))
        passed = [outcome for outcome, _ in folds]
        for at, kind in enumerate(("utility", "passed sources")):
            scores = {arm: [found[arm][at] for _, found in folds] for arm in ARMS}
            blend, similarity = (auc(scores[arm], passed) for arm in ARMS)
            print(
                f"{embedder.id:>12} {kind:>15}: AUC blend {blend:.3f}, similarity {similarity:.3f}, "
                f"difference {blend - similarity:+.3f} ({interval(scores, passed)}), {len(folds)}/{len(runs)} runs",
                flush=True,
            )


if __name__ == "__main__":
    main()
