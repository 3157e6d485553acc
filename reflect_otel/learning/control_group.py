"""Which runs are left without memories, so that what memories are worth can be measured. Pure but for one draw."""

import random
from hashlib import blake2b
from typing import Final

_SCALE: Final = 2**64


def is_control(project_id: str, run_key: str, control_share: float) -> bool:
    """Whether the run belongs to the control group; as good as drawn by chance, and the same for every call.

    A run that is in the group at one share is also in it at every larger one.

    Args:
        project_id: so that one key falls differently in two projects.
        run_key: run id or trace id; without one nothing tells the calls of a run together, and each is drawn.
        control_share: size of the group, in [0, 1].
    """
    if control_share <= 0.0:
        return False
    if not run_key:
        return random.random() < control_share  # noqa: S311 - a draw, not a secret
    digest = blake2b(f"{project_id}\0{run_key}".encode("utf-8", "surrogatepass"), digest_size=8, person=b"control")
    return int.from_bytes(digest.digest(), "big") < control_share * _SCALE
