"""An exported PyTorch program, or a TorchScript file, as a detector."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sshbench.detectors.graphs.facts import GraphFacts, TensorFacts
from sshbench.detectors.graphs.graph import GraphDetector, Network
from sshbench.detectors.graphs.inputs import InputArray
from sshbench.detectors.graphs.seen import Array
from sshbench.errors import InputError, MissingDataError, UsageError, shorten
from sshbench.files import sha256_of
from sshbench.records import Finding

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_REMEDY = "Save the model with torch.export.save(torch.export.export(model, (image,)), 'model.pt2')"


class ExportedGraph(GraphDetector):
    """A detector made of a file by `torch.export.save`, or of a TorchScript file, on the CPU.

    Its outputs are named by the keys of the dictionary that the model returns, or `output0`, `output1` and so on.

    Args:
        path: The file, with one input of images.
        spec: What goes in and what comes out: a specification, or the path of its TOML file; None: guess it.
        settings: Settings; default: those of the specification.

    Raises:
        UsageError: PyTorch is not installed.
        MissingDataError: A file is not there.
        InputError: The file is no program, the specification is invalid or contradicts it, or none can be guessed.

    >>> import tempfile, numpy as np, torch
    >>> import sshbench
    >>> class WholeImage(torch.nn.Module):
    ...     def forward(self, image):
    ...         return {"boxes": torch.tensor([[0.0, 0.0, 1.0, 1.0]]), "scores": image.mean().reshape(1)}
    >>> program = torch.export.export(WholeImage(), (torch.zeros(1, 3, 64, 64),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.export.save(program, f"{folder}/whole.pt2")
    ...     detector = sshbench.ExportedGraph(f"{folder}/whole.pt2")
    ...     found = sshbench.detect(detector, np.full((64, 64, 3), 255, dtype=np.uint8))
    >>> detector.spec.output.units, found.boxes.tolist()
    ('normalised', [[0.0, 0.0, 64.0, 64.0]])
    """

    prefix = "export"

    @property
    def findings(self) -> list[Finding]:
        """What a result must say of the file and its specification."""
        if self._kind == "export":
            return super().findings
        text = f"{self.path.name} is TorchScript, which PyTorch will drop; export the model with torch.export"
        return [Finding("torchscript", text), *super().findings]

    def _read_facts(self) -> GraphFacts:
        try:
            import torch  # noqa: F401
        except ImportError as error:
            text = f"{self.path.name} needs torch"
            raise UsageError(text, remedy="pip install 'sshbench[ssh]', or export the model to ONNX") from error
        if not self.path.is_file():
            raise MissingDataError(f"there is no file {self.path}", remedy="Check the path behind export:")
        self._kind = _kind_of(self.path)
        inputs = _declared(_read_program(self.path)) if self._kind == "export" else _UNKNOWN
        return GraphFacts(self.path, sha256_of(self.path), inputs, (), self.path.stat().st_size)

    def _open(self, names: tuple[str, ...], *, free: bool) -> Network:
        import torch

        if free:
            text = f"the program takes {self.facts.inputs[0]} and no other size"
            raise InputError(text, file=self.path, remedy="Change input.size, or export it with dynamic_shapes")
        model: Callable[..., Any]
        model = _read_program(self.path).module() if self._kind == "export" else _read_script(self.path)

        def run(data: InputArray) -> Mapping[str, Array]:
            try:
                with torch.inference_mode():
                    found = model(torch.from_numpy(data))
            except Exception as error:  # whatever the program's operators raise
                text = f"the program cannot run on an input of shape {data.shape}"
                cause = shorten(" ".join(str(error).split()), 300)
                remedy = "Check input.size and input.layout of the specification, or export the model again"
                raise InputError(f"{text} ({cause})", file=self.path, remedy=remedy) from error
            return named_outputs(found)

        return run


_UNKNOWN = (TensorFacts("image", None),)  # TorchScript does not say what it takes


def named_outputs(found: object) -> dict[str, Array]:
    """Return what a program returned as arrays by name; what is no tensor is left out.

    >>> import torch
    >>> sorted(named_outputs([torch.zeros(1), torch.zeros(2)]))
    ['output0', 'output1']
    >>> sorted(named_outputs([{"boxes": torch.zeros(2, 4)}]))
    ['boxes']
    """
    import torch

    if isinstance(found, (list, tuple)) and len(found) == 1 and isinstance(found[0], dict):
        found = found[0]  # TorchVision's list with a dictionary per image
    if isinstance(found, dict):
        named = {str(name): one for name, one in found.items()}
    else:
        flat = _flat(found) if isinstance(found, (list, tuple)) else [found]
        named = {f"output{i}": one for i, one in enumerate(flat)}
    return {
        name: np.asarray(one.float().numpy() if one.is_floating_point() else one.numpy())
        for name, one in named.items()
        if isinstance(one, torch.Tensor)
    }


def _flat(found: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [one for part in found for one in (_flat(part) if isinstance(part, (list, tuple)) else [part])]


def _kind_of(path: Path) -> Literal["export", "script"]:
    """Tell a program by torch.export from TorchScript.

    Raises:
        InputError: It is neither.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        text = f"neither a program by torch.export nor TorchScript ({error})"
        raise InputError(text, file=path, remedy=_REMEDY) from error
    parts = {part for name in names for part in name.split("/")[:2]}
    if "archive_format" in parts or "serialized_exported_program.json" in parts:
        return "export"
    if "code" in parts:
        return "script"
    text = "neither a program by torch.export nor TorchScript: weights without a graph, perhaps"
    raise InputError(text, file=path, remedy=_REMEDY)


def _read_program(path: Path) -> ExportedProgram:
    import torch

    try:
        return torch.export.load(path)
    except Exception as error:  # whatever its readers raise
        text = f"PyTorch cannot read the program ({shorten(' '.join(str(error).split()), 300)})"
        raise InputError(text, file=path, remedy="Export it again with this version of PyTorch") from error


def _read_script(path: Path) -> Callable[..., Any]:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the detector's findings say so
            script: Callable[..., Any] = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever its readers raise
        text = f"PyTorch cannot read the TorchScript file ({shorten(' '.join(str(error).split()), 300)})"
        raise InputError(text, file=path, remedy=_REMEDY) from error
    return script


def _declared(program: ExportedProgram) -> tuple[TensorFacts, ...]:
    """Return the inputs of a program; sides that may change are None."""
    names = program.graph_signature.user_inputs
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.name in names}
    return tuple(
        TensorFacts(
            str(name),
            tuple(side if isinstance(side, int) else None for side in value.shape),
            str(value.dtype).removeprefix("torch."),
        )
        for name, value in values.items()
        if hasattr(value, "shape")
    )
