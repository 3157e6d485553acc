"""Embedders and reflectors, one file each: what turns text into vectors and trajectories into lessons.

Found through the entry points ``reflect_otel.embedders`` and ``reflect_otel.reflectors``, never imported by name.
May import ``ports``, ``model``, ``errors`` and the library each file is about.
"""
