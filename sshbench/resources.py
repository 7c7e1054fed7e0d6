"""Where the files that are data and not code lie: shipped data, caches, the sample.

In a checkout `protocols/`, `results/published/` and `tests/golden/` lie outside the package, in a wheel inside it.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def protocols_dir() -> Path:
    """Folder of the shipped protocol files (`*.toml`)."""
    return _shipped("protocols", _PACKAGE.parent / "protocols")


def published_dir() -> Path:
    """Folder of the shipped tables of published results (`*.csv`)."""
    return _shipped("published", _PACKAGE.parent / "results" / "published")


def golden_dir() -> Path:
    """Return the folder of the small golden sets: inputs and the official tools' outputs."""
    return _shipped("golden", _PACKAGE.parent / "tests" / "golden")


def sample_dir() -> Path:
    """Root of the bundled sample dataset, in the WIDER layout."""
    return _PACKAGE / "datasets" / "sample_data"


def cache_dir(part: str) -> Path:
    """Folder for files that can be made again: `SSHBENCH_CACHE`, else the platform's cache folder; created.

    Args:
        part: Name of the cache below it, for example `ground_truth` or `weights`.
    """
    base = os.environ.get("SSHBENCH_CACHE")
    if base:
        folder = Path(base).expanduser() / part
    else:
        from platformdirs import user_cache_path

        folder = user_cache_path("sshbench", appauthor=False) / part
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped(name: str, in_checkout: Path) -> Path:
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else in_checkout
