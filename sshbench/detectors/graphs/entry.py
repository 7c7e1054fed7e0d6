"""What `onnx:FILE` and `export:FILE` mean: a graph's file as the class of a detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshbench.detectors.contract import Detector, DetectorInfo, Settings
from sshbench.detectors.graphs.graph import GraphDetector
from sshbench.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class GraphClass:
    """A graph in the place of a detector's class.

    Attributes:
        graph: The detector with the settings of its specification.
    """

    graph: GraphDetector

    @property
    def info(self) -> DetectorInfo:
        """What a user should know of the graph."""
        return self.graph.info

    def __call__(self, *, settings: Settings | None = None, weights: Path | None = None) -> Detector:
        """Make a detector.

        Raises:
            UsageError: A weights file is given.
        """
        if weights is not None:
            text = f"'{self.graph.prefix}:{self.graph.path}' names its file already"
            raise UsageError(text, remedy="Leave --weights out")
        return self.graph.with_settings(settings)

    def input_pixels(self, settings: Settings, width: int, height: int) -> int:
        """Return how many pixels the network gets for an image of this width and height, padding not counted."""
        return self.graph.input_pixels(settings, width, height)


def of_onnx(file: str, *, spec: str | None = None) -> GraphClass:
    """Return the detector of an ONNX file: what `onnx:FILE` means.

    Raises:
        MissingDataError: A file is not there.
        InputError: The file is no graph, the specification is invalid or contradicts it, or none can be guessed.
    """
    from sshbench.detectors.graphs.facts import onnx_facts
    from sshbench.detectors.graphs.onnx_graph import OnnxBatchGraph, OnnxGraph

    shape = onnx_facts(Path(file).expanduser()).inputs[0].shape
    several = shape is not None and shape[:1] == (None,)
    return GraphClass((OnnxBatchGraph if several else OnnxGraph)(file, spec=spec))


def of_export(file: str, *, spec: str | None = None) -> GraphClass:
    """Return the detector of an exported program or a TorchScript file: what `export:FILE` means.

    Raises:
        UsageError: PyTorch is not installed.
        MissingDataError: A file is not there.
        InputError: The file is no program, the specification is invalid or contradicts it, or none can be guessed.
    """
    from sshbench.detectors.graphs.torch_graph import ExportedGraph

    return GraphClass(ExportedGraph(file, spec=spec))
