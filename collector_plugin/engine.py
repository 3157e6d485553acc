"""Where the parts are wired: everything a data folder needs, without a network port.

``app.Service`` puts the receivers in front of it. Start order: store, journal, memory table, learning loop, pipeline;
stop order is the reverse, so that nothing is accepted that cannot be finished. What is journalled and not finished is
taken up by the next start.
"""

import os
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from collector_plugin.embedders import find_serving_embedder, open_embedder
from collector_plugin.language_models import build_caller, build_reflector
from collector_plugin.observation.loop_telemetry import find_loop_telemetry
from collector_plugin.observation.observed import ObservedOperations, observe_store
from collector_plugin.older_store import warn_of_older_store
from collector_plugin.pipeline import Pipeline
from collector_plugin.set_aside import SetAside
from collector_plugin.settings import EngineOptions
from reflect_otel import __version__
from reflect_otel.errors import ConfigError
from reflect_otel.journal import Journal
from reflect_otel.learning.governance import Governance
from reflect_otel.learning.harm_guard import HarmGuard
from reflect_otel.learning.judge import Judge
from reflect_otel.learning.lift import build_lift
from reflect_otel.learning.loop import LearningLoop
from reflect_otel.learning.maintenance import Maintenance
from reflect_otel.learning.memory_table import MemoryTable
from reflect_otel.learning.model_caller import ModelCaller
from reflect_otel.learning.project_settings_table import ProjectSettingsTable
from reflect_otel.learning.reembedding import Reembedding
from reflect_otel.learning.retrieval import Retriever
from reflect_otel.learning.serving_embedder import ServingEmbedder, pin
from reflect_otel.model.lift import DEFAULT_HALF_WIDTH, Lift, LiftScope
from reflect_otel.model.memory import MemoryStatus
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import Embedder, Store
from reflect_otel.service.operations import Operations
from reflect_otel.service.watch import RunWatch

MAX_WAITERS: Final = 64
"""Most callers that wait for a run at a time."""

_CLOSING_SECONDS: Final = 0.5
"""How long after its settle delay a run may take to be read."""


class Engine:
    """Store, pipeline and learning loop over one data folder, which this process owns until ``stop``.

    Args:
        options: the folder, the adapters, the limits.

    Attributes:
        telemetry: what the service says about itself.

    Raises:
        ConfigError: the folder cannot be used.
        StoreError: its content cannot be used; the message names the remedy.
    """

    def __init__(self, options: EngineOptions) -> None:
        settings = options.settings
        self._settle_seconds = settings.settle_seconds
        self._reflector_name = options.reflector
        _prepare_folder(options.data_dir)
        self.telemetry = find_loop_telemetry()
        with ExitStack() as opened:
            store: Store = load_plugin("reflect_otel.stores", options.store)(options.data_dir / "reflect.duckdb")
            self._store = observe_store(store, self.telemetry)
            opened.callback(self._store.close)
            self._journal = Journal(
                options.data_dir / "journal",
                capacity_bytes=options.journal_bytes,
                start_after=self._store.journal_offset(),
            )
            opened.callback(self._journal.close)
            warn_of_older_store(self._journal, self._store.journal_offset())
            table = MemoryTable(load_plugin("reflect_otel.indexes", options.index))
            table.load(self._store.find_vectors())
            self._projects = ProjectSettingsTable(self._store)
            target = open_embedder(options.embedder)
            embedder = ServingEmbedder(find_serving_embedder(target, self._store.count_embedded()))
            self._embedder: Embedder = embedder
            self.watch = RunWatch(MAX_WAITERS)
            self._model_caller = build_caller(
                options, self._store, lambda project: self._projects.find(project).spend_ceiling_usd, time.time_ns
            )
            self._loop = LearningLoop(
                self._store,
                table,
                self._embedder,
                build_reflector(options, self._model_caller),
                time.time_ns,
                self._announce,
                HarmGuard(self._store, self._projects, time.time_ns).note_learned,
                settings.allowed_hosts,
                self._projects.find,
            )
            self._reembedding = Reembedding(self._store, table, embedder, target, self._loop.merge_late)
            governance = Governance(
                self._store, table, time.time_ns, _new_id, self._loop.committing, lambda: pin(self._embedder).id
            )
            self._maintenance = Maintenance(
                self._store, governance, self._projects.find, time.time_ns, settings.maintenance_seconds
            )
            self._judge = self._build_judge(options, self._model_caller)
            self.pipeline = Pipeline(
                self._journal,
                self._store,
                settings,
                self._projects.find,
                time.time_ns,
                self.watch.publish,
                self._loop.wake,
                SetAside(options.data_dir / "set-aside"),
            )
            self.operations: Operations = ObservedOperations(
                telemetry=self.telemetry,
                store=self._store,
                retriever=Retriever(table, self._embedder, settings),
                loop=self._loop,
                intake=self.pipeline,
                watch=self.watch,
                settings=settings,
                clock=time.time_ns,
                ids=_new_id,
                project_settings=self._projects,
                governance=governance,
            )
            self.telemetry.observe(self, lambda: self.pipeline.pending_records, self._find_lifts)
            opened.callback(self.telemetry.forget, self)
            self._opened = opened.pop_all()

    def start(self) -> None:
        """Take work, beginning with what the last process left in the journal."""
        self._loop.start()
        self._reembedding.start()
        self.pipeline.start()
        if self._judge is not None:
            self._judge.start()
        self._maintenance.start()

    def drain(self, timeout_seconds: float) -> None:
        """Finish what is under way as far as time allows: runs that have ended are read and learned from.

        Runs that have not ended are not waited for; like all the rest they are taken up by the next start.
        """
        deadline = time.monotonic() + timeout_seconds
        self.pipeline.wait_committed(timeout_seconds)
        left_seconds = max(0.0, deadline - time.monotonic())
        self.pipeline.wait_closed(min(left_seconds, self._settle_seconds + _CLOSING_SECONDS))
        learning = threading.Thread(target=self._loop.run_pending, name="reflect-last-lessons", daemon=True)
        learning.start()
        learning.join(max(0.0, deadline - time.monotonic()))

    def stop(self, timeout_seconds: float) -> None:
        """Finish what is in flight as far as time allows, then release the data folder."""
        self.watch.close()
        if self._judge is not None:
            self._judge.stop(timeout_seconds / 4)
        self._maintenance.stop(timeout_seconds / 2)
        self.pipeline.stop(timeout_seconds / 2)
        self._reembedding.stop(timeout_seconds / 4)
        self._loop.stop(timeout_seconds / 4)
        self._opened.close()

    def _find_lifts(self) -> Mapping[str, Lift]:
        """The lift of every project that has a control group."""
        return {
            project_id: build_lift(
                LiftScope.PROJECT,
                "",
                self._store.find_arm_counts(
                    project_id, LiftScope.PROJECT, since_ns=self._projects.find(project_id).evidence_since_ns
                ),
                self._projects.find(project_id).control_share,
                DEFAULT_HALF_WIDTH,
            )
            for project_id in self._projects.find_controlled()
        }

    def _announce(self, project_id: str, run_id: str) -> None:
        self.watch.publish(project_id, run_id)
        self._reembedding.wake()

    def read_status(self) -> Mapping[str, object]:
        """Numbers over all projects: what is stored, what is still to be done, which embedder ranks."""
        progress = self._reembedding.read_progress()
        return {
            "version": __version__,
            "spans": self._store.count_spans(),
            "runs": self._store.count_runs(),
            **self._count_memories(),
            "journal_pending": self.pipeline.pending_records,
            "telemetry_set_aside": self.pipeline.set_aside_requests,
            "unclosed_runs": self.pipeline.unclosed_runs,
            "reflector": self._reflector_name,
            "reflector_error": self._model_caller.trouble if self._model_caller else "",
            "learning_failed_tries": self._loop.counts.failed,
            "learning_parked": self._loop.counts.parked,
            "judge": self._judge is not None,
            "embedder": progress.serving_id,
            "embedder_is_lexical": progress.is_lexical,
            "embedding_into": progress.target_id,
            "embedding_error": progress.error or str(getattr(pin(self._embedder), "trouble", "")),
            "memories": progress.total,
            "memories_embedded": progress.embedded,
            "serving_stopped_projects": self._projects.count_stopped(),
        }

    def _build_judge(self, options: EngineOptions, caller: ModelCaller | None) -> Judge | None:
        if caller is None or not options.judge:
            return None
        return Judge(
            self._store, caller, time.time_ns, lambda _project, _run: self._loop.wake(), options.judge_delay_seconds
        )

    def _count_memories(self) -> Mapping[str, int]:
        counts = self._store.count_memories_by_status()
        found = {f"memories_{status.value}": counts.get(status.value, (0, 0))[0] for status in MemoryStatus}
        return {**found, "memory_alarms": counts.get(MemoryStatus.ACTIVE.value, (0, 0))[1]}


def _new_id() -> str:
    return secrets.token_hex(16)


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"cannot use data folder {folder} ({error.strerror}); choose another one") from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"cannot write to data folder {folder}; change its owner or choose another one")
