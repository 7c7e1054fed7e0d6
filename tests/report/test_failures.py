"""The page of failures: which items, how many bytes, and a page that names from files cannot break."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sshbench.analysis.error_types import FALSE_TYPES, REASON_NAMES, TYPE_NAMES
from sshbench.datasets import Dataset
from sshbench.evaluation.api import evaluate
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluation.result import Evaluation
from sshbench.protocols import load_protocol
from sshbench.records import FaceSet, offsets_of
from sshbench.report.build import build_report
from sshbench.report.failures.data import dumps
from sshbench.report.failures.items import KINDS, MISSED, Item, items_of, ranked_images
from sshbench.report.failures.page import write_failures
from sshbench.report.failures.sprites import cut, sheets, square_around
from sshbench.report.failures.view import RunView

ROOT = Path(__file__).parents[2]
NASTY = "</script><img src=x onerror=alert(1)>&\"'\u2028\u202e\x00é"

# Faces of the small set, by image: x, y, w, h. The last one is ignored.
FACES = {
    "1--one/a": [(10, 10, 40, 40), (100, 10, 40, 40), (200, 10, 40, 40), (300, 10, 40, 40), (500, 10, 90, 90)],
    "1--one/b": [(10, 10, 40, 40), (22, 10, 40, 40), (200, 100, 60, 60)],
    "2--two/c": [(50, 50, 80, 80), (300, 300, 60, 60)],
}
IGNORED = 9
FOUND = {
    "1--one/a": [
        (10, 10, 40, 40, 0.9),  # right
        (14, 10, 40, 40, 0.8),  # duplicate of it
        (120, 10, 40, 40, 0.7),  # near the second face: badly placed
        (200, 10, 40, 40, 0.1),  # would find the third face, but scores low
        (320, 10, 40, 40, 0.1),  # near the fourth face, and scores low
        (400, 200, 30, 30, 0.95),  # background
        (10, 300, 30, 30, 0.3),  # background
        (500, 10, 90, 80, 0.92),  # right
    ],
    "1--one/b": [
        (12, 10, 40, 40, 0.96),  # overlaps two faces and finds the first, which it is nearer to
        (400, 300, 50, 50, 0.2),  # background
    ],
    "2--two/c": [
        (50, 50, 80, 75, 0.97),  # right
        (340, 300, 60, 60, 0.6),  # near the ignored face
    ],
}
"""x, y, w, h, score. Best F1 is at 0.9, or at least above 0.1."""


def small(found: Mapping[str, Sequence[Sequence[float]]] = FOUND, keys: Mapping[str, str] | None = None) -> Evaluation:
    """Evaluate detections on the small set, which has no images."""
    named = {key: (keys or {}).get(key, key) for key in FACES}
    boxes = [np.array(rows, dtype=np.float64) for rows in FACES.values()]
    flat = np.vstack([np.column_stack((rows[:, :2], rows[:, :2] + rows[:, 2:])) for rows in boxes])
    ignored = np.arange(len(flat)) == IGNORED
    faces = FaceSet(
        keys=tuple(named.values()),
        offsets=offsets_of([len(rows) for rows in boxes]),
        boxes=flat,
        ignore={"easy": np.ones_like(ignored), "medium": ignored, "hard": ignored},
        attributes={"blur": np.zeros(len(flat), dtype=np.int8)},
    )
    dataset = Dataset(
        name="sample",
        split="val",
        root=Path("nowhere"),
        faces=faces,
        source_hash="0",
        image_root=None,
        suffix=".jpg",
        total_images=len(faces),
        all_keys=faces.keys,
    )
    detections = {}
    for key, rows in found.items():
        table = np.array(rows, dtype=np.float64).reshape(-1, 5)
        detections[named[key]] = (np.column_stack((table[:, :2], table[:, :2] + table[:, 2:4])), table[:, 4])
    return evaluate(dataset, detections, protocol=load_protocol("sample"))


def view(found: Mapping[str, Sequence[Sequence[float]]] = FOUND) -> RunView:
    return RunView.of("own", small(found))


def script_data(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="ascii")
    head, _, rest = text.partition(" = ")
    assert re.fullmatch(r"var sshbenchRun\d+", head)
    assert rest.endswith(";\n")
    data: dict[str, Any] = json.loads(rest[:-2])
    return data
