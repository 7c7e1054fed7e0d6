"""WIDER FACE evaluated with the deviations of other tools, each of them a switch.

A variant is made of the official evaluator's own functions (`sshbench.evaluators.wider`): a switch changes the
detections, a number of the protocol, the scores' range, the order of the rows, or which images take part. Without a
switch the result is the official one.

Source: what other tools do was read in their code, and measured: see docs/explain.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sshbench.errors import UsageError, did_you_mean
from sshbench.evaluators.wider import (
    highest_to_come,
    match_wider,
    normalise_scores,
    pass_over,
    steps_of,
    subset_curve,
)
from sshbench.protocols import Protocol, WiderEvaluation
from sshbench.records import BoolArray, DetectionSet, FaceSet, FloatArray, offsets_of

SWITCHES: dict[str, str] = {
    "unsorted": "rows of an image are taken in the file's order, not by falling score",
    "range-0-1": "the search for the range of scores starts at 0 and 1, so that scores over 1 keep a range from 1",
    "float64": "scores are normalised in double precision",
    "per-image": "scores are normalised in each image by itself",
    "no-plus-one": "sides of boxes are x2 - x1, without + 1",
    "int32": "IoU in whole numbers, as in the official tool's copies of 2017 and 2018",
    "score-cut": "detections with a score under 0.5 are left out",
    "skip-images": "images without a face that counts in the subset are skipped, with their detections",
}
"""By switch, the deviation in words."""

PYTHON_PORT = ("unsorted", "range-0-1", "float64")
"""The switches of the widely used Python port of the official tool, and of its many copies."""

_CUT = 0.5
_RULES: dict[str, tuple[str, str]] = {
    "float64": ("score_precision", "float64"),
    "no-plus-one": ("box_convention", "continuous"),
    "int32": ("iou_arithmetic", "int32"),
}


def changed_rules(protocol: Protocol, switches: Sequence[str]) -> Protocol:
    """Return a protocol with those numbers changed that switches stand for.

    Args:
        protocol: The rules; `evaluation.kind` is `wider`.
        switches: Names of `SWITCHES`.

    Raises:
        UsageError: A switch is unknown, two of them exclude each other, or the protocol is of another kind.

    >>> from sshbench.protocols import load_protocol
    >>> changed_rules(load_protocol("wider"), ["float64"]).evaluation.score_precision
    'float64'
    """
    protocol.rules(WiderEvaluation)
    if unknown := [name for name in switches if name not in SWITCHES]:
        raise UsageError(f"there is no switch '{unknown[0]}'", remedy=did_you_mean(unknown[0], list(SWITCHES)))
    changes = dict(_RULES[name] for name in switches if name in _RULES)
    return protocol.with_evaluation(**changes) if changes else protocol


def applicable(protocol: Protocol) -> tuple[str, ...]:
    """Return the switches that a protocol allows, in the order of `SWITCHES`.

    >>> from sshbench.protocols import load_protocol
    >>> set(SWITCHES) - set(applicable(load_protocol("wider").with_evaluation(iou_arithmetic="int32")))
    {'no-plus-one'}
    """
    return tuple(name for name in SWITCHES if _allows(protocol, name))


def _allows(protocol: Protocol, switch: str) -> bool:
    protocol.rules(WiderEvaluation)
    try:
        changed_rules(protocol, [switch])
    except UsageError:
        return False
    return True


def variant_ap(
    detections: DetectionSet, faces: FaceSet, protocol: Protocol, switches: Sequence[str] = ()
) -> dict[str, float]:
    """Compute AP by a protocol of WIDER FACE with deviations.

    Args:
        detections: Of the images of `faces`, rows in the file's order.
        faces: Ground truth with an ignore flag per subset of the protocol.
        protocol: The rules; `evaluation.kind` is `wider`.
        switches: Names of `SWITCHES`; none gives the official figures.

    Returns:
        By subset, AP as an unrounded fraction.

    Raises:
        UsageError: As for `changed_rules`.

    >>> import sshbench
    >>> sample = sshbench.load_dataset("sample")
    >>> found = sshbench.DetectionSet(sample.keys, sample.faces.offsets, sample.faces.boxes,
    ...     sample.faces.boxes[:, 2] - sample.faces.boxes[:, 0])
    >>> variant_ap(found, sample.faces, sshbench.load_protocol("sample"))["easy"]
    1.0
    """
    changed = changed_rules(protocol, switches)
    rules = changed.rules(WiderEvaluation)
    detections = detections.aligned(faces.keys)
    if "score-cut" in switches:
        detections = _cut(detections)
    match = match_wider(detections, faces, changed)
    order = match.order
    scores = _normalised(detections, switches, single=rules.score_precision == "float32")
    if "unsorted" in switches:
        # Such a tool keeps the rows up to the last one that reaches a threshold, whatever stands before it.
        order = np.arange(detections.total)
        scores = highest_to_come(scores, detections.offsets)
    step = np.empty(detections.total, dtype=np.int32)
    step[order] = steps_of(scores[order], detections.offsets, rules.thresholds)
    passed_over, _ = pass_over(detections, faces, rules)
    found: dict[str, float] = {}
    for subset in changed.subsets:
        ignore = faces.ignore[subset.name]
        left_out = passed_over
        if "skip-images" in switches:
            left_out = passed_over | _without_counted(detections, faces, ignore)
        found[subset.name] = subset_curve(match, step, ignore, left_out, rules.thresholds)[1].ap
    return found


def _cut(detections: DetectionSet) -> DetectionSet:
    kept = detections.scores >= _CUT
    image = detections.image_rows
    counts = np.bincount(image[kept], minlength=len(detections))
    return DetectionSet(detections.keys, offsets_of(counts), detections.boxes[kept], detections.scores[kept])


def _normalised(detections: DetectionSet, switches: Sequence[str], *, single: bool) -> FloatArray:
    def normalised(scores: FloatArray) -> FloatArray:
        if "range-0-1" in switches:
            return normalise_scores(scores, single=single, start=(0.0, 1.0))
        return normalise_scores(scores, single=single)

    if "per-image" not in switches:
        return normalised(detections.scores)
    parts = [normalised(detections.scores[start:end]) for start, end in pairwise(detections.offsets)]
    return np.concatenate([np.empty(0), *parts])


def _without_counted(detections: DetectionSet, faces: FaceSet, ignore: BoolArray) -> BoolArray:
    """Return bool (n,): True for a detection of an image in which no face counts."""
    image = faces.image_rows
    counted = np.bincount(image[~ignore], minlength=len(faces))
    return np.asarray(np.repeat(counted == 0, np.diff(detections.offsets)), dtype=np.bool_)
