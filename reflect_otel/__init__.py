"""Agents learn from their own OpenTelemetry traces.

The public face: names are loaded on first use, so ``import reflect_otel`` loads no gRPC and no OpenTelemetry SDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import reflect_otel.exit_order  # noqa: F401 - its place among the exit handlers is first
from reflect_otel.release import VERSION

if TYPE_CHECKING:
    from reflect_otel.capture.delivery_ledger import DeliveryStatus
    from reflect_otel.capture.delivery_report import DeliveryReport, delivery_status
    from reflect_otel.capture.exporter import ReflectSpanExporter
    from reflect_otel.capture.review import review
    from reflect_otel.capture.run_context import run
    from reflect_otel.capture.run_processor import RunSpanProcessor
    from reflect_otel.capture.setup import configure
    from reflect_otel.client.aio import AsyncReflectClient
    from reflect_otel.client.client import ReflectClient
    from reflect_otel.client.decorator import reflect_trace
    from reflect_otel.client.governance_codec import MemoryWish
    from reflect_otel.client.trace_context import TraceContext, TraceResult
    from reflect_otel.errors import (
        AuthError,
        ConfigError,
        DeadlineExceeded,
        FailedPrecondition,
        IngestFailed,
        InvalidArgument,
        NotFound,
        RateLimited,
        ReflectError,
        TransportError,
        Unavailable,
    )
    from reflect_otel.model.explanation import Candidate, Explanation, LeftOut
    from reflect_otel.model.governance import (
        BlastRadius,
        HistoryEntry,
        MemoryAction,
        MemoryHistory,
        Quarantine,
        QuarantinedMemory,
        TouchedMemory,
        TouchedRun,
    )
    from reflect_otel.model.lift import Arm, Lift, LiftConclusion, LiftReport, LiftScope
    from reflect_otel.model.memory import AugmentedTask, Memory, MemoryKind, MemoryStatus
    from reflect_otel.model.project_settings import ProjectSettings, SettingsChange
    from reflect_otel.model.review import Review, ReviewResult, ReviewSource, ReviewStatus
    from reflect_otel.model.session import Session
    from reflect_otel.model.settings import Settings
    from reflect_otel.model.trace import IngestStatus, Trace, TraceSubmission
    from reflect_otel.model.trajectory import Trajectory

__version__ = VERSION

__all__ = [
    "Arm",
    "AsyncReflectClient",
    "AugmentedTask",
    "AuthError",
    "BlastRadius",
    "Candidate",
    "ConfigError",
    "DeadlineExceeded",
    "DeliveryReport",
    "DeliveryStatus",
    "Explanation",
    "FailedPrecondition",
    "HistoryEntry",
    "IngestFailed",
    "IngestStatus",
    "InvalidArgument",
    "LeftOut",
    "Lift",
    "LiftConclusion",
    "LiftReport",
    "LiftScope",
    "Memory",
    "MemoryAction",
    "MemoryHistory",
    "MemoryKind",
    "MemoryStatus",
    "MemoryWish",
    "NotFound",
    "ProjectSettings",
    "Quarantine",
    "QuarantinedMemory",
    "RateLimited",
    "ReflectClient",
    "ReflectError",
    "ReflectSpanExporter",
    "Review",
    "ReviewResult",
    "ReviewSource",
    "ReviewStatus",
    "RunSpanProcessor",
    "Session",
    "Settings",
    "SettingsChange",
    "TouchedMemory",
    "TouchedRun",
    "Trace",
    "TraceContext",
    "TraceResult",
    "TraceSubmission",
    "Trajectory",
    "TransportError",
    "Unavailable",
    "__version__",
    "configure",
    "delivery_status",
    "reflect_trace",
    "review",
    "run",
]

_HOMES = {
    "capture.delivery_ledger": ("DeliveryStatus",),
    "capture.delivery_report": ("DeliveryReport", "delivery_status"),
    "capture.exporter": ("ReflectSpanExporter",),
    "capture.review": ("review",),
    "capture.run_context": ("run",),
    "capture.run_processor": ("RunSpanProcessor",),
    "capture.setup": ("configure",),
    "client.aio": ("AsyncReflectClient",),
    "client.client": ("ReflectClient",),
    "client.decorator": ("reflect_trace",),
    "client.governance_codec": ("MemoryWish",),
    "client.trace_context": ("TraceContext", "TraceResult"),
    "errors": (
        "AuthError",
        "ConfigError",
        "DeadlineExceeded",
        "FailedPrecondition",
        "IngestFailed",
        "InvalidArgument",
        "NotFound",
        "RateLimited",
        "ReflectError",
        "TransportError",
        "Unavailable",
    ),
    "model.explanation": ("Candidate", "Explanation", "LeftOut"),
    "model.governance": (
        "BlastRadius",
        "HistoryEntry",
        "MemoryAction",
        "MemoryHistory",
        "Quarantine",
        "QuarantinedMemory",
        "TouchedMemory",
        "TouchedRun",
    ),
    "model.lift": ("Arm", "Lift", "LiftConclusion", "LiftReport", "LiftScope"),
    "model.memory": (
        "AugmentedTask",
        "Memory",
        "MemoryKind",
        "MemoryStatus",
    ),
    "model.project_settings": ("ProjectSettings", "SettingsChange"),
    "model.review": (
        "Review",
        "ReviewResult",
        "ReviewSource",
        "ReviewStatus",
    ),
    "model.session": ("Session",),
    "model.settings": ("Settings",),
    "model.trace": (
        "IngestStatus",
        "Trace",
        "TraceSubmission",
    ),
    "model.trajectory": ("Trajectory",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'reflect_otel' has no attribute {name!r}")
    value = getattr(import_module(f"reflect_otel.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
