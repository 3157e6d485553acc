"""Public helpers for tests: fakes of every port, and one conformance suite per port.

Called by tests, ours and those of whoever writes an adapter; never by the product.
May import ``ports``, ``model``, ``attributes`` and ``errors``.
"""
