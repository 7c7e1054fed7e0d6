"""hotcoco's own comparison of two runs: equal differences; its standard error is of a dataset drawn as a set."""

from __future__ import annotations

from typing import Any

import hotcoco
import numpy as np
import pytest

from sshbench.analysis.intervals import intervals
from sshbench.analysis.resample import Resampling
from sshbench.boxes import xywh_of
from sshbench.protocols import load_protocol
from sshbench.records import DetectionSet, FaceSet
from tests.analysis.sets import outcome_of, random_set

IMAGES = 200


def evaluated(detections: DetectionSet, faces: FaceSet) -> Any:
    """Evaluate with hotcoco as its users do; no image has over 100 detections."""
    boxes, areas = xywh_of(faces.boxes), np.prod(xywh_of(faces.boxes)[:, 2:], axis=1)
    annotations = [
        {"id": n + 1, "image_id": int(i) + 1, "category_id": 1, "bbox": box, "area": float(area), "iscrowd": int(crowd)}
        for n, (i, box, area, crowd) in enumerate(
            zip(faces.image_rows, boxes.tolist(), areas, faces.ignore["all"], strict=True)
        )
    ]
    content = {"images": [{"id": i + 1} for i in range(len(faces))], "annotations": annotations}
    truth = hotcoco.COCO({**content, "categories": [{"id": 1, "name": "face"}]})
    rows = np.column_stack(
        (detections.image_rows + 1, xywh_of(detections.boxes), detections.scores, np.ones(detections.total))
    )
    evaluation = hotcoco.COCOeval(truth, truth.load_res(rows), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def test_differences_are_equal_and_its_errors_too_small() -> None:
    found, faces = random_set(3, images=IMAGES, subsets=("all",))
    moved = np.random.default_rng(5).normal(0, 3, (found.total, 1))
    other = DetectionSet(found.keys, found.offsets, found.boxes + moved, found.scores)
    theirs = hotcoco.compare(
        evaluated(other, faces), evaluated(found, faces), n_bootstrap=2000, seed=1, confidence=0.95
    )
    ours = [
        intervals(outcome_of(one, faces, load_protocol("coco")), Resampling(IMAGES), names=["AP", "AP50"])
        for one in (found, other)
    ]
    for metric in ("AP", "AP50"):
        difference = ours[0].replicates[metric] - ours[1].replicates[metric]
        values = ours[0][metric].value, ours[1][metric].value
        assert values[0] is not None
        assert values[1] is not None
        assert theirs["deltas"][metric] == pytest.approx(values[0] - values[1], abs=1e-12)
        # It counts an image that is drawn twice once: about 63 % of the images.
        assert 0.70 < theirs["ci"][metric]["std_err"] / float(np.std(difference, ddof=1)) < 0.85
