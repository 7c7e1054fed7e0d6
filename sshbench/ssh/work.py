"""How much work SSH's network is."""

from __future__ import annotations

from sshbench.ssh.architecture import Architecture, Layer

_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


def work_of(architecture: Architecture, height: int, width: int, precision: str) -> tuple[float, float]:
    """Return the operations (two per multiplication and addition) and the bytes of one pass.

    Bytes are a lower bound: every parameter is read once, every feature map written once and read once.
    """
    operations = transferred = 0.0
    for layer in architecture.layers():
        rows, columns = feature_size(layer, height, width, architecture.stem)
        operations += 2.0 * layer.outputs * layer.inputs * layer.kernel**2 * rows * columns
        transferred += layer.outputs * (layer.inputs * layer.kernel**2 + 1) + 2.0 * layer.outputs * rows * columns
    return operations, transferred * _BYTES[precision]


def feature_size(layer: Layer, height: int, width: int, stem: int = 1) -> tuple[int, int]:
    """Return height and width of a layer's output for an input of this size.

    Pools, and a stem of stride 2, round up.
    """
    pools = {"m1": 3, "m2": 4, "m3": 5}.get(layer.name[:2])
    if pools is None:
        pools = 3 if layer.name == "conv4_fuse_final" else max(int(layer.name[4]), stem) - 1
    for _ in range(pools):
        height, width = -(-height // 2), -(-width // 2)
    return height, width
