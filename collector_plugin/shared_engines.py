"""The engines of this process: one a data folder, shared by all who use it, closed with the last of them.

Whatever is left open is closed when the interpreter ends, after the host's own exit handlers. A forked child has no
engines; its parent's folders are locked for it.
"""

import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from collector_plugin.engine import Engine
from collector_plugin.otlp_receiver import OtlpReceiver
from collector_plugin.settings import EngineOptions
from reflect_otel import exit_order
from reflect_otel.errors import ConfigError
from reflect_otel.ports import Settings
from reflect_otel.service.servicer import ReflectServicer

EMBEDDED_SETTINGS: Final = Settings(settle_seconds=0.2)
"""In one process a run's spans come together, so that nothing is gained by waiting long for late ones."""

CLOSE_SECONDS: Final = 5.0
"""How long closing may take to finish what is under way; the rest is taken up by the next start."""

MAX_CALLS: Final = 64
"""Most calls of one folder under way at a time: each keeps a thread busy, also when its caller has given up."""


@dataclass(slots=True)
class SharedEngine:
    """An engine with its two doors, how many use it, and how many more calls it takes."""

    options: EngineOptions
    engine: Engine
    servicer: ReflectServicer
    receiver: OtlpReceiver
    users: int = 0
    free_calls: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_CALLS))


class SharedEngines:
    """Engines by data folder, counted by users. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Path, SharedEngine] = {}
        self._inherited: list[SharedEngine] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._leave_to_parent)

    def join(self, folder: Path, **wanted: Any) -> SharedEngine:
        """The engine over ``folder``, started if nobody uses it yet.

        Args:
            folder: absolute, without links.
            wanted: fields of ``EngineOptions``; ``None`` where anything will do.

        Raises:
            PluginError: a library or adapter is not installed.
            ConfigError: the folder cannot be used, or is open with other options.
            StoreError: its content cannot be used; StoreLocked when another process has it.
        """
        given = {name: value for name, value in wanted.items() if value is not None}
        with self._lock:
            shared = self._open.get(folder)
            if shared is None:
                shared = _start(folder, given)
                if not self._open:
                    exit_order.register(self.close_all)
                self._open[folder] = shared
            for name, value in given.items():
                if getattr(shared.options, name) != value:
                    raise ConfigError(
                        f"{folder} is open in this process with another {name}; "
                        "pass it where the folder is opened first, or close that client before"
                    )
            shared.users += 1
            return shared

    def leave(self, folder: Path, shared: SharedEngine) -> None:
        """End one use; the last one finishes what is under way and releases the folder."""
        with self._lock:
            shared.users -= 1
            if shared.users == 0 and self._open.get(folder) is shared:
                del self._open[folder]
                _stop(shared)
            if not self._open:
                exit_order.unregister(self.close_all)

    def close_all(self) -> None:
        """Close every engine, whoever uses it."""
        with self._lock:
            while self._open:
                _stop(self._open.popitem()[1])

    def _leave_to_parent(self) -> None:
        # Kept referenced: what a destructor did in the child would be done to the parent's files.
        self._inherited.extend(self._open.values())
        self._open = {}
        self._lock = threading.Lock()


def _start(folder: Path, given: dict[str, Any]) -> SharedEngine:
    options = replace(EngineOptions(data_dir=folder, settings=EMBEDDED_SETTINGS), **given)
    engine = Engine(options)
    engine.start()
    return SharedEngine(
        options, engine, ReflectServicer(engine.operations), OtlpReceiver(engine.pipeline, engine.telemetry)
    )


def _stop(shared: SharedEngine) -> None:
    shared.engine.drain(CLOSE_SECONDS)
    shared.engine.stop(CLOSE_SECONDS)


engines: Final = SharedEngines()
"""All of this process."""
