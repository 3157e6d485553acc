"""Agents learn from their own OpenTelemetry traces.

The public face: names are loaded on first use, so ``import reflect_otel`` loads no gRPC and no OpenTelemetry SDK.
"""

__version__ = "0.1.0"
