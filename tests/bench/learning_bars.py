"""The bars of a learning-loop simulator, side by side: the product, MemRL's rule and no memory on the same seeds.

    python tests/bench/learning_bars.py SIMULATOR.py [--seeds 20] [--first-seed 0] [--scenarios default hostile]
        [--store duckdb|memory] [--processes 2]

SIMULATOR.py is a module with ``run(factory, world, seed, k)``, ``SCENARIOS`` and the policies ``MemRL`` and ``Base``.
Printed: each figure's mean with its 95 % interval over seeds, and the paired difference to MemRL's rule, which is the
same world and seed with either. The product goes through ``tests/bench/learning_policy.py``; one process a core.
"""

import argparse
import importlib.util
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from tests.bench import learning_policy

K = 3
STORES = {"duckdb": learning_policy.policy, "memory": learning_policy.policy_in_memory}
FIGURES = ("success", "lift", "before_poison", "after_poison_50", "recovery_tasks", "after_stale")
_T_975 = {5: 2.776, 10: 2.262, 20: 2.093, 30: 2.045, 40: 2.023, 60: 2.001}


def load_simulator(path: Path) -> ModuleType:
    """The simulator as a module."""
    spec = importlib.util.spec_from_file_location("simulator", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python module")
    simulator = importlib.util.module_from_spec(spec)
    sys.modules["simulator"] = simulator
    spec.loader.exec_module(simulator)
    return simulator


def run_seed(path: Path, scenario: str, store: str, seed: int) -> dict[str, dict[str, float]]:
    """The figures of one seed: of the product, MemRL's rule and no memory."""
    simulator = load_simulator(path)
    factories = {"product": STORES[store], "memrl": simulator.MemRL, "none": simulator.Base}
    world = simulator.SCENARIOS[scenario]
    return {name: simulator.run(factory, world, seed, K) for name, factory in factories.items()}


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half width of the 95 % interval by Student's t."""
    size = len(values)
    quantile = _T_975[max((known for known in _T_975 if known <= size), default=5)]
    return float(np.mean(values)), float(quantile * np.std(values, ddof=1) / size**0.5) if size > 1 else float("nan")


def report(scenario: str, rows: list[dict[str, dict[str, float]]]) -> None:
    """Print a line for each figure."""
    print(f"{scenario}: {len(rows)} seeds, k = {K}")
    for figure in FIGURES:
        columns = {name: [row[name][figure] for row in rows] for name in rows[0]}
        gaps = [ours - theirs for ours, theirs in zip(columns["product"], columns["memrl"], strict=True)]
        told = "  ".join(f"{name} {mean:7.3f} ± {half:.3f}" for name, (mean, half) in _intervals(columns))
        mean, half = interval(gaps)
        print(f"  {figure:<16} {told}  product - memrl {mean:+.3f} ± {half:.3f}", flush=True)


def _intervals(columns: dict[str, list[float]]) -> list[tuple[str, tuple[float, float]]]:
    return [(name, interval(values)) for name, values in columns.items()]


def main() -> None:
    """Print the figures of every scenario asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulator", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--scenarios", nargs="+", default=["default", "hostile"])
    parser.add_argument("--store", choices=sorted(STORES), default="duckdb")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with ProcessPoolExecutor(arguments.processes) as processes:
        for scenario in arguments.scenarios:
            begun = time.monotonic()
            same = [repeat(value) for value in (arguments.simulator, scenario, arguments.store)]
            report(scenario, list(processes.map(run_seed, *same, seeds)))
            print(f"  {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
