"""A dialect from another package: found through its entry point, and never able to cost the run."""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "dialects.md"

READ_ACME = """
import sys
from reflect_otel.dialects.reader import read_trajectory
from reflect_otel.model.spans import Run, SpanRecord

acme = {"acme.prompt": "hello", "acme.answer": "hi", "acme.model": "m1", "acme.tokens.in": 3}
spans = [SpanRecord(trace_id=b"1" * 16, span_id=bytes([n]) * 8, start_ns=n, attributes=a) for n, a in
         [(1, acme), (2, {"acme.prompt": "boom", "acme.boom": True})]]
got = read_trajectory(Run(run_id="r", spans=spans))
assert [m.content for m in got.messages] == ["hello", "hi"], got.messages
assert got.model == "m1"
assert got.metrics.input_tokens == 3
assert "acme" in got.dialects
assert any("the acme reader failed" in problem for problem in got.problems), got.problems
"""


FAULT = """
        if "acme.boom" in span.attributes:
            raise KeyError("boom")
"""
READ = "def read(self, span, logs):\n"


def test_a_package_with_an_entry_point_adds_a_dialect(tmp_path: Path) -> None:
    """The reader and the entry point are those of the documentation, with a fault for one span."""
    document = DOCUMENT.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(python|toml)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL))
    package, metadata = tmp_path / "acme_tracing", tmp_path / "acme_tracing-1.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").touch()
    (package / "reflect.py").write_text(blocks["python"].replace(READ, READ + FAULT), encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tracing\nVersion: 1\n", encoding="utf-8")
    (target,) = re.findall(r'^acme = "(.+)"$', blocks["toml"], re.MULTILINE)
    (metadata / "entry_points.txt").write_text(f"[reflect_otel.dialects]\nacme = {target}\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", READ_ACME], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
