"""The domain's data types: spans, trajectories, memories.

Called by every layer above. May import ``attributes`` and ``errors`` only; no I/O, no third-party library.
"""
