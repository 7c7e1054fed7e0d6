"""Read the parameters of a `.caffemodel` without Caffe.

Field numbers: caffe.proto (NetParameter, LayerParameter, V1LayerParameter, BlobProto, BlobShape). Wire format: Protocol
Buffers documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sshbench.errors import InputError, MissingDataError
from sshbench.ssh.anchors import Float32Array

_NET_LAYER, _NET_LAYER_V1 = 100, 2
_NAME, _BLOBS = {_NET_LAYER: 1, _NET_LAYER_V1: 4}, {_NET_LAYER: 7, _NET_LAYER_V1: 6}
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width


def read_caffemodel(path: Path) -> dict[str, list[Float32Array]]:
    """Read the blobs of every layer that has any.

    Returns:
        By layer name, float32 arrays: weights, then bias; they may be read-only.

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is not a `.caffemodel`, or a blob's shape does not fit its data.
    """
    if not path.is_file():
        raise MissingDataError(f"there is no file {path}", remedy="Check the path")
    layers: dict[str, list[Float32Array]] = {}
    try:
        for number, kind, content in _fields(path.read_bytes()):
            if number in _NAME and kind == _BYTES:
                name, blobs = _layer(content, _NAME[number], _BLOBS[number])
                if blobs:
                    layers[name] = blobs
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"invalid .caffemodel ({error})", file=path, remedy="Get the file again") from error
    if not layers:
        raise InputError("no layer has parameters", file=path, remedy="Give the .caffemodel, not the .prototxt")
    return layers


def _layer(message: memoryview, name_field: int, blob_field: int) -> tuple[str, list[Float32Array]]:
    name, blobs = "", []
    for number, kind, content in _fields(message):
        if number == name_field and kind == _BYTES:
            name = bytes(content).decode()
        elif number == blob_field and kind == _BYTES:
            blobs.append(_blob(content))
    return name, blobs


def _blob(message: memoryview) -> Float32Array:
    shape: list[int] | None = None
    legacy = dict.fromkeys(_LEGACY_SHAPE, 1)
    parts: list[Float32Array] = []
    for number, kind, content in _fields(message):
        if number == _DATA and kind in (_BYTES, _FIXED32):  # packed, or one number at a time
            parts.append(np.frombuffer(content, dtype="<f4"))
        elif number == _DOUBLE_DATA:
            parts.append(np.frombuffer(content, dtype="<f8").astype(np.float32))
        elif number == _SHAPE and kind == _BYTES:
            shape = _dims(content)
        elif number in _LEGACY_SHAPE and kind == _VARINT:
            legacy[number] = _varint(content, 0)[0]
    # Of a single part no copy: it is a view of the file, which may be of hundreds of megabytes.
    data = parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, dtype=np.float32)])
    if shape is None:
        shape = list(legacy.values())
    if int(np.prod(shape)) != data.size:
        raise ValueError(f"a blob of shape {shape} holds {data.size} numbers")
    return data.reshape(shape)


def _dims(message: memoryview) -> list[int]:
    dims: list[int] = []
    for _, kind, content in _fields(message):
        if kind == _VARINT:
            dims.append(_varint(content, 0)[0])
        else:
            at = 0
            while at < len(content):
                value, at = _varint(content, at)
                dims.append(value)
    return dims


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield number, wire type and content of each field of a protobuf message.

    Raises:
        ValueError: The bytes are not a protobuf message, or are truncated.
    """
    view = memoryview(message)
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        kind = tag & 7
        begin = at
        if kind == _VARINT:
            _, at = _varint(view, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind == _BYTES:
            size, begin = _varint(view, at)
            at = begin + size
        else:
            raise ValueError("not a protobuf file")
        if at > len(view):
            raise ValueError("not a protobuf file, or truncated")
        yield tag >> 3, kind, view[begin:at]


def _varint(message: memoryview | bytes, at: int) -> tuple[int, int]:
    """Return a varint and the position after it.

    Raises:
        ValueError: The varint is truncated.
    """
    value, shift = 0, 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("not a protobuf file, or truncated")
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not message[at - 1] & 0x80:
            return value, at
