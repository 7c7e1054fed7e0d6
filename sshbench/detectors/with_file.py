"""A detector's class together with its file, for spellings such as `replay:FILE`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshbench.detectors.contract import Detector, DetectorClass, DetectorInfo, Settings
from sshbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class WithFile:
    """A class whose weights file is known already.

    Attributes:
        made: The class.
        file: The file that it gets as its weights.
        spelling: What the user wrote.
    """

    made: DetectorClass
    file: str
    spelling: str

    @property
    def info(self) -> DetectorInfo:
        """What a user should know of the class."""
        return self.made.info

    def __call__(self, *, settings: Settings | None = None, weights: Path | None = None) -> Detector:
        """Make a detector.

        Raises:
            UsageError: Another weights file is given.
        """
        if weights is not None:
            raise UsageError(f"'{self.spelling}' names its file already", remedy="Leave --weights out")
        return self.made(settings=settings, weights=Path(self.file).expanduser())
