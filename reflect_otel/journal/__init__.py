"""The durable queue: bounded, at-least-once, byte records in, byte records out; group commit before the call returns.

Called by the service's intake and by the agent side's disk spool.
May import ``errors``, ``lockfile`` and the standard library only: it runs inside other people's agents.
"""

from reflect_otel.journal.queue import Journal
from reflect_otel.journal.record import JournalRecord

__all__ = ["Journal", "JournalRecord"]
