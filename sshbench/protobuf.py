"""Protobuf's wire format, as far as model files need it: fields in, fields out.

Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int, memoryview, memoryview]]:
    """Field number, wire type, raw bytes, and content: the payload of length-delimited and fixed-size fields.

    Raises:
        ValueError: The bytes are no protobuf, or cut short.
    """
    view = memoryview(message)
    at = 0
    while at < len(view):
        start = at
        tag, at = read_varint(view, at)
        kind = tag & 7
        begin = at
        if kind == VARINT:
            _, at = read_varint(view, at)
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind == BYTES:
            size, begin = read_varint(view, at)
            at = begin + size
        else:
            raise ValueError("not a protobuf file")
        if at > len(view):
            raise ValueError("not a protobuf file, or cut short")
        yield tag >> 3, kind, view[start:at], view[begin:at]


def read_varint(message: memoryview | bytes, at: int) -> tuple[int, int]:
    """A varint and the position after it.

    Raises:
        ValueError: It does not end.
    """
    value, shift = 0, 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("not a protobuf file, or cut short")
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not message[at - 1] & 0x80:
            return value, at


def varint(value: int) -> bytes:
    """A number as a varint; negative ones as 64-bit two's complement.

    >>> varint(300).hex()
    'ac02'
    """
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, content: bytes | str | int) -> bytes:
    """A field: a number as varint, text and bytes length-delimited."""
    if isinstance(content, int):
        return varint(number << 3 | VARINT) + varint(content)
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | BYTES) + varint(len(raw)) + raw
