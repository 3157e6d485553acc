"""``reflect-otel demo``: recorded telemetry of real agents goes through a real service, and each stage is checked.

Called by the command line. Uses what any user has: the stock OTLP exporter, ``ReflectClient`` and the command
``reflect-otel serve``; it may import those and ``reflect_otel.model``, never the store or the service's inside.
"""
