"""Free the fixed height and width of an ONNX model's input, without the onnx package.

Some published models declare 640 x 640 although their graph works at any size; ONNX Runtime refuses other sizes. The
declaration is a few bytes of protobuf: they are rewritten in memory, and what was inferred from them is dropped.

Field numbers: onnx.proto3 (ModelProto, GraphProto, ValueInfoProto, TypeProto, TensorShapeProto).
"""

from __future__ import annotations

from collections.abc import Callable

from sshbench.protobuf import BYTES, field, fields

_MODEL_GRAPH = 7
_GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO = 11, 12, 13
_INFO_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE, _SHAPE_DIM = 2, 1, 2, 1
_DIM_PARAM = 2


def free_spatial_dims(model: bytes, *, batch: bool = False) -> bytes:
    """Return the model with symbolic sizes: input (N, C, H, W) gets H and W free, outputs lose their declared shape.

    Args:
        model: An ONNX file's content.
        batch: Free N as well.

    Raises:
        ValueError: The bytes are no protobuf.
    """
    kept = {1} if batch else {0, 1}
    return _edit(model, {_MODEL_GRAPH: lambda graph: _graph(graph, kept)})


def _graph(graph: bytes, kept: set[int]) -> bytes:
    def path(leaf: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        return lambda info: _edit(
            info, {_INFO_TYPE: lambda t: _edit(t, {_TYPE_TENSOR: lambda x: _edit(x, {_TENSOR_SHAPE: leaf})})}
        )

    # value_info repeats the fixed sizes of all inner tensors: without it, the runtime infers them again.
    return _edit(
        graph,
        {
            _GRAPH_INPUT: path(_free_but(kept)),
            _GRAPH_OUTPUT: path(_free_but({0} & kept)),
            _GRAPH_VALUE_INFO: lambda _: None,
        },
    )


def _free_but(kept: set[int]) -> Callable[[bytes], bytes]:
    """A function that makes the dimensions of a shape symbolic, but for those at the positions `kept`."""

    def rewrite(shape: bytes) -> bytes:
        count = iter(range(len(shape)))
        return _edit(shape, {_SHAPE_DIM: lambda dim: dim if (i := next(count)) in kept else _symbol(f"d{i}")})

    return rewrite


def _symbol(name: str) -> bytes:
    return field(_DIM_PARAM, name)


def _edit(message: bytes, rewrites: dict[int, Callable[[bytes], bytes | None]]) -> bytes:
    """Rewrite the length-delimited fields named; a rewrite to None drops the field."""
    parts: list[bytes] = []
    for number, kind, raw, content in fields(message):
        if kind == BYTES and number in rewrites:
            changed = rewrites[number](bytes(content))
            if changed is not None:
                parts.append(field(number, changed))
        else:
            parts.append(bytes(raw))
    return b"".join(parts)
