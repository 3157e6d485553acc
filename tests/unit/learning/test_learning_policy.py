"""The product behind a simulator's interface: the same choices over every store, and in every process."""

import subprocess
import sys

import numpy as np

from tests.bench.learning_policy import policy, policy_in_memory

RUNS = 40
SAME_IN_EVERY_PROCESS = """
from tests.unit.learning.test_learning_policy import choices, policy_in_memory
print(choices(policy_in_memory))
"""


def unit(vector):
    return vector / np.linalg.norm(vector)


def choices(build):
    """What is served to runs of three kinds of task; runs of the first kind pass with memories of that kind only."""
    rng = np.random.default_rng(5)
    kinds = [unit(rng.normal(size=16)) for _ in range(3)]
    simulated, chosen = build(0, 16), []
    for step in range(RUNS):
        kind = int(rng.integers(3))
        query = unit(kinds[kind] + 0.4 * rng.normal(size=16) / 4)
        served = simulated.select(query, 3, step)
        chosen.append(served)
        reward = float(rng.random() < 0.5)
        simulated.feedback(query, served, reward, step)
        key, content = unit(query + 0.1 * rng.normal(size=16)), unit(kinds[kind][:8] + 0.2 * rng.normal(size=8))
        simulated.write(step, key, content, "strategy" if reward else "pitfall", step)
    return chosen


def test_duckdb_and_the_in_memory_store_choose_the_same():
    chosen = choices(policy)
    assert chosen == choices(policy_in_memory)
    assert any(chosen)


def test_another_process_chooses_the_same():
    done = subprocess.run(
        [sys.executable, "-c", SAME_IN_EVERY_PROCESS], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == str(choices(policy_in_memory))
