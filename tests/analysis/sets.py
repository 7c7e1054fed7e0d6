"""Evaluations that the tests of analyses share: the golden sets, and small random ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from sshbench.evaluation.benchmarks import evaluator_of
from sshbench.evaluation.loading import load_dataset
from sshbench.evaluators.base import Outcome
from sshbench.formats import read_predictions
from sshbench.protocols import Protocol, load_protocol
from sshbench.records import DetectionSet, FaceSet, IntArray, offsets_of

_Set = TypeVar("_Set", DetectionSet, FaceSet)
GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    ("wider", "wider", "predictions/ordinary.zip"),
    ("wider", "wider_no_boxes", "predictions/percent.zip"),
    ("fddb", "fddb", "detections/ordinary.txt.gz"),
    ("fddb", "fddb", "detections/crowded_unsorted.txt.gz"),
    ("fddb", "fddb", "detections_ellipse/ellipses.txt.gz"),
    ("pascal", "pascal", "detections/shifted.txt.gz"),
    ("afw", "afw", "detections/tied.txt.gz"),
]
"""Protocol, folder below `tests/golden`, and file of detections."""


@cache
def golden(name: str, folder: str, file: str) -> tuple[DetectionSet, FaceSet, Protocol]:
    """Read a golden set."""
    protocol = load_protocol(name)
    dataset = load_dataset(protocol, GOLDEN / folder)
    detections, _ = read_predictions(GOLDEN / folder / file, dataset, protocol.evaluation.kind)
    return detections, dataset.faces, protocol


def outcome_of(detections: DetectionSet, faces: FaceSet, protocol: Protocol) -> Outcome:
    return evaluator_of(protocol)(detections, faces, protocol)


def random_set(
    seed: int, images: int = 40, subsets: tuple[str, ...] = ("easy", "medium", "hard")
) -> tuple[DetectionSet, FaceSet]:
    """Faces in rows, some ignored, and detections near some of them with distinct scores."""
    rng = np.random.default_rng(seed)
    keys = tuple(f"{i % 12}--event/image{i}" for i in range(images))
    counts = rng.integers(0, 6, images)
    total = int(counts.sum())
    left = np.concatenate([np.arange(count) * 100.0 for count in counts]) if total else np.empty(0)
    sides = rng.uniform(8, 80, total)
    boxes = np.column_stack((left, np.zeros(total), left + sides, sides * 1.2))
    ignore = {name: rng.random(total) < 0.3 for name in subsets}
    attributes = {
        name: rng.integers(0, codes, total).astype(np.int8)
        for name, codes in (("blur", 3), ("occlusion", 3), ("pose", 2))
    }
    sizes = np.full((images, 2), 700)
    faces = FaceSet(keys, offsets_of(counts), boxes, ignore, attributes, sizes=sizes)
    hit = rng.random(total) < 0.8
    shifted = boxes[hit] + rng.normal(0, 6, (int(hit.sum()), 1))
    image = np.concatenate((faces.image_rows[hit], rng.integers(0, images, 2 * images)))
    x, side = rng.uniform(0, 600, 2 * images), rng.uniform(8, 80, 2 * images)
    clutter = np.column_stack((x, np.full(2 * images, 200.0), x + side, 200 + side))
    found, order = np.vstack((shifted, clutter)), np.argsort(image, kind="stable")
    scores = np.linspace(0.01, 0.99, len(found))
    rng.shuffle(scores)
    detections = DetectionSet(keys, offsets_of(np.bincount(image, minlength=images)), found[order], scores)
    return detections, faces


def duplicated(data: _Set, weights: IntArray) -> _Set:
    """Return a set in which image i comes `weights[i]` times, under other keys."""
    chosen = np.repeat(np.arange(len(data)), weights)
    numbers: dict[int, int] = {}
    keys = []
    for i in chosen.tolist():
        numbers[i] = numbers.get(i, 0) + 1
        keys.append(f"{data.keys[i]}-{numbers[i]}")
    counts = np.diff(data.offsets)[chosen]
    rows = np.concatenate([np.arange(data.offsets[i], data.offsets[i + 1]) for i in chosen] or [np.empty(0, np.int64)])
    return data._part(tuple(keys), offsets_of(counts), rows, chosen)
