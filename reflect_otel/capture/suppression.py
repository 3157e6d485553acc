"""Keeps our own network calls out of the host's telemetry."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
)


@contextmanager
def suppressed_instrumentation() -> Iterator[None]:
    """Instrumentations of this thread or task make no spans inside the block."""
    quiet = context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)
    token = context.attach(context.set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, quiet))
    try:
        yield
    finally:
        context.detach(token)
