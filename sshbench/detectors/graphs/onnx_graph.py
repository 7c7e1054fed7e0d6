"""An ONNX file as a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sshbench.detectors.contract import Prepared, SettingValue
from sshbench.detectors.cost import NetworkCost, onnx_cost
from sshbench.detectors.execution import CALIBRATION_RANGE, EXECUTION
from sshbench.detectors.graphs.facts import GraphFacts, onnx_facts
from sshbench.detectors.graphs.graph import GraphDetector, Network
from sshbench.detectors.graphs.inputs import InputArray
from sshbench.detectors.graphs.seen import Array
from sshbench.errors import InputError, UsageError, shorten
from sshbench.native_errors import captured_lines
from sshbench.runtimes.network import OnnxNetwork
from sshbench.runtimes.plan import ONNX_BACKENDS, Plan

if TYPE_CHECKING:
    from onnx import ModelProto

_RUNTIME_LINES = "\x1b[1;31m"  # how the lines begin that ONNX Runtime prints beside its exceptions


class OnnxGraph(GraphDetector):
    """A detector made of an ONNX file.

    Args:
        path: The file, with one input of images.
        spec: What goes in and what comes out: a specification, or the path of its TOML file; None: guess it.
        settings: Settings; default: those of the specification.

    Attributes:
        spec: The specification in effect.
        guess: What was guessed, with reasons; None where the specification was given.

    Raises:
        MissingDataError: A file is not there.
        InputError: The file is no graph, the specification is invalid or contradicts it, or none can be guessed.

    >>> import numpy as np, onnx, tempfile
    >>> import sshbench
    >>> text = '''<ir_version: 8, opset_import: ["": 13]>
    ...     faces (float[1, 3, 64, 64] image) => (float[2, 5] rows)
    ...     { rows = Constant <value = float[2, 5] {8, 8, 24, 28, 0.9, 1, 2, 3, 4, 0.01}> () }'''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     onnx.save(onnx.parser.parse_model(text), f"{folder}/faces.onnx")
    ...     detector = sshbench.OnnxGraph(f"{folder}/faces.onnx")
    ...     found = sshbench.detect(detector, np.zeros((128, 128, 3), dtype=np.uint8))
    >>> detector.spec.output.family, found.boxes.tolist()
    ('boxes+scores', [[16.0, 16.0, 48.0, 56.0]])
    """

    prefix = "onnx"
    ranges = CALIBRATION_RANGE

    def cost(self, prepared: Prepared[Any]) -> NetworkCost | None:
        """Return size and work of the network for an input; None where its graph does not tell them."""
        counted = onnx_cost(self._model, prepared.data[0].shape)
        return counted and counted.model_copy(update={"weights_bytes": self.facts.bytes})

    @cached_property
    def _model(self) -> ModelProto:
        import onnx

        return onnx.load(self.path)

    def _read_facts(self) -> GraphFacts:
        return onnx_facts(self.path)

    def _attempt(self, data: InputArray, free: bool) -> Mapping[str, Array]:
        from sshbench.detectors.onnx_session import PLAIN

        names = tuple(one.name for one in self.facts.outputs)
        return self._runner(self._network_of(self._content(free=free), names, PLAIN), names)(data)

    def _open(self, names: tuple[str, ...], *, free: bool) -> Network:
        from sshbench.detectors.execution import asked_plan, effective_settings, int8_network_of

        asked_settings = replace(self.settings, extra={**EXECUTION, **self.settings.extra})
        asked = asked_plan(asked_settings, ONNX_BACKENDS)
        content, calibration = self._content(free=free), ""
        if asked.precision == "int8":
            self.settings = asked_settings
            int8 = int8_network_of(self, content, lambda prepared: [prepared.data[0]])
            content, calibration, self.int8_file = int8.content, int8.calibration, int8.file
        network = self._network_of(content, names, asked)
        self.settings = effective_settings(asked_settings, network.plan, calibration)
        return self._runner(network, names)

    def _default_extra(self) -> Mapping[str, SettingValue]:
        return EXECUTION

    def _content(self, *, free: bool) -> bytes:
        """Return the graph with its weights in one piece, and its sizes freed where that is wanted."""
        from sshbench.detectors.onnx_session import free_spatial_dims

        content = self._model.SerializeToString() if self.facts.weights_beside else self.path.read_bytes()
        return free_spatial_dims(content, batch=True) if free else content

    def _network_of(self, content: bytes, names: Sequence[str], asked: Plan) -> OnnxNetwork:
        from sshbench.detectors.onnx_session import open_network

        try:
            with captured_lines(_RUNTIME_LINES):
                return open_network(content, self.path, names, asked)
        except InputError as error:
            library = "OpenVINO" if asked.backend == "openvino" else "ONNX Runtime"
            text = f"{library} cannot read the graph ({_in_short(error.__cause__ or error)})"
            raise InputError(text, file=self.path, remedy="Export the model again") from error

    def _runner(self, network: OnnxNetwork, names: Sequence[str]) -> Network:
        """Return the function that runs a network, with errors that a user can act on."""
        given = self.facts.inputs[0]
        tried: set[tuple[int, ...]] = set()

        def run(data: InputArray) -> Mapping[str, Array]:
            try:
                if data.shape in tried:
                    return dict(zip(names, network.run(names, {given.name: data}), strict=True))
                with captured_lines(_RUNTIME_LINES):
                    found = network.run(names, {given.name: data})
            except Exception as error:  # the libraries' own exceptions share no other base
                raise InputError(
                    f"the graph cannot run on an input of shape {data.shape}; it declares {given} ({_in_short(error)})",
                    file=self.path,
                    remedy="Check input.size and input.layout of the specification, or export the model again",
                ) from error
            tried.add(data.shape)
            return dict(zip(names, found, strict=True))

        return run


class OnnxBatchGraph(OnnxGraph):
    """A detector made of an ONNX file that takes several images at once."""

    def forward_batch(self, prepared: Sequence[Prepared[Any]]) -> list[Mapping[str, Array]]:
        """Run the network once for inputs of one size; return for each input what `forward` returns.

        Raises:
            UsageError: The first axis of an output is not the image, as behind NMS.
        """
        outputs = self._run(np.concatenate([one.data[0] for one in prepared]))
        for name, values in outputs.items():
            if values.ndim == 0 or len(values) != len(prepared):
                text = f"output '{name}' of {self.path.name} has shape {values.shape} for {len(prepared)} images"
                raise UsageError(f"{text}, so that it cannot be told which row is of which", remedy="Use --batch 1")
        return [{name: values[i : i + 1] for name, values in outputs.items()} for i in range(len(prepared))]


def _in_short(error: BaseException) -> str:
    return shorten(" ".join(str(error).split()), 300)
