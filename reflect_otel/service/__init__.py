"""The service's use cases in plain Python (``operations``), and the gRPC skin over them (``servicer``).

Called by the composition root, and by the web console, which is another skin over ``operations``.
May import ``learning``, ``runs``, ports, model and wire; never an adapter (``store``, ``providers``).
"""
