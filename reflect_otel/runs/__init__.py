"""From loose spans to closed runs, and from telemetry to reviews.

Called by the pipeline (``collector_plugin``) and by ``reflect-otel read``; owned by one thread, so without locks.
May import model, ports, dialects and attributes; no adapter, no I/O.
"""
