"""What was measured of a remote embedder, remembered among the user's cached files: a start needs no network then."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EmbedderProfile:
    """Length of the vectors, and the retrieval gate; ``None`` while that has not been measured."""

    dimensions: int
    gate: float | None = None


def find_profile(key: str) -> EmbedderProfile | None:
    """The profile remembered under ``key``; one that cannot be read counts as none."""
    try:
        document = json.loads(_build_path(key).read_text("utf-8"))
        profile = EmbedderProfile(int(document["dimensions"]), float(document["gate"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return profile if profile.dimensions > 0 and 0.0 < (profile.gate or 0.0) < 1.0 else None


def write_profile(key: str, profile: EmbedderProfile) -> None:
    """Remember the profile; a folder that cannot be written is passed over, then it is measured again next time."""
    path = _build_path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as draft:
            json.dump(asdict(profile), draft)
        Path(draft.name).replace(path)
    except OSError:
        return


def _build_path(key: str) -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(chosen) if Path(chosen).is_absolute() else Path(os.path.expanduser("~/.cache"))  # noqa: PTH111
    name = blake2b(key.encode("utf-8", "replace"), digest_size=12).hexdigest()
    return home / "reflect-otel" / "embedders" / f"{name}.json"
