"""Weights files of HR: safetensors with the graph, the mean and the templates in the metadata.

Nothing here needs torch. Parameters have the names of the imported file and PyTorch's layouts; batch normalisations are
kept as they are, and folded when a network is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sshbench.errors import InputError
from sshbench.files import write_atomic
from sshbench.models import StrictModel
from sshbench.records import FloatArray
from sshbench.rivals.hr_graph import Graph
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.weights import check_shapes, in_order, read_safetensors

FORMAT = "sshbench-hr-1"
_REMEDY = "`sshbench weights import hr_res101.mat -o FILE` makes one from the authors' file"


class HrDescription(StrictModel):
    """The field `network` of a weights file's metadata, as JSON.

    Attributes:
        graph: The layers.
        mean: Of red, green and blue, 0 to 255.
        templates: x1, y1, x2, y2 from the cell's centre and scale, one row per class logit.
    """

    graph: Graph
    mean: tuple[float, float, float]
    templates: tuple[tuple[float, float, float, float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class HrWeights:
    """An HR network with its parameters.

    Attributes:
        graph: The layers.
        parameters: By name, float32 arrays in PyTorch's layouts.
        mean: Of red, green and blue, 0 to 255.
        templates: float64 (25, 5), x1, y1, x2, y2 from the cell's centre and scale.
        metadata: Free text by name.
    """

    graph: Graph
    parameters: Mapping[str, Float32Array]
    mean: tuple[float, float, float]
    templates: FloatArray
    metadata: Mapping[str, str]


def save_hr_weights(path: Path, weights: HrWeights) -> None:
    """Write a weights file, atomically.

    Raises:
        InputError: A parameter is missing, unknown, not finite or has a wrong shape; the message names it.
    """
    _check(weights, path)
    network = HrDescription(graph=weights.graph, mean=weights.mean, templates=weights.templates.tolist())
    metadata = {**weights.metadata, "format": FORMAT, "network": network.model_dump_json()}
    write_atomic(path, in_order(save(dict(sorted(weights.parameters.items())), metadata)))


def is_hr_file(path: Path) -> bool:
    """Return whether a file is a weights file of HR, by its metadata."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def load_hr_weights(path: Path) -> HrWeights:
    """Read a weights file.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not a weights file of HR; the message names what is invalid.
    """
    parameters, metadata = read_safetensors(path, _REMEDY)
    if metadata.get("format") != FORMAT:
        found = metadata.get("format")
        raise InputError("is not a weights file of HR", file=path, field="format", value=found, remedy=_REMEDY)
    try:
        network = HrDescription.model_validate_json(metadata.get("network", ""))
    except ValidationError as error:
        text = error.errors()[0]["msg"]
        raise InputError(f"does not describe a network ({text})", file=path, field="network", remedy=_REMEDY) from error
    own = {name: text for name, text in metadata.items() if name not in ("format", "network")}
    templates = np.array(network.templates, dtype=np.float64)
    weights = HrWeights(network.graph, parameters, network.mean, templates, own)
    _check(weights, path)
    return weights


def _check(weights: HrWeights, path: Path) -> None:
    check_shapes(weights.parameters, weights.graph.parameter_shapes(), path, _REMEDY)
    channels = 5 * len(weights.templates)
    if weights.graph.shapes(64, 64)[weights.graph.output][0] != channels:
        raise InputError(f"must have {channels} channels", file=path, field=weights.graph.output, remedy=_REMEDY)
