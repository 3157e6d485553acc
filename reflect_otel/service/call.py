"""What a method of the API knows of the call besides the request."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a method knows of the call besides the request.

    Attributes:
        project_id: decided by the credential.
        trace_id: 16 bytes of the caller's W3C trace, or ``None``.
        remaining_seconds: until the caller's deadline, ``None`` when it set none.
        answer_seconds: how long may be waited so that the answer still reaches the caller; ``None`` as above.
        is_awaited: whether the caller still waits for the answer, as far as can be known here.
        on_end: registers what to do when the call ends in any way; runs it at once when it has ended already.
    """

    project_id: str
    trace_id: bytes | None
    remaining_seconds: float | None
    answer_seconds: float | None
    is_awaited: Callable[[], bool]
    on_end: Callable[[Callable[[], None]], None]
