"""One suite per port: whoever writes an adapter subclasses it, says how to open the adapter, and is fully tested.

Called by tests, ours and those of adapter authors, under pytest; never by the product.
May import ``ports``, ``model``, ``attributes``, ``errors`` and pytest.
"""

from reflect_otel.testing.conformance.embedder import EmbedderConformance
from reflect_otel.testing.conformance.families import MemoryFamilyConformance
from reflect_otel.testing.conformance.governance import GovernanceConformance
from reflect_otel.testing.conformance.learning import LearningGroupConformance
from reflect_otel.testing.conformance.lift import LiftStoreConformance
from reflect_otel.testing.conformance.memories import MemoryStoreConformance
from reflect_otel.testing.conformance.model_calls import ModelCallLedgerConformance
from reflect_otel.testing.conformance.projects import ProjectStoreConformance
from reflect_otel.testing.conformance.reviews import ReviewConformance
from reflect_otel.testing.conformance.runs import RunStoreConformance
from reflect_otel.testing.conformance.telemetry import TelemetryStoreConformance
from reflect_otel.testing.conformance.vector_index import VectorIndexConformance

__all__ = ["EmbedderConformance", "StoreConformance", "VectorIndexConformance"]


class StoreConformance(
    TelemetryStoreConformance,
    RunStoreConformance,
    ReviewConformance,
    MemoryStoreConformance,
    MemoryFamilyConformance,
    LearningGroupConformance,
    ModelCallLedgerConformance,
    ProjectStoreConformance,
    LiftStoreConformance,
    GovernanceConformance,
):
    """The whole ``Store`` port. Subclass it as ``Test...`` and override ``open_store``."""
