from pathlib import Path

import pytest

from reflect_otel.errors import StoreError
from reflect_otel.store import statements


def test_every_statement_and_table_is_registered():
    assert set(statements.load_statements()) == set(statements.STATEMENTS)
    assert list(statements.load_tables()) == list(statements.TABLES)


def test_every_statement_is_used():
    package = Path(statements.__file__).parent
    code = "\n".join(path.read_text() for path in package.glob("*.py") if path.name != "statements.py")
    assert [name for name in statements.STATEMENTS if f'"{name}"' not in code] == []


@pytest.mark.parametrize("change", ["unregistered file", "missing file"])
def test_files_and_register_must_agree(tmp_path, monkeypatch, change):
    for name in statements.STATEMENTS:
        (tmp_path / f"{name}.sql").write_text("select 1")
    if change == "missing file":
        (tmp_path / f"{statements.STATEMENTS[0]}.sql").unlink()
        culprit = statements.STATEMENTS[0]
    else:
        (tmp_path / "stray.sql").write_text("select 1")
        culprit = "stray"
    monkeypatch.setattr(statements, "_FOLDER", tmp_path)
    statements.load_statements.cache_clear()
    try:
        with pytest.raises(StoreError, match=f"{culprit}.*reinstall"):
            statements.load_statements()
    finally:
        statements.load_statements.cache_clear()


def test_lists_are_written_out_without_touching_longer_names():
    text, flat = statements.expand_lists(
        "a in ($run_ids) and b = $run_ids_2 and c in ($none) and d = $x",
        {"run_ids": ("r", "s"), "run_ids_2": 5, "none": (), "x": ["list"]},
    )
    assert text == "a in ($run_ids_0, $run_ids_1) and b = $run_ids_2 and c in (null) and d = $x"
    assert flat == {"run_ids_0": "r", "run_ids_1": "s", "run_ids_2": 5, "x": ["list"]}
