"""The agent side of telemetry: run context, span processor, exporter, ``configure()``.

Called by the host application, by ``opentelemetry-instrument`` through entry points, and by ``client``.
May import model, attributes, errors, the OpenTelemetry API and SDK and gRPC; never the service or its libraries.
"""
