"""The calls about which memories may be served, as coroutines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reflect_otel.client.call_threads import run_in_thread
from reflect_otel.client.service_calls import PAGE_SIZE
from reflect_otel.model.governance import BlastRadius, MemoryAction, MemoryHistory, Quarantine
from reflect_otel.model.memory import Memory

if TYPE_CHECKING:
    from reflect_otel.client.client import ReflectClient


class AsyncGovernanceCalls:
    """Part of ``AsyncReflectClient``."""

    sync: "ReflectClient"

    async def get_memory_history(self, memory_id: str, *, limit: int = PAGE_SIZE) -> MemoryHistory:
        """As ``ReflectClient.get_memory_history``."""
        return await run_in_thread(self.sync.get_memory_history, memory_id, limit=limit)

    async def update_memories(
        self, memory_ids: Sequence[str] | str, action: MemoryAction | str, *, reason: str = ""
    ) -> list[Memory]:
        """As ``ReflectClient.update_memories``."""
        return await run_in_thread(self.sync.update_memories, memory_ids, action, reason=reason)

    async def delete_memories(self, memory_ids: Sequence[str] | str) -> int:
        """As ``ReflectClient.delete_memories``."""
        return await run_in_thread(self.sync.delete_memories, memory_ids)

    async def find_blast_radius(
        self,
        *,
        memory_ids: Sequence[str] | str = (),
        run_ids: Sequence[str] | str = (),
        author: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
    ) -> BlastRadius:
        """As ``ReflectClient.find_blast_radius``."""
        return await run_in_thread(
            self.sync.find_blast_radius,
            memory_ids=memory_ids,
            run_ids=run_ids,
            author=author,
            since_ns=since_ns,
            until_ns=until_ns,
        )

    async def create_quarantine(
        self,
        *,
        memory_ids: Sequence[str] | str = (),
        run_ids: Sequence[str] | str = (),
        author: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
        reason: str = "",
    ) -> Quarantine:
        """As ``ReflectClient.create_quarantine``."""
        return await run_in_thread(
            self.sync.create_quarantine,
            memory_ids=memory_ids,
            run_ids=run_ids,
            author=author,
            since_ns=since_ns,
            until_ns=until_ns,
            reason=reason,
        )

    async def release_quarantine(self, quarantine_id: str) -> Quarantine:
        """As ``ReflectClient.release_quarantine``."""
        return await run_in_thread(self.sync.release_quarantine, quarantine_id)

    async def list_quarantines(self, *, open_only: bool = False) -> list[Quarantine]:
        """As ``ReflectClient.list_quarantines``."""
        return await run_in_thread(self.sync.list_quarantines, open_only=open_only)
