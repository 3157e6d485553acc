"""What a memory's record is still worth after it has gone unused for long. Pure.

A record says how runs went that were served the memory. After ``UNUSED_DAYS`` without being served, agents and tools
may have changed, so its distance to the start shrinks by half every ``HALF_LIFE_DAYS``. The ledger and the stored
utility stay; the present one is worked out when it is read.
"""

import math
from typing import Final

from reflect_otel.model.memory import INITIAL_UTILITY, Memory

UNUSED_DAYS: Final = 90
HALF_LIFE_DAYS: Final = 180

_DAY_NS: Final = 86_400 * 1_000_000_000
_UNUSED_NS: Final = UNUSED_DAYS * _DAY_NS
_HALF_LIFE_NS: Final = HALF_LIFE_DAYS * _DAY_NS


def build_present_utility(memory: Memory, now_ns: int) -> float:
    """The utility in [0, 1] that ranks the memory at ``now_ns``."""
    since_ns = now_ns - _UNUSED_NS
    if memory.created_ns >= since_ns or memory.last_served_ns >= since_ns or not memory.created_ns:
        return memory.utility
    idle_ns = now_ns - max(memory.last_served_ns, memory.created_ns)
    kept = math.exp2(-idle_ns / _HALF_LIFE_NS)
    return INITIAL_UTILITY + (memory.utility - INITIAL_UTILITY) * kept
