"""What users' type checkers see."""

import subprocess
import sys
from pathlib import Path

import reflect_otel

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
        "MemoryStatus", "NotFound", "RateLimited", "ReviewStatus", "Trajectory", "TransportError", "Unavailable",
        "__version__",
    }  # fmt: skip
    assert [name for name in reflect_otel.__all__ if name not in rarely_named and name not in text] == []
