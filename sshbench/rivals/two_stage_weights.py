"""Weights of the two-stage networks: the authors' `.caffemodel`, or random ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sshbench.errors import InputError
from sshbench.rivals.importing import caffe_parameters, check_parameters
from sshbench.rivals.two_stage_layers import NORM_SCALE, PREDICTORS, FasterRcnn
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.random_weights import random_parameters


def read_two_stage(path: Path, shape: FasterRcnn) -> dict[str, Float32Array]:
    """Read the authors' file: parameters by Caffe's names, views of the file where possible.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not a `.caffemodel`, or a parameter is missing, unknown, not finite or of a wrong shape.
    """
    remedy = "Give the authors' vgg16_faster_rcnn_iter_80000.caffemodel"
    if path.suffix != ".caffemodel":
        raise InputError("is not a .caffemodel", file=path, remedy=remedy)
    found = caffe_parameters(path, shape.shapes())
    check_parameters(found, shape.shapes(), path, remedy)
    return {name: found[name] for name in shape.shapes()}


def random_two_stage(shape: FasterRcnn, seed: int) -> Iterator[tuple[str, Float32Array]]:
    """Yield random parameters one after the other; the scales of L2 normalisation are where training starts."""
    norms = {f"{name}.weight" for name in shape.norms()}
    for name, array in random_parameters(shape.shapes(), seed, predictors=PREDICTORS):
        if name in norms:
            array.fill(NORM_SCALE)
        yield name, array
