"""The API client: memories before a run, traces and reviews after it.

Called by agents, scripts and the command line. Speaks ``reflect.v1`` over one shared gRPC channel a process.
May import capture, model, wire, errors, the OpenTelemetry API and gRPC; never the service or its libraries.
"""
