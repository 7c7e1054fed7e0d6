"""A model of the user's own, from `path/to/model.py:NAME` or `module:NAME`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import ModuleType

from sshbench.detectors.contract import Detector, DetectorClass
from sshbench.detectors.own_class import as_class
from sshbench.detectors.own_code import Code, load_file, load_module
from sshbench.detectors.spelling import Spelling
from sshbench.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True, eq=False)
class OwnModel:
    """What a spelling of the user's own means.

    Attributes:
        made: Makes the detector.
        code: Hashes of its source files.
    """

    made: DetectorClass
    code: Code


def own_model(spelling: Spelling) -> OwnModel:
    """Return what a file or a module holds under a name.

    Raises:
        MissingDataError: There is no such file.
        InputError: Its code cannot be run.
        UsageError: There is no such module or name, or it is no detector.
    """
    module, code = load_file(spelling.place) if spelling.kind == "file" else load_module(spelling.place)
    if not hasattr(module, spelling.name):
        raise UsageError(
            f"{spelling.place} has no '{spelling.name}'",
            remedy=did_you_mean(spelling.name, candidates(module), listed="Classes, functions and detectors in it"),
        )
    return OwnModel(as_class(getattr(module, spelling.name), spelling.name, str(spelling)), code)


def candidates(module: ModuleType) -> list[str]:
    """Return the names of a module that may be detectors, as they are written there."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (
            isinstance(value, Detector)
            if not inspect.isclass(value) and not inspect.isroutine(value)
            else getattr(value, "__module__", "") == module.__name__
        )
    ]
