"""Files that other threads and processes make and delete while a test looks at them."""

import os
from pathlib import Path


def find_files(root: Path, suffix: str = "") -> list[Path]:
    """Files at any depth under ``root``, sorted; what vanishes during the walk may be missing."""
    walk = os.walk(root)  # unlike glob it passes over a folder that is gone
    return sorted(Path(folder, name) for folder, _, names in walk for name in names if name.endswith(suffix))


def file_bytes(path: Path) -> int:
    """The file's size; 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
