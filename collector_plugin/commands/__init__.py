"""One module a command of ``reflect-otel``: plain functions that return an exit code.

Called by ``collector_plugin.__main__`` only, which parses the command line.
May import everything; loads heavy parts (servers, DuckDB, FAISS) only inside the commands that need them.
"""
