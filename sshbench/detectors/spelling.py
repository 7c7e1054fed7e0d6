"""How a user writes a detector: by name, by prefix and file, or as a Python file or module and a name in it.

| spelling | detector |
|---|---|
| `yunet` | one of `sshbench detectors list` |
| `replay:FILE`, `onnx:FILE`, `export:FILE` | what `PREFIXES` makes of a file |
| `path/to/model.py:NAME` | a class, an instance or a function of a Python file |
| `package.module:NAME` | the same, of a module that Python can import |
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sshbench.errors import UsageError, did_you_mean

PREFIXES = {
    "export": "sshbench.detectors.graphs.entry:of_export",
    "onnx": "sshbench.detectors.graphs.entry:of_onnx",
    "replay": "sshbench.detectors.replay:of_file",
}
"""By prefix, `module:function`: the function takes the file and, as `spec`, what `--spec` names (text or None), and
returns a `DetectorClass` that is called with `weights=None`."""

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_FORMS = "path/to/model.py:NAME, module:NAME, onnx:FILE, export:FILE"


@dataclass(frozen=True, slots=True)
class Spelling:
    """A detector as a user wrote it.

    Attributes:
        kind: `name`, one of the prefixes, `file` or `module`.
        place: The name; the file behind the prefix; the Python file; the module.
        name: Name in the Python file or module; empty for the other kinds.
    """

    kind: Literal["name", "file", "module"] | str
    place: str
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "name":
            return self.place
        return f"{self.place}:{self.name}" if self.name else f"{self.kind}:{self.place}"

    @property
    def own(self) -> bool:
        """Whether it is a Python file or module of the user's."""
        return self.kind in ("file", "module")

    @property
    def absolute(self) -> Spelling:
        """The same with an absolute path, for another process or another folder."""
        return self.below(Path())

    def below(self, folder: Path) -> Spelling:
        """Return the same with an absolute path, where a relative one starts at this folder."""
        if self.kind in ("name", "module"):
            return self
        return replace(self, place=str((folder / Path(self.place).expanduser()).absolute()))


def parse_spelling(text: str, known: Collection[str]) -> Spelling:
    r"""Return what a spelling names.

    Args:
        text: What the user wrote.
        known: The names of all detectors; they go before the other forms.

    Raises:
        UsageError: It is none of the forms.

    >>> parse_spelling("yunet", ["haar", "yunet"]).kind
    'name'
    >>> parse_spelling("C:\\my models\\faces.py:Faces", [])
    Spelling(kind='file', place='C:\\my models\\faces.py', name='Faces')
    >>> parse_spelling("models.faces:Faces", [])
    Spelling(kind='module', place='models.faces', name='Faces')
    >>> parse_spelling("onnx:faces.onnx", [])
    Spelling(kind='onnx', place='faces.onnx', name='')
    """
    if text in known:
        return Spelling("name", text)
    prefix, colon, rest = text.partition(":")
    if colon and prefix in PREFIXES:
        if not rest:
            raise UsageError(f"'{text}' names no file", remedy=f"Write {prefix}:FILE")
        return Spelling(prefix, rest)
    place, colon, name = text.rpartition(":")
    if text.lower().endswith(".py") or (colon and place.lower().endswith(".py") and not name):
        file = text.removesuffix(":")
        raise UsageError(f"'{text}' does not say what to take of the file", remedy=f"Write {file}:NAME")
    if colon and place.lower().endswith(".py"):
        return Spelling("file", place, name)
    if colon and name and _MODULE.fullmatch(place):
        return Spelling("module", place, name)
    remedy = f"{did_you_mean(text, sorted(known))}; or a model of your own: {_FORMS}"
    raise UsageError(f"unknown detector '{text}'", remedy=remedy)
