"""SSH as Caffe files, written from its description: a prototxt without Python layers, and a `.caffemodel`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sshbench.ssh.architecture import MODULES, Architecture
from sshbench.ssh.weights import Weights


def prototxt(architecture: Architecture, height: int, width: int) -> str:
    lines = [f'name: "SSH" input: "data" input_shape {{ dim: 1 dim: 3 dim: {height} dim: {width} }}']

    def layer(kind: str, name: str, bottoms: list[str], top: str, parameters: str = "") -> str:
        inputs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        lines.append(f'layer {{ name: "{name}" type: "{kind}" {inputs} top: "{top}" {parameters} }}')
        return top

    def convolution(name: str, bottom: str) -> str:
        spec = next(layer for layer in architecture.layers() if layer.caffe == name)
        numbers = f"num_output: {spec.outputs} kernel_size: {spec.kernel} pad: {spec.kernel // 2}"
        return layer("Convolution", name, [bottom], f"{name}_out", f"convolution_param {{ {numbers} }}")

    def relu(bottom: str) -> str:
        return layer("ReLU", f"{bottom}_relu", [bottom], bottom)

    def pool(name: str, bottom: str) -> str:
        return layer("Pooling", name, [bottom], name, "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")

    top, features = "data", []
    for stage, widths in enumerate(architecture.trunk, start=1):
        top = pool(f"pool{stage - 1}", top) if stage > 1 else top
        for position in range(1, len(widths) + 1):
            top = relu(convolution(f"conv{stage}_{position}", top))
        features.append(top)
    fourth, fifth = features[3], features[4]
    lateral = relu(convolution("conv4_128", fourth))
    context = relu(convolution("conv5_128", fifth))
    channels = architecture.lateral
    numbers = f"num_output: {channels} group: {channels} kernel_size: 4 stride: 2 pad: 1 bias_term: false"
    up = layer("Deconvolution", "conv5_128_up", [context], "up", f"convolution_param {{ {numbers} }}")
    crop = layer("Crop", "conv5_128_crop", [up, lateral], "crop", "crop_param { axis: 2 offset: 0 }")
    fuse = layer("Eltwise", "conv4_fuse", [crop, lateral], "fuse", "eltwise_param { operation: SUM }")
    first = relu(convolution("conv4_fuse_final", fuse))
    for module, bottom in zip(MODULES, (first, fifth, pool("pool6", fifth)), strict=True):
        dimred = relu(convolution(f"{module}@ssh_dimred", bottom))
        far = relu(convolution(f"{module}@ssh_7x7-1", dimred))
        branches = [convolution(f"{module}@ssh_3x3", bottom), convolution(f"{module}@ssh_5x5", dimred)]
        branches.append(convolution(f"{module}@ssh_7x7", far))
        joined = layer("Concat", f"{module}@ssh_output", branches, f"{module}_output", "concat_param { axis: 1 }")
        relu(joined)
        for kind in ("cls_score", "bbox_pred"):
            convolution(f"{module}@ssh_{kind}", joined)
    return "\n".join(lines)


def caffemodel(weights: Weights, replaced: Mapping[str, list[np.ndarray]] | None = None) -> bytes:
    """The layers as LayerParameter messages; `replaced` gives other blobs for layers by their Caffe name."""
    parts = []
    for layer in weights.architecture.layers():
        blobs = [weights.parameters[f"{layer.name}.{part}"] for part in ("weight", "bias")]
        parts.append(layer_message(layer.caffe, (replaced or {}).get(layer.caffe, blobs)))
    line = np.array([0.25, 0.75, 0.75, 0.25], dtype=np.float32)
    bilinear = np.tile(np.outer(line, line), (weights.architecture.lateral, 1, 1, 1))
    parts.append(layer_message("conv5_128_up", [bilinear], "Deconvolution"))
    return b"".join(parts)


def layer_message(name: str, blobs: list[np.ndarray], kind: str = "Convolution") -> bytes:
    content = field(1, name) + field(2, kind)
    for blob in blobs:
        shape = b"".join(field(1, int(size)) for size in blob.shape)
        content += field(7, field(7, shape) + field(5, blob.astype("<f4").tobytes()))
    return field(100, content)


def write(folder: Path, weights: Weights, height: int, width: int) -> tuple[Path, Path]:
    (folder / "net.prototxt").write_text(prototxt(weights.architecture, height, width))
    (folder / "net.caffemodel").write_bytes(caffemodel(weights))
    return folder / "net.prototxt", folder / "net.caffemodel"


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, content: bytes | str | int) -> bytes:
    """Return a protobuf field: a number as a varint, text and bytes length-delimited."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(raw)) + raw
