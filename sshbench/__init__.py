"""sshbench: benchmark and evaluation suite for face detectors.

The public API; every name is imported when it is first used, so that `import sshbench` costs next to nothing.

>>> import sshbench
>>> sorted(sshbench.__all__)[:3]
['Dataset', 'Detections', 'Evaluation']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sshbench.benchmark import run
    from sshbench.datasets import Dataset
    from sshbench.detectors.contract import detect
    from sshbench.detectors.registry import load_detector
    from sshbench.errors import SshbenchError
    from sshbench.evaluation.api import evaluate
    from sshbench.evaluation.loading import load_dataset
    from sshbench.evaluation.result import Evaluation
    from sshbench.evaluation.streaming import Evaluator
    from sshbench.formats.wider import read_wider
    from sshbench.protocols import load_protocol
    from sshbench.records import Detections, Faces, ImageRecord
    from sshbench.timing import time_detector

__version__ = "0.1.0"

_WHERE = {
    "Dataset": "sshbench.datasets",
    "Detections": "sshbench.records",
    "Evaluation": "sshbench.evaluation.result",
    "Faces": "sshbench.records",
    "ImageRecord": "sshbench.records",
    "SshbenchError": "sshbench.errors",
    "detect": "sshbench.detectors.contract",
    "Evaluator": "sshbench.evaluation.streaming",
    "evaluate": "sshbench.evaluation.api",
    "run": "sshbench.benchmark",
    "load_dataset": "sshbench.evaluation.loading",
    "load_detector": "sshbench.detectors.registry",
    "load_protocol": "sshbench.protocols",
    "read_wider": "sshbench.formats.wider",
    "time_detector": "sshbench.timing",
}

__all__ = [
    "Dataset",
    "Detections",
    "Evaluation",
    "Evaluator",
    "Faces",
    "ImageRecord",
    "SshbenchError",
    "detect",
    "evaluate",
    "load_dataset",
    "load_detector",
    "load_protocol",
    "read_wider",
    "run",
    "time_detector",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'sshbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
