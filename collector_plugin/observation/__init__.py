"""What the service says about itself through the OpenTelemetry API: spans, events and metrics of the learning loop.

Called by the engine, the receiver and ``serve``. May import everything below the composition root.
"""
