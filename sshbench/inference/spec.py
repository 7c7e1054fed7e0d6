"""A detector in a form that another process can make it from."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

from sshbench.detectors.contract import Detector, SettingValue
from sshbench.detectors.function import DetectorLike
from sshbench.detectors.registry import load_detector
from sshbench.detectors.source import source_of
from sshbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """What `load_detector` needs, or a pickled detector.

    Attributes:
        name: Name of the detector.
        weights: Its weights file; None: found by name.
        settings: Settings other than the published ones, and `tta`.
        pickled: The detector itself, where it was given as an object; empty otherwise.
        code: Hashes of the source of a model in a file; another process may find a changed one.

    >>> DetectorSpec("haar", settings={"min_neighbors": 3}).make().settings.extra["min_neighbors"]
    3
    """

    name: str
    weights: str | None = None
    settings: Mapping[str, SettingValue | None] = field(default_factory=dict)
    pickled: bytes = b""
    code: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, detector: DetectorLike, weights: str | None, settings: Mapping[str, SettingValue | None]
    ) -> DetectorSpec:
        """Return the specification of a detector; paths in its spelling become absolute.

        Raises:
            UsageError: It cannot be sent to another process.
        """
        if isinstance(detector, str):
            source = source_of(detector)
            return cls(source.spelling or detector, weights, settings, code=source.code)
        name = getattr(detector, "__name__", type(detector).__name__)
        try:
            return cls(name, weights, settings, pickle.dumps(detector))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(
                f"the detector cannot be sent to another process ({error})",
                remedy="Name a registered detector, or a function of a module; or leave workers out",
            ) from error

    @property
    def key(self) -> bytes:
        """The specification as bytes, equal for equal ones."""
        fields = (
            self.name,
            self.weights,
            tuple(sorted(self.settings.items())),
            self.pickled,
            *sorted(self.code.items()),
        )
        return pickle.dumps(fields)

    def make(self) -> Detector:
        """Make the detector and load it.

        Raises:
            SshbenchError: As `load_detector`, or the pickled object cannot be made here.
        """
        detector: DetectorLike = self.name
        if self.pickled:
            try:
                detector = pickle.loads(self.pickled)
            except (pickle.UnpicklingError, AttributeError, ImportError, EOFError) as error:
                raise UsageError(
                    f"detector '{self.name}' cannot be made in another process ({error})",
                    remedy="Put it into a module that Python can import; or leave workers out",
                ) from error
        elif self.code and (there := source_of(self.name).code) != self.code:
            changed = sorted(file for file in {*there, *self.code} if there.get(file) != self.code.get(file))
            raise UsageError(
                f"{changed[0]} of detector '{self.name}' is not what the run began with",
                remedy="Run the command again: a changed model is another run",
            )
        others = dict(self.settings)
        tta, spec = (
            None if value is None else str(value) for value in (others.pop("tta", None), others.pop("spec", None))
        )
        return load_detector(detector, weights=self.weights, tta=tta, spec=spec, **others)
