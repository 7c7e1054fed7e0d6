"""The little of HDF5 that a MATLAB 7.3 file of the WIDER collection needs, in numpy and zlib.

Such files hold a handful of small matrices in the root group, written by MATLAB or by a Python exporter in the oldest
HDF5 layout: superblock 0, groups as B-trees of symbol tables, version 1 object headers, data compact, contiguous or in
chunks with shuffle and deflate. That much is read here, so that nobody has to install an HDF5 library for it; whatever
else a file holds is refused by name, never guessed at.

Source: HDF5 File Format Specification, versions 1.0 to 2.0, The HDF Group.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_UNDEFINED = 0xFFFFFFFFFFFFFFFF
_MAX_BYTES = 1 << 28
"""No curve is larger than this; a header that says so is damaged, and must not take all memory."""

_DATASPACE, _DATATYPE, _LAYOUT, _FILTERS, _CONTINUATION, _GROUP = 0x1, 0x3, 0x8, 0xB, 0x10, 0x11
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3

Messages = dict[int, bytes]
Matrix = npt.NDArray[Any]


class UnreadableError(ValueError):
    """The bytes are no HDF5 of the layout that is read here."""


def read_matrices(content: bytes) -> dict[str, Matrix]:
    """Read every numeric matrix in the root group, in HDF5's order of dimensions (the reverse of MATLAB's).

    Args:
        content: The whole file.

    Returns:
        By name; members that are groups, empty or of another class (text, references) are left out.

    Raises:
        UnreadableError: It is no HDF5 file, it is damaged, or it uses a layout newer than MATLAB writes.
    """
    try:
        return _File(content).matrices()
    except (struct.error, IndexError, OverflowError, TypeError, ValueError, zlib.error, RecursionError) as error:
        raise UnreadableError(str(error) or type(error).__name__) from error


class _File:
    """The bytes of one file, with addresses counted from where HDF5 begins in it."""

    def __init__(self, content: bytes) -> None:
        # MATLAB puts 512 bytes of its own before the signature; the specification allows 0, 512, 1024, ...
        start, step = 0, 512
        while content[start : start + 8] != _SIGNATURE:
            start, step = (step, step * 2)
            if start >= len(content):
                raise UnreadableError("there is no HDF5 signature")
        self.data = memoryview(content)[start:]
        if self.data[8] != 0 or self.data[13:15].tobytes() != b"\x08\x08":
            raise UnreadableError(f"superblock version {self.data[8]} is not read, only 0 with 8-byte addresses")
        # Root group's symbol table entry: link name offset, object header address, cache type, ...
        self.root = self.unpack("<Q", 24 + 4 * 8 + 8)[0]

    def unpack(self, layout: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(layout, self.data, at)

    def slice(self, at: int, size: int) -> bytes:
        if at + size > len(self.data):
            raise UnreadableError("the file is cut short")
        return bytes(self.data[at : at + size])

    def matrices(self) -> dict[str, Matrix]:
        group = self.messages(self.root).get(_GROUP)
        if group is None:
            raise UnreadableError("the root group is no symbol table")
        tree, heap = struct.unpack_from("<QQ", group)
        names = self.unpack("<Q", heap + 24)[0]
        found: dict[str, Matrix] = {}
        for name_at, header in self.members(tree):
            end = bytes(self.data[names + name_at : names + name_at + 1024]).index(b"\0")
            matrix = self.matrix(self.messages(header))
            if matrix is not None:
                found[self.slice(names + name_at, end).decode("utf-8", "replace")] = matrix
        return found

    def members(self, node: int) -> Iterator[tuple[int, int]]:
        """Name offset and object header address of each member below a group's B-tree node."""
        if self.slice(node, 4) == b"SNOD":
            for entry in range(self.unpack("<H", node + 6)[0]):
                yield self.unpack("<QQ", node + 8 + 40 * entry)
            return
        for child in range(self.tree_entries(node, 0)):
            yield from self.members(self.unpack("<Q", node + 24 + 8 + 16 * child)[0])

    def tree_entries(self, node: int, kind: int) -> int:
        if self.slice(node, 4) != b"TREE" or self.data[node + 4] != kind:
            raise UnreadableError("a B-tree node is not where it should be")
        return int(self.unpack("<H", node + 6)[0])

    def messages(self, header: int) -> Messages:
        """The messages of a version 1 object header, by type; the first where a type comes twice."""
        if self.data[header] != 1:
            raise UnreadableError("object headers other than version 1 are not read")
        blocks = [(header + 16, self.unpack("<I", header + 8)[0])]
        found: Messages = {}
        for at, size in blocks:
            end = at + size
            while at + 8 <= end:
                kind, length = self.unpack("<HH", at)
                body = self.slice(at + 8, length)
                if kind == _CONTINUATION and len(blocks) < 64:
                    blocks.append(struct.unpack_from("<QQ", body))
                found.setdefault(kind, body)
                at += 8 + length
        return found

    def matrix(self, messages: Messages) -> Matrix | None:
        kind = _number_type(messages.get(_DATATYPE))
        space, layout = messages.get(_DATASPACE), messages.get(_LAYOUT)
        if kind is None or space is None or layout is None:
            return None
        shape = _shape(space)
        size = prod(shape) * kind.itemsize
        if not 0 < size <= _MAX_BYTES:
            return None
        if layout[0] != 3:
            raise UnreadableError(f"data layout version {layout[0]} is not read, only 3")
        if layout[1] == 0:
            raw = layout[4 : 4 + size]
        elif layout[1] == 1:
            raw = self.slice(struct.unpack_from("<Q", layout, 2)[0], size)
        else:
            return self.chunked(layout, shape, kind, _filters(messages.get(_FILTERS)))
        return np.frombuffer(raw, kind).reshape(shape)

    def chunked(self, layout: bytes, shape: tuple[int, ...], kind: np.dtype[Any], filters: list[int]) -> Matrix:
        rank = layout[2] - 1
        tree = struct.unpack_from("<Q", layout, 3)[0]
        chunk = struct.unpack_from(f"<{rank}I", layout, 11)
        matrix = np.zeros(shape, kind)
        if rank != len(shape) or prod(chunk) * kind.itemsize > _MAX_BYTES:
            raise UnreadableError("chunks do not fit the matrix")
        for at, size, skipped, address in self.chunks(tree, rank) if tree != _UNDEFINED else ():
            raw = self.slice(address, size)
            # Filters were applied first to last on writing; a bit in the mask says which were skipped.
            for i, name in reversed(list(enumerate(filters))):
                if skipped >> i & 1:
                    continue
                if name == _DEFLATE:
                    raw = zlib.decompressobj().decompress(raw, _MAX_BYTES)
                elif name == _SHUFFLE:
                    raw = np.frombuffer(raw, np.uint8).reshape(kind.itemsize, -1).T.tobytes()
                elif name == _CHECKSUM:
                    raw = raw[:-4]
                else:
                    raise UnreadableError(f"filter {name} is not read")
            block = np.frombuffer(raw, kind).reshape(chunk)
            target = tuple(slice(a, min(a + c, s)) for a, c, s in zip(at, chunk, shape, strict=True))
            matrix[target] = block[tuple(slice(0, t.stop - t.start) for t in target)]
        return matrix

    def chunks(self, node: int, rank: int) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
        """Offset, stored size, mask of skipped filters and address of each chunk below a B-tree node."""
        entries, level = self.tree_entries(node, 1), self.data[node + 5]
        key = 8 + 8 * (rank + 1)
        for entry in range(entries):
            at = node + 24 + entry * (key + 8)
            size, skipped, *offsets = self.unpack(f"<II{rank}Q", at)
            address = self.unpack("<Q", at + key)[0]
            if level:
                yield from self.chunks(address, rank)
            else:
                yield tuple(offsets), size, skipped, address


def _number_type(message: bytes | None) -> np.dtype[Any] | None:
    """The numpy type of an integer or IEEE float; None for other classes (text, references)."""
    if message is None:
        return None
    order = ">" if message[1] & 1 else "<"
    size = struct.unpack_from("<I", message, 4)[0]
    if message[0] & 15 == 0 and size in (1, 2, 4, 8):
        return np.dtype(f"{order}{'i' if message[1] & 8 else 'u'}{size}")
    if message[0] & 15 == 1 and size in (4, 8):
        return np.dtype(f"{order}f{size}")
    return None


def _shape(message: bytes) -> tuple[int, ...]:
    header = {1: 8, 2: 4}.get(message[0])
    if header is None:
        raise UnreadableError(f"dataspace version {message[0]} is not read")
    return struct.unpack_from(f"<{message[1]}Q", message, header)


def _filters(message: bytes | None) -> list[int]:
    """Numbers of the filters a dataset was written through, in the order of writing."""
    if message is None:
        return []
    if message[0] != 1:
        raise UnreadableError(f"filter pipeline version {message[0]} is not read")
    found, at = [], 8
    for _ in range(message[1]):
        number, name, _flags, values = struct.unpack_from("<4H", message, at)
        found.append(number)
        at += 8 + (name + 7) // 8 * 8 + 4 * (values + values % 2)
    return found
