"""Adapters that keep things: the DuckDB store, which is the truth, and the FAISS index, which is derived from it.

Loaded through entry points (``reflect_otel.stores``, ``reflect_otel.indexes``) by the composition root only.
May import ``ports``, ``model``, ``attributes``, ``errors``, ``lockfile``, duckdb, faiss, numpy and orjson.
"""
