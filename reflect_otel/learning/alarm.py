"""When a memory's utility moves so far within a day that somebody should look. Pure: follows from the ledger alone.

A utility that jumps up may be pumped, one that jumps down may tell of a tool that has changed. The alarm clears by
itself once the jump is more than a day behind the newest reward, or when its rewards are withdrawn or quarantined.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from reflect_otel.model.memory import UtilityEvent

WINDOW_NS: Final = 24 * 3600 * 1_000_000_000
JUMP: Final = 0.25
"""How far a utility must move within the window."""
SETTLED_USES: Final = 5
"""Uses before the window from which a utility counts as settled: a new memory's moves a lot, and may."""


def find_jump(events: Sequence[UtilityEvent]) -> str:
    """What happened, in words; empty when the utility has not jumped.

    Args:
        events: one memory's ledger, replayed, in order.
    """
    counted = [event for event in events if not event.excluded]
    if len(counted) <= SETTLED_USES:
        return ""
    since_ns = counted[-1].sequence - WINDOW_NS
    first = next(at for at, event in enumerate(counted) if event.sequence > since_ns)
    recent = counted[first:]
    before, after = recent[0].before, recent[-1].after
    if first < SETTLED_USES or abs(after - before) < JUMP:
        return ""
    reviewer, share = Counter(event.reviewer for event in recent).most_common(1)[0]
    direction = "rose" if after > before else "fell"
    return (
        f"{direction} from {before:.2f} to {after:.2f} within 24 h by {len(recent)} runs, "
        f"{share} of them reviewed by {reviewer or 'an unknown reviewer'}"
    )
