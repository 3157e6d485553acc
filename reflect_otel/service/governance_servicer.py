"""The RPCs about which memories may be served: messages in, messages out."""

from collections.abc import Callable, Mapping
from typing import Any

from reflect_otel.service import codec, governance_codec
from reflect_otel.service.call import Call
from reflect_otel.service.governance_operations import GovernanceOperations
from reflect_otel.wire.v1 import reflect_pb2 as wire


class GovernanceServicer:
    """One method per RPC: request in, response out.

    Args:
        operations: the use cases.
    """

    def __init__(self, operations: GovernanceOperations) -> None:
        self._operations = operations

    @property
    def methods(self) -> Mapping[str, Callable[[Call, Any], Any]]:
        """The method of each RPC, by its name in the descriptor."""
        return {
            "GetMemoryHistory": self.get_memory_history,
            "UpdateMemories": self.update_memories,
            "DeleteMemories": self.delete_memories,
            "FindBlastRadius": self.find_blast_radius,
            "CreateQuarantine": self.create_quarantine,
            "ReleaseQuarantine": self.release_quarantine,
            "ListQuarantines": self.list_quarantines,
        }

    def get_memory_history(self, call: Call, request: wire.GetMemoryHistoryRequest) -> wire.GetMemoryHistoryResponse:
        """Where a memory comes from and what moved it."""
        history = self._operations.get_history(call.project_id, request.memory_id, request.page_size)
        return governance_codec.build_history(history)

    def update_memories(self, call: Call, request: wire.UpdateMemoriesRequest) -> wire.UpdateMemoriesResponse:
        """Act on single memories."""
        action = governance_codec.read_action(request.action)
        memories = self._operations.update_memories(call.project_id, request.memory_ids, action, request.reason)
        return wire.UpdateMemoriesResponse(memories=codec.build_memories(memories))

    def delete_memories(self, call: Call, request: wire.DeleteMemoriesRequest) -> wire.DeleteMemoriesResponse:
        """Delete memories."""
        deleted = self._operations.delete_memories(call.project_id, request.memory_ids)
        return wire.DeleteMemoriesResponse(deleted_count=deleted)

    def find_blast_radius(self, call: Call, request: wire.FindBlastRadiusRequest) -> wire.FindBlastRadiusResponse:
        """What something bad has reached."""
        origin = governance_codec.read_origin(request.origin)
        return governance_codec.build_blast_radius(self._operations.find_blast_radius(call.project_id, origin))

    def create_quarantine(self, call: Call, request: wire.CreateQuarantineRequest) -> wire.CreateQuarantineResponse:
        """Take all of that out."""
        origin = governance_codec.read_origin(request.origin)
        made = self._operations.create_quarantine(call.project_id, origin, request.reason)
        return wire.CreateQuarantineResponse(quarantine=governance_codec.build_quarantine(made))

    def release_quarantine(
        self, call: Call, request: wire.ReleaseQuarantineRequest
    ) -> wire.ReleaseQuarantineResponse:
        """Put it back."""
        released = self._operations.release_quarantine(call.project_id, request.quarantine_id)
        return wire.ReleaseQuarantineResponse(quarantine=governance_codec.build_quarantine(released))

    def list_quarantines(self, call: Call, request: wire.ListQuarantinesRequest) -> wire.ListQuarantinesResponse:
        """Every quarantine."""
        found = self._operations.list_quarantines(call.project_id, open_only=request.open_only)
        return wire.ListQuarantinesResponse(quarantines=[governance_codec.build_quarantine(item) for item in found])
