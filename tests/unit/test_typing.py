"""What users' type checkers see."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import reflect_otel
from reflect_otel import AsyncReflectClient, ReflectClient

PUBLIC_API = Path(__file__).parents[1] / "typing" / "public_api.py"


def test_the_public_api_is_typed_strictly(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", tmp_path, str(PUBLIC_API)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    ours = [line for line in done.stdout.splitlines() if "public_api.py" in line]
    assert ours == [], done.stdout


def test_the_typed_file_uses_every_public_name():
    text = PUBLIC_API.read_text()
    rarely_named = {
        "AuthError", "ConfigError", "DeadlineExceeded", "FailedPrecondition", "IngestFailed", "IngestStatus",
        "NotFound", "RateLimited", "ReviewStatus", "Trajectory", "TransportError", "Unavailable",
        "__version__",
    }  # fmt: skip
    assert [name for name in reflect_otel.__all__ if name not in rarely_named and name not in text] == []


@pytest.mark.parametrize("client", [ReflectClient, AsyncReflectClient])
def test_the_typed_file_makes_every_call_of_either_client(client):
    """``recorder`` and ``trace_async`` are what the patterns stand on."""
    text, name = PUBLIC_API.read_text(), "client" if client is ReflectClient else "async_client"
    calls = {call for call in dir(client) if not call.startswith("_")} - {"recorder", "trace_async"}
    made = set(re.findall(rf"\b{name}\.(\w+)", text)) | set(re.findall(rf"\b{client.__name__}\.(\w+)", text))
    assert calls - made == set()
