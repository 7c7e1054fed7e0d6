"""What a graph declares of its input, and what its maker noted in its metadata."""

from __future__ import annotations

import ast

import numpy as np

from sshbench.detectors.graphs.facts import GraphFacts, TensorFacts
from sshbench.detectors.graphs.inputs import InputArray
from sshbench.detectors.graphs.spec import InputSpec
from sshbench.errors import InputError


def input_of(facts: GraphFacts) -> tuple[InputSpec, dict[str, str]]:
    """Return what a graph says of its input, and reasons by field.

    Raises:
        InputError: It has not one input that is a batch of images with three channels.
    """
    if len(facts.inputs) != 1:
        raise InputError(
            f"the graph takes {len(facts.inputs)} inputs, but a detector of one image takes one; {facts.listed()}",
            file=facts.path,
            remedy="Export the model with the image as its only input",
        )
    tensor = facts.inputs[0]
    shape = (None, 3, None, None) if tensor.shape is None else tensor.shape
    layout = layout_of(facts, tensor)
    sides = shape[2:] if layout == "NCHW" else shape[1:3]
    height, width = sides
    fixed = None if height is None or width is None else (width, height)
    dtype = dtype_of(facts, tensor)
    reasons = {} if tensor.shape is not None else {"input.layout": "not visible in this file"}
    return InputSpec.model_validate(
        {"name": tensor.name, "size": fixed or "dynamic", "layout": layout, "dtype": dtype}
    ), reasons


def layout_of(facts: GraphFacts, tensor: TensorFacts) -> str:
    """Return the order of the axes of an input.

    Raises:
        InputError: It is no batch of images with three channels.
    """
    shape = (None, 3, None, None) if tensor.shape is None else tensor.shape
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        return "NCHW" if shape[1] == 3 else "NHWC"
    if len(shape) == 4 and shape[1] is None and shape[3] is None:
        return "NCHW"
    raise InputError(
        f"the input is no batch of images with three channels: {tensor}",
        file=facts.path,
        remedy="Export the model with an input (1, 3, height, width) or (1, height, width, 3)",
    )


def dtype_of(facts: GraphFacts, tensor: TensorFacts) -> str:
    """Return the type of the numbers of an input.

    Raises:
        InputError: No image can be given as such numbers.
    """
    dtype = tensor.dtype or "float32"
    if dtype not in ("float32", "float16", "uint8"):
        raise InputError(
            f"the input has numbers of type {dtype}: {tensor}",
            file=facts.path,
            remedy="Export the model with an input of float32, float16 or uint8",
        )
    return dtype


def noise(spec: InputSpec, width: int, height: int) -> InputArray:
    """Return an input of noise, the same at every call: pixels for uint8, else numbers from 0 to 1."""
    generator = np.random.default_rng(0)
    shape = (1, 3, height, width) if spec.layout == "NCHW" else (1, height, width, 3)
    if spec.dtype == "uint8":
        return generator.integers(0, 256, shape, dtype=np.uint8)
    values = generator.random(shape, dtype=np.float32)
    return values.astype(np.float16) if spec.dtype == "float16" else values


def image_size(facts: GraphFacts) -> list[tuple[int, int]]:
    """Return the size that Ultralytics' metadata names, width before height; empty without it."""
    value = _literal(facts.metadata.get("imgsz", ""))
    if isinstance(value, int):
        value = [value, value]
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(one, int) and one > 0 for one in value):
        return [(value[1], value[0])]
    return []


def class_names(facts: GraphFacts) -> dict[int, str]:
    """Return the names of classes in Ultralytics' metadata, by number."""
    value = _literal(facts.metadata.get("names", ""))
    if isinstance(value, list):
        value = dict(enumerate(value))
    return {int(key): str(name) for key, name in value.items()} if isinstance(value, dict) else {}


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
