"""Bringing models onto this machine: where their files come from, and how they are put in place.

Called by ``commands.models``.
May import ``reflect_otel``.
"""
