"""sshbench: benchmark and evaluation suite for face detectors.

The public API; every name is imported when it is first used, so that `import sshbench` takes a few milliseconds.

>>> import sshbench
>>> result = sshbench.evaluate("sample", {"1--Group/1_Group_sample_1_1": ([[10, 20, 50, 70]], [0.9])})
>>> result.record.images
24
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sshbench.answers.analyze import Analysis, analyze
    from sshbench.answers.compare import Comparison, compare
    from sshbench.benchmark import run
    from sshbench.choosing.choose import Choice, choose
    from sshbench.datasets import Dataset
    from sshbench.datasets.submission import Submission, check_submission
    from sshbench.detectors.contract import Detector, DetectorInfo, Settings
    from sshbench.detectors.function import FunctionDetector
    from sshbench.detectors.graphs.onnx_graph import OnnxGraph
    from sshbench.detectors.graphs.spec import GraphSpec
    from sshbench.detectors.graphs.torch_graph import ExportedGraph
    from sshbench.detectors.one_image import detect
    from sshbench.detectors.quantized import quantize
    from sshbench.detectors.registry import load_detector
    from sshbench.errors import SshbenchError
    from sshbench.evaluation.api import evaluate
    from sshbench.evaluation.benchmarks import Benchmark
    from sshbench.evaluation.benchmarks import register as register_benchmark
    from sshbench.evaluation.explain import explain
    from sshbench.evaluation.label_check import check_annotation
    from sshbench.evaluation.loading import load_dataset, read_predictions
    from sshbench.evaluation.merging import merge
    from sshbench.evaluation.result import Evaluation
    from sshbench.evaluation.streaming import Evaluator
    from sshbench.formats.coco import read_coco_results
    from sshbench.formats.convert import convert
    from sshbench.formats.fddb import read_fddb
    from sshbench.formats.pascal import read_pascal
    from sshbench.formats.wider import read_wider
    from sshbench.interop import from_coco, from_supervision, from_torchvision, from_ultralytics
    from sshbench.paper.table import table
    from sshbench.protocols import Protocol, load_protocol
    from sshbench.records import Detections, DetectionSet, Faces, FaceSet, Finding, ImageRecord
    from sshbench.ssh_paper.check import Claims, check_claims
    from sshbench.ssh_paper.page import PaperPage, build_paper
    from sshbench.submission import submit
    from sshbench.suite.history import History, history
    from sshbench.suite.run import SuiteOutcome, run_suite
    from sshbench.timing import (
        Sweep,
        TimingRecord,
        compare_timings,
        plot_timings,
        sweep_detectors,
        time_detector,
        time_detectors,
        time_runs,
    )
    from sshbench.verification import Verification, verify_archive

    __version__: str

_WHERE = {
    "Analysis": "sshbench.answers.analyze",
    "Benchmark": "sshbench.evaluation.benchmarks",
    "Choice": "sshbench.choosing.choose",
    "Claims": "sshbench.ssh_paper.check",
    "Comparison": "sshbench.answers.compare",
    "Dataset": "sshbench.datasets",
    "DetectionSet": "sshbench.records",
    "Detections": "sshbench.records",
    "Detector": "sshbench.detectors.contract",
    "DetectorInfo": "sshbench.detectors.contract",
    "Evaluation": "sshbench.evaluation.result",
    "Evaluator": "sshbench.evaluation.streaming",
    "ExportedGraph": "sshbench.detectors.graphs.torch_graph",
    "FaceSet": "sshbench.records",
    "Faces": "sshbench.records",
    "Finding": "sshbench.records",
    "FunctionDetector": "sshbench.detectors.function",
    "GraphSpec": "sshbench.detectors.graphs.spec",
    "History": "sshbench.suite.history",
    "ImageRecord": "sshbench.records",
    "OnnxGraph": "sshbench.detectors.graphs.onnx_graph",
    "PaperPage": "sshbench.ssh_paper.page",
    "Protocol": "sshbench.protocols",
    "Settings": "sshbench.detectors.contract",
    "SshbenchError": "sshbench.errors",
    "SuiteOutcome": "sshbench.suite.run",
    "Submission": "sshbench.datasets.submission",
    "Sweep": "sshbench.timing",
    "TimingRecord": "sshbench.timing",
    "Verification": "sshbench.verification",
    "analyze": "sshbench.answers.analyze",
    "build_paper": "sshbench.ssh_paper.page",
    "check_annotation": "sshbench.evaluation.label_check",
    "check_claims": "sshbench.ssh_paper.check",
    "check_submission": "sshbench.datasets.submission",
    "choose": "sshbench.choosing.choose",
    "compare": "sshbench.answers.compare",
    "compare_timings": "sshbench.timing",
    "convert": "sshbench.formats.convert",
    "detect": "sshbench.detectors.one_image",
    "evaluate": "sshbench.evaluation.api",
    "explain": "sshbench.evaluation.explain",
    "from_coco": "sshbench.interop",
    "from_supervision": "sshbench.interop",
    "from_torchvision": "sshbench.interop",
    "from_ultralytics": "sshbench.interop",
    "history": "sshbench.suite.history",
    "load_dataset": "sshbench.evaluation.loading",
    "load_detector": "sshbench.detectors.registry",
    "load_protocol": "sshbench.protocols",
    "merge": "sshbench.evaluation.merging",
    "plot_timings": "sshbench.timing",
    "quantize": "sshbench.detectors.quantized",
    "read_coco_results": "sshbench.formats.coco",
    "read_fddb": "sshbench.formats.fddb",
    "read_pascal": "sshbench.formats.pascal",
    "read_predictions": "sshbench.evaluation.loading",
    "read_wider": "sshbench.formats.wider",
    "register_benchmark": "sshbench.evaluation.benchmarks:register",
    "run": "sshbench.benchmark",
    "run_suite": "sshbench.suite.run",
    "submit": "sshbench.submission",
    "sweep_detectors": "sshbench.timing",
    "table": "sshbench.paper.table",
    "time_detector": "sshbench.timing",
    "time_detectors": "sshbench.timing",
    "time_runs": "sshbench.timing",
    "verify_archive": "sshbench.verification",
}

__all__ = [
    "Analysis",
    "Benchmark",
    "Choice",
    "Claims",
    "Comparison",
    "Dataset",
    "DetectionSet",
    "Detections",
    "Detector",
    "DetectorInfo",
    "Evaluation",
    "Evaluator",
    "ExportedGraph",
    "FaceSet",
    "Faces",
    "Finding",
    "FunctionDetector",
    "GraphSpec",
    "History",
    "ImageRecord",
    "OnnxGraph",
    "PaperPage",
    "Protocol",
    "Settings",
    "SshbenchError",
    "Submission",
    "SuiteOutcome",
    "Sweep",
    "TimingRecord",
    "Verification",
    "analyze",
    "build_paper",
    "check_annotation",
    "check_claims",
    "check_submission",
    "choose",
    "compare",
    "compare_timings",
    "convert",
    "detect",
    "evaluate",
    "explain",
    "from_coco",
    "from_supervision",
    "from_torchvision",
    "from_ultralytics",
    "history",
    "load_dataset",
    "load_detector",
    "load_protocol",
    "merge",
    "plot_timings",
    "quantize",
    "read_coco_results",
    "read_fddb",
    "read_pascal",
    "read_predictions",
    "read_wider",
    "register_benchmark",
    "run",
    "run_suite",
    "submit",
    "sweep_detectors",
    "table",
    "time_detector",
    "time_detectors",
    "time_runs",
    "verify_archive",
]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        module, _, attribute = _WHERE[name].partition(":")
        return getattr(import_module(module), attribute or name)
    if name == "__version__":
        return _version()
    raise AttributeError(f"module 'sshbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__, "__version__"]


def _version() -> str:
    """Return the version of the installed package; a checkout that was never installed has none."""
    from importlib.metadata import PackageNotFoundError, version  # takes longer than the rest of this module

    try:
        return version("sshbench")
    except PackageNotFoundError:
        return "0+unknown"
