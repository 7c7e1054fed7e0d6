"""Situations of real users and faults, as tests of the command line."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from sshbench.detectors import registry
from sshbench.detectors.contract import DetectorInfo, Prepared, Settings
from sshbench.errors import UsageError
from sshbench.records import Detections, Image

CommandLine = Callable[..., tuple[int, str, str]]

BOXES = np.array([[10.0, 10, 50, 50], [20, 20, 80, 80]])
SCORES = np.array([0.9, 0.5])


def _raise(error: BaseException) -> Any:
    raise error


def _wrong_settings() -> Any:
    raise UsageError("not configured")


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    _wait(1)


RETURNS: dict[str, Callable[[], Any]] = {
    "fine": lambda: Detections(BOXES, SCORES),
    "runtime error": lambda: _raise(RuntimeError("boom")),
    "memory error": lambda: _raise(MemoryError()),
    "sys.exit(0)": lambda: _raise(SystemExit(0)),
    "sys.exit(5)": lambda: _raise(SystemExit(5)),
    "score NaN": lambda: Detections(BOXES, np.array([np.nan, 0.5])),
    "score infinite": lambda: Detections(BOXES, np.array([np.inf, 0.5])),
    "score -infinite": lambda: Detections(BOXES, np.array([-np.inf, 0.5])),
    "box NaN": lambda: Detections(np.array([[np.nan, 1, 2, 3]]), SCORES[:1]),
    "box infinite": lambda: Detections(np.array([[0, 1, np.inf, 3]]), SCORES[:1]),
    "five columns": lambda: Detections(np.zeros((2, 5)), SCORES),
    "one score": lambda: Detections(BOXES, SCORES[:1]),
    "three dimensions": lambda: Detections(np.zeros((1, 2, 4)), SCORES),
    "complex": lambda: Detections(BOXES, np.array([1 + 2j, 0.5])),
    "texts": lambda: Detections(BOXES, np.array(["a", "b"], dtype=object)),
    "None": lambda: None,
    "a list": lambda: [[1, 2, 3, 4, 0.5]],
    "a pair": lambda: (BOXES, SCORES),
    "too many": lambda: Detections(np.zeros((1_000_001, 4)), np.zeros(1_000_001)),
    "wrong settings": _wrong_settings,
    "hang": lambda: _wait(60),
    "interrupt": lambda: _interrupt(),
    "huge box": lambda: Detections(np.array([[-1e300, -1e300, 1e300, 1e300]]), SCORES[:1]),
}


class Misbehaving:
    """A detector that works, but for the images whose numbers are in `at`."""

    info = DetectorInfo(name="misbehaving", defaults=Settings(), trained_on=())
    weights_sha256: str | None = None
    behaviour: ClassVar[str] = "fine"
    at: ClassVar[range] = range(0)

    def __init__(self, *, settings: Settings | None = None, weights: Path | None = None) -> None:
        self.settings = settings or self.info.defaults

    def load(self) -> None:
        print("a library says hello")
        self._count = 0

    def preprocess(self, image: Image) -> Prepared[Image]:
        return Prepared(image, 1.0)

    def forward(self, prepared: Prepared[Image]) -> None:
        print("and goes on talking")
        self._count += 1

    def postprocess(self, outputs: None, prepared: Prepared[Image]) -> Detections:
        made: Detections = RETURNS[self.behaviour if self._count in self.at else "fine"]()
        return made


@pytest.fixture
def misbehave(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, range], None]:
    """Register the detector `misbehaving`, and let it behave so on these of its images (the first is 1)."""
    points = [EntryPoint("misbehaving", f"{__name__}:Misbehaving", registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    monkeypatch.setattr(registry, "import_module", lambda name: _Module if name == __name__ else import_module(name))

    def set_behaviour(behaviour: str, at: range) -> None:
        monkeypatch.setattr(Misbehaving, "behaviour", behaviour)
        monkeypatch.setattr(Misbehaving, "at", at)

    return set_behaviour


class _Module:
    Misbehaving = Misbehaving
