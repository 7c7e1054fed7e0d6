"""An ONNX file as a detector."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sshbench.detectors.contract import Prepared
from sshbench.detectors.cost import NetworkCost, onnx_cost
from sshbench.detectors.graphs.facts import GraphFacts, onnx_facts
from sshbench.detectors.graphs.graph import GraphDetector, Network
from sshbench.detectors.graphs.inputs import InputArray
from sshbench.detectors.graphs.seen import Array
from sshbench.errors import InputError
from sshbench.native_errors import captured_lines

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

    >>> import sshbench
    >>> detector = sshbench.OnnxGraph("yunet.onnx", spec="yunet.toml")  # doctest: +SKIP
    >>> sshbench.run(detector, "sample")  # doctest: +SKIP
    """

    prefix = "onnx"

    def cost(self, prepared: Prepared[Any]) -> NetworkCost | None:
        """Return size and work of the network for an input; None where its graph does not tell them."""
        counted = onnx_cost(self._model, prepared.data[0].shape)
        return counted and counted.model_copy(update={"weights_bytes": self.path.stat().st_size})

    @cached_property
    def _model(self) -> ModelProto:
        import onnx

        return onnx.load(self.path)

    def _read_facts(self) -> GraphFacts:
        return onnx_facts(self.path)

    def _open(self, names: tuple[str, ...], *, free: bool) -> Network:
        from sshbench.detectors.onnx_session import open_session

        outputs = list(names or [one.name for one in self.facts.outputs])
        given = self.facts.inputs[0]
        try:
            with captured_lines(_RUNTIME_LINES):
                session = open_session(self.path, outputs, free_size=free, free_batch=free)
        except InputError as error:
            text = f"ONNX Runtime cannot read the graph ({_in_short(error.__cause__ or error)})"
            raise InputError(text, file=self.path, remedy="Export the model again") from error
        tried: set[tuple[int, ...]] = set()

        def run(data: InputArray) -> Mapping[str, Array]:
            try:
                if data.shape in tried:
                    return dict(zip(outputs, session.run(outputs, {given.name: data}), strict=True))
                with captured_lines(_RUNTIME_LINES):
                    found = session.run(outputs, {given.name: data})
            except Exception as error:  # ONNX Runtime's own exceptions share no other base
                raise InputError(
                    f"the graph cannot run on an input of shape {data.shape}; it declares {given} ({_in_short(error)})",
                    file=self.path,
                    remedy="Check input.size and input.layout of the specification, or export the model again",
                ) from error
            tried.add(data.shape)
            return dict(zip(outputs, found, strict=True))

        return run


def _in_short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:299]}…"
