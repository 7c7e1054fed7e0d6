"""Parameters out of a `.caffemodel`, without Caffe.

Field numbers: caffe.proto (NetParameter, LayerParameter, V1LayerParameter, BlobProto, BlobShape).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sshbench.errors import InputError, MissingDataError
from sshbench.protobuf import BYTES, FIXED32, VARINT, fields, read_varint
from sshbench.ssh.anchors import Float32Array

_NET_LAYER, _NET_LAYER_V1 = 100, 2
_NAME, _BLOBS = {_NET_LAYER: 1, _NET_LAYER_V1: 4}, {_NET_LAYER: 7, _NET_LAYER_V1: 6}
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
_LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width


def read_caffemodel(path: Path) -> dict[str, list[Float32Array]]:
    """Blobs of every layer that has some, by layer name: float32 arrays (weights, then bias).

    Raises:
        MissingDataError: There is no such file.
        InputError: The file is no `.caffemodel`, or a blob's shape does not fit its data.
    """
    if not path.is_file():
        raise MissingDataError(f"there is no file {path}", remedy="Check the path")
    layers: dict[str, list[Float32Array]] = {}
    try:
        for number, kind, _, content in fields(path.read_bytes()):
            if number in _NAME and kind == BYTES:
                name, blobs = _layer(content, _NAME[number], _BLOBS[number])
                if blobs:
                    layers[name] = blobs
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"is no .caffemodel ({error})", file=path, remedy="Get the file again") from error
    if not layers:
        raise InputError("holds no layer with parameters", file=path, remedy="Give the .caffemodel, not the .prototxt")
    return layers


def _layer(message: memoryview, name_field: int, blob_field: int) -> tuple[str, list[Float32Array]]:
    name, blobs = "", []
    for number, kind, _, content in fields(message):
        if number == name_field and kind == BYTES:
            name = bytes(content).decode()
        elif number == blob_field and kind == BYTES:
            blobs.append(_blob(content))
    return name, blobs


def _blob(message: memoryview) -> Float32Array:
    shape: list[int] | None = None
    legacy = dict.fromkeys(_LEGACY_SHAPE, 1)
    parts: list[Float32Array] = []
    for number, kind, _, content in fields(message):
        if number == _DATA and kind in (BYTES, FIXED32):  # packed, or one number at a time
            parts.append(np.frombuffer(content, dtype="<f4"))
        elif number == _DOUBLE_DATA:
            parts.append(np.frombuffer(content, dtype="<f8").astype(np.float32))
        elif number == _SHAPE and kind == BYTES:
            shape = _dims(content)
        elif number in _LEGACY_SHAPE and kind == VARINT:
            legacy[number] = read_varint(content, 0)[0]
    data = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
    if shape is None:
        shape = list(legacy.values())
    if int(np.prod(shape)) != data.size:
        raise ValueError(f"a blob of shape {shape} holds {data.size} numbers")
    return data.reshape(shape)


def _dims(message: memoryview) -> list[int]:
    dims: list[int] = []
    for _, kind, _, content in fields(message):
        if kind == VARINT:
            dims.append(read_varint(content, 0)[0])
        else:
            at = 0
            while at < len(content):
                value, at = read_varint(content, at)
                dims.append(value)
    return dims
