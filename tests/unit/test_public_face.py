"""``import reflect_otel``: light, complete, and usable by a type checker."""

import subprocess
import sys

import pytest

import reflect_otel

HEAVY = ("grpc", "opentelemetry.sdk", "google.protobuf", "duckdb", "faiss", "numpy", "starlette")


def loaded_after(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import reflect_otel",
        "from reflect_otel import Memory, Trace, NotFound",
        "from reflect_otel import review, run",
    ],
)
def test_the_import_loads_nothing_heavy(statement):
    loaded = loaded_after(statement)
    assert not [name for name in HEAVY if name in loaded]


def test_the_client_loads_no_server_library_and_no_sdk():
    loaded = loaded_after("from reflect_otel import ReflectClient")
    assert not [name for name in ("opentelemetry.sdk", "duckdb", "faiss", "numpy", "starlette") if name in loaded]


def test_every_public_name_is_there_and_an_unknown_one_is_not():
    for name in reflect_otel.__all__:
        assert getattr(reflect_otel, name) is not None
    assert set(reflect_otel.__all__) <= set(dir(reflect_otel))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = reflect_otel.no_such_name
