"""Telemetry of any GenAI instrumentation to one typed trajectory, decided span by span.

Called by ``runs``, the service's pipeline and the ``read`` command; ``reader.read_trajectory`` is the way in.
May import model, ports, plugins, attributes and the standard library only; pure, and never raises on telemetry.
"""
