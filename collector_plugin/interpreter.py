"""How the service's process shares Python out among its threads: whoever serves an agent waits for nothing long."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SWITCH_SECONDS: Final = 0.0005
"""How long a thread that computes may keep others waiting; a tenth of Python's own, for a percent of its speed."""

_GARBAGE_THRESHOLDS: Final = (10_000, 5, 50)
"""Objects and rounds between collections. Looking through all that 50,000 memories hold takes 0.2 s, in which every
thread stands still; by Python's own thresholds one large act of upkeep does so several times."""


@contextmanager
def shared_out() -> Iterator[None]:
    """Inside, threads take over sooner, and what was loaded before is not looked through for garbage again."""
    interval_seconds, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval_seconds)
