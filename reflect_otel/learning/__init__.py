"""The learning loop: reviewed runs become memories, rewards move their utility, the best return to the next task.

Called by ``service`` and started by the composition root.
May import ``ports``, ``model`` and ``errors``; never an adapter from ``store`` or ``providers``.
"""
