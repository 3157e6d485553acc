"""The shell that stands behind a Collector: OTLP receivers, pipeline, settings, command line, composition root.

Called by the ``reflect-otel`` command. Sees every package of ``reflect_otel``; nothing sees it.
"""
