"""The calls about which memories may be served."""

from collections.abc import Sequence

from reflect_otel.client import governance_codec
from reflect_otel.client.service_calls import PAGE_SIZE, ServiceCalls
from reflect_otel.model.governance import BlastRadius, MemoryAction, MemoryHistory, Quarantine
from reflect_otel.model.memory import Memory
from reflect_otel.wire.v1 import reflect_pb2 as wire


class GovernanceCalls(ServiceCalls):
    """Look into memories, act on them, and clean up after a bad one."""

    def get_memory_history(self, memory_id: str, *, limit: int = PAGE_SIZE) -> MemoryHistory:
        """Where a memory comes from and how each reviewed run has moved its utility, the ``limit`` newest first."""
        request = wire.GetMemoryHistoryRequest(memory_id=memory_id, page_size=limit)
        return governance_codec.read_history(self._call("GetMemoryHistory", request))

    def update_memories(
        self, memory_ids: Sequence[str] | str, action: MemoryAction | str, *, reason: str = ""
    ) -> list[Memory]:
        """Do this to all of these memories, or, when one does not allow it, to none; as they are then.

        Args:
            memory_ids: one id, or up to 1000.
            action: ``quarantine``, ``release``, ``archive``, ``restore``, ``pin`` or ``unpin``.
            reason: why one is quarantined or archived; kept with the memory.

        Raises:
            FailedPrecondition: one of them is not in the state the action needs; names what to do.
        """
        request = governance_codec.build_update(memory_ids, action, reason)
        return governance_codec.read_memories(self._call("UpdateMemories", request).memories)

    def delete_memories(self, memory_ids: Sequence[str] | str) -> int:
        """Delete memories with their vectors and ledger. Returns how many were there."""
        ids = governance_codec.build_ids(memory_ids)
        pages = (ids[start : start + PAGE_SIZE] for start in range(0, len(ids), PAGE_SIZE))
        return sum(
            int(self._call("DeleteMemories", wire.DeleteMemoriesRequest(memory_ids=page)).deleted_count)
            for page in pages
        )

    def find_blast_radius(
        self,
        *,
        memory_ids: Sequence[str] | str = (),
        run_ids: Sequence[str] | str = (),
        author: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
    ) -> BlastRadius:
        """Every memory and run that something bad has reached; changes nothing.

        Each part adds to the others. At most 1000 memories and 1000 runs come back; the counts are of all.

        Args:
            memory_ids: bad memories.
            run_ids: bad runs.
            author: end user (``user.id`` of the runs) whose every run is suspect.
            since_ns: memories stored at this time or later, Unix nanoseconds.
            until_ns: memories stored before this time.
        """
        origin = governance_codec.build_origin(memory_ids, run_ids, author, since_ns, until_ns)
        answer = self._call("FindBlastRadius", wire.FindBlastRadiusRequest(origin=origin))
        return governance_codec.read_blast_radius(answer)

    def create_quarantine(
        self,
        *,
        memory_ids: Sequence[str] | str = (),
        run_ids: Sequence[str] | str = (),
        author: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
        reason: str = "",
    ) -> Quarantine:
        """Take that whole blast radius out of service and out of the ledger, at once, until it is released.

        Arguments as in ``find_blast_radius``, which lists first what this takes.
        """
        origin = governance_codec.build_origin(memory_ids, run_ids, author, since_ns, until_ns)
        answer = self._call("CreateQuarantine", wire.CreateQuarantineRequest(origin=origin, reason=reason))
        return governance_codec.read_quarantine(answer.quarantine)

    def release_quarantine(self, quarantine_id: str) -> Quarantine:
        """Put everything back that no other quarantine holds; again, it changes nothing."""
        answer = self._call("ReleaseQuarantine", wire.ReleaseQuarantineRequest(quarantine_id=quarantine_id))
        return governance_codec.read_quarantine(answer.quarantine)

    def list_quarantines(self, *, open_only: bool = False) -> list[Quarantine]:
        """The newest thousand quarantines, newest first."""
        answer = self._call("ListQuarantines", wire.ListQuarantinesRequest(open_only=open_only))
        return [governance_codec.read_quarantine(item) for item in answer.quarantines]
