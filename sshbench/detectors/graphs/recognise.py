"""Recognise the family of a network's outputs by the shapes and values of a trial, and by their names."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np

from sshbench.detectors.graphs.recognise_boxes import one_table, two_tables
from sshbench.detectors.graphs.recognised import Recognised, named
from sshbench.detectors.graphs.seen import Seen, are_probabilities


def recognise(seen: Seen) -> Recognised | None:
    """Return the family of a network's outputs; None where they look like none.

    >>> columns = np.zeros((1, 5, 8400), dtype=np.float32)
    >>> recognise(Seen({"output0": columns}, 640, 640)).output["family"]
    'yolov8'
    """
    for attempt in (heat_maps, levels, two_tables, one_table):
        found = attempt(seen)
        if found is not None:
            return found
    return None


def heat_maps(seen: Seen) -> Recognised | None:
    """Recognise CenterFace and CenterNet: maps of one size, one of 1 channel and two of 2."""
    maps = seen.maps()
    heats = [name for name, (channels, _, _) in maps.items() if channels == 1]
    pairs = [name for name, (channels, _, _) in maps.items() if channels == 2]
    if len(heats) != 1 or len(pairs) < 2 or len({size[1:] for size in maps.values()}) > 1:
        return None
    _, rows, columns = maps[heats[0]]
    if seen.height % rows or seen.height // rows * columns != seen.width:
        return None
    offsets = named(pairs, "off", "reg") or pairs[1]
    others = [name for name in pairs if name != offsets]
    sides = named(others, "wh", "size", "scale") or others[0]
    direct = "wh" in sides.lower()
    output = {
        "family": "centernet",
        "heat": heats[0],
        "sides": sides,
        "offsets": offsets,
        "stride": seen.height // rows,
        "sigmoid": not are_probabilities(np.asarray(seen.outputs[heats[0]])),
        **({"order": "xy", "log_sides": False, "centre": 0.0, "peaks": True} if direct else {}),
    }
    kind = "CenterNet's wh, in cells, x first" if direct else "CenterFace's: logarithms, y first"
    return Recognised(
        output,
        f"three maps of {rows} x {columns} cells with 1, 2 and 2 channels",
        "centernet",
        {"sides": f"by name or order of the outputs; taken as {kind}"},
    )


def levels(seen: Seen) -> Recognised | None:
    """Recognise YuNet and SCRFD: at each stride, scores with one column and boxes with four."""
    sizes = seen.tables()
    groups = _groups(sizes) if sizes else _groups_of_maps(seen)
    if len(groups) < 2:
        return None
    kinds = {tuple(sorted(columns for _, columns in group if columns < 10)) for _, group in groups}
    if kinds == {(1, 1, 4)}:
        return _yunet(seen, groups)
    return _scrfd(seen, groups) if kinds == {(1, 4)} else None


_Groups = list[tuple[int, list[tuple[str, int]]]]  # by number of rows, most first: names and columns


def _groups(sizes: dict[str, tuple[int, int]]) -> _Groups:
    ordered = sorted(sizes.items(), key=lambda item: -item[1][0])
    found = groupby(ordered, key=lambda item: item[1][0])
    return [(count, [(name, size[1]) for name, size in members]) for count, members in found]


def _groups_of_maps(seen: Seen) -> _Groups:
    """Return maps (1, anchors * columns, h, w) as tables; the smallest number of channels is that of the anchors."""
    maps = seen.maps()
    if len(maps) < len(seen.outputs):
        return []
    sizes = {}
    for name, (channels, rows, columns) in maps.items():
        anchors = min(other[0] for other in maps.values() if other[1:] == (rows, columns))
        sizes[name] = (rows * columns * anchors, channels // anchors)
    return _groups(sizes)


def _yunet(seen: Seen, groups: _Groups) -> Recognised | None:
    strides = [seen.stride_of(count) for count, _ in groups]
    if None in strides:
        return None
    cls, obj, boxes = [], [], []
    for _, group in groups:
        scores = [name for name, columns in group if columns == 1]
        objectness = named(scores, "obj") or scores[1]
        cls.append(next(name for name in scores if name != objectness))
        obj.append(objectness)
        boxes.append(next(name for name, columns in group if columns == 4))
    output: dict[str, Any] = {"family": "yunet", "strides": strides, "cls": cls, "obj": obj, "boxes": boxes}
    output["sigmoid"] = not all(are_probabilities(np.asarray(seen.outputs[name])) for name in (*cls, *obj))
    return Recognised(output, f"at strides {_listed(strides)}, two outputs of 1 column and one of 4", "yunet")


def _scrfd(seen: Seen, groups: _Groups) -> Recognised | None:
    for anchors in (2, 1, 3):
        strides = [seen.stride_of(count, anchors) for count, _ in groups]
        if None not in strides:
            break
    else:
        return None
    scores = [next(name for name, columns in group if columns == 1) for _, group in groups]
    boxes = [next(name for name, columns in group if columns == 4) for _, group in groups]
    output: dict[str, Any] = {"family": "scrfd", "strides": strides, "scores": scores, "boxes": boxes}
    output["anchors"] = anchors
    output["sigmoid"] = not all(are_probabilities(np.asarray(seen.outputs[name])) for name in scores)
    why = f"at strides {_listed(strides)} with {anchors} rows per cell, one output of 1 column and one of 4"
    return Recognised(output, why, "scrfd")


def _listed(strides: list[int | None]) -> str:
    return ", ".join(map(str, strides))
