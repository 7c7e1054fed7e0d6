"""MATLAB files of version 7 and older, read with scipy; a damaged file cannot end the process.

On some damaged files scipy's reader crashes the interpreter. A file that is read for the first time is therefore read
in a process of its own before; a mark in the cache says that it passed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from sshbench.files import cache_dir, golden_dir, sample_dir

_SECONDS = 300
_CHILD = """
import io, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
except (ImportError, OSError, ValueError):
    pass
from scipy.io import loadmat
try:
    loadmat(io.BytesIO(sys.stdin.buffer.read()))
except Exception:
    pass
"""


def load_mat(content: bytes, path: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB file, as `scipy.io.loadmat` gives them.

    Args:
        content: The file's content.
        path: Where it was read from; the bundled files are trusted.

    Raises:
        Exception: The file is damaged; scipy raises many kinds.
    """
    from scipy.io import loadmat  # here, because it takes a tenth of a second

    if not {sample_dir(), golden_dir()} & set(path.resolve().parents):
        _check(content)
    return dict(loadmat(io.BytesIO(content)))  # type: ignore[arg-type]  # its stubs know names of files only


def _check(content: bytes) -> None:
    mark = None
    with contextlib.suppress(OSError):  # without a cache, every file is checked every time
        mark = cache_dir("checked") / hashlib.sha256(content).hexdigest()[:32]
        if mark.exists():
            return
    try:
        done = subprocess.run([sys.executable, "-c", _CHILD], input=content, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"reading takes more than {_SECONDS} seconds") from error
    if done.returncode:
        raise ValueError("damaged so that its reader crashes")
    if mark is not None:
        with contextlib.suppress(OSError):
            mark.touch()
