"""Write the skeleton of a package with a detector: what `sshbench detectors new` does."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template

from sshbench.detectors.registry import targets
from sshbench.errors import UsageError
from sshbench.files import write_atomic

_FILES = {
    "pyproject.toml": "pyproject.toml.in",
    "README.md": "README.md.in",
    "$module.py": "module.py.in",
    "tests/test_$module.py": "test_module.py.in",
}


def write_skeleton(name: str, out: str | Path | None = None) -> list[Path]:
    """Write a package with a detector that works: entry point, class, test and README.

    Args:
        name: Name of the detector, as on the command line: small letters, digits and hyphens.
        out: Folder of the package, made where it is not there; default: `sshbench-<name>` in the current folder.

    Returns:
        The files that were written.

    Raises:
        UsageError: The name is invalid or another detector has it, or a file is there already.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_skeleton("my-faces", folder)]
    ['pyproject.toml', 'README.md', 'sshbench_my_faces.py', 'test_sshbench_my_faces.py']
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"'{name}' cannot name a detector", remedy="Use small letters, digits and hyphens, such as my-faces"
        )
    if name in targets():
        raise UsageError(f"there is a detector '{name}' already", remedy="Choose another name")
    words = {
        "name": name,
        "module": f"sshbench_{name.replace('-', '_')}",
        "kind": "".join(word.capitalize() for word in name.split("-")),
    }
    folder = Path(f"sshbench-{name}") if out is None else Path(out).expanduser()
    targets_of = {template: folder / Template(file).substitute(words) for file, template in _FILES.items()}
    if there := [path for path in targets_of.values() if path.exists()]:
        raise UsageError(f"{there[0]} is there already", remedy="Name another folder with --out")
    texts = files("sshbench.detectors") / "skeleton_files"
    written = []
    for template, path in targets_of.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (texts / template).read_text(encoding="utf-8")
        written.append(write_atomic(path, Template(text).substitute(words)))
    return written
