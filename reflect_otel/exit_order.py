"""What the process does last before it ends: an ``atexit`` of its own, whose callbacks come after the host's.

``import reflect_otel`` registers it, so that everything registered later (exporters that flush, clients that hand
over their last records) still finds the store open. Callbacks run in reverse order; a forked child has none, because
what its parent opened is its parent's to finish.
"""

import atexit
import logging
import os
from collections.abc import Callable
from typing import Final

_log: Final = logging.getLogger(__name__)
_callbacks: Final[list[Callable[[], None]]] = []


def register(callback: Callable[[], None]) -> None:
    """Call ``callback`` when the interpreter ends, before those registered earlier."""
    _callbacks.append(callback)


def unregister(callback: Callable[[], None]) -> None:
    """Forget ``callback``; an unknown one is ignored."""
    if callback in _callbacks:
        _callbacks.remove(callback)


def _run() -> None:
    while _callbacks:
        try:
            _callbacks.pop()()
        except Exception:  # noqa: BLE001 - the other callbacks still have their turn
            _log.exception("reflect-otel could not finish in order at exit; what was acknowledged is on disk")


atexit.register(_run)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_callbacks.clear)
